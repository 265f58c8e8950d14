"""External operators in a pipeline's graph: their Deployments, their status, and what they may not be."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from controller.building import KEY, POLICY, Lab, catalogue, operator, pipeline
from interact.cli.cluster import described
from interact.cli.exits import CommandError
from interact.cli.plans import plans
from interact_api import graph
from interact_controller import observed
from interact_controller.seen import Manifest

EXTERNAL = {"execution": {"mode": "external", "driver": "human", "maxRuns": 3,
                          "human": {"instructions": "Look.", "form": {}}}}  # fmt: skip
PORTS: dict[str, Any] = {
    "inputs": [{"name": "moments", "type": "values"}],
    "outputs": [{"name": "out", "type": "values"}],
}
EDGES = ("r.frames > c.frames", "c.moments > j.moments", "j.out > t.parts", "t.image > s.image")


def judged(**spec: Any) -> tuple[Manifest, ...]:
    """A pipeline with an external operator ``judge`` between its kernel and its reducer."""
    placed = {"r": "reader", "c": "centre", "j": "judge", "t": "total", "s": "show"}
    return (*catalogue(), operator("judge", **{**EXTERNAL, **PORTS, **spec}), pipeline(*EDGES, **placed))  # fmt: skip


def run(name: str, phase: str) -> Manifest:
    own = {"interact.science/pipeline": "scan", "interact.science/operator": "j"}
    return {"apiVersion": "interact.science/v1alpha1", "kind": "ExternalRun",
            "metadata": {"name": name, "namespace": "lab", "labels": own},
            "spec": {"operator": {"name": "judge"}}, "status": {"phase": phase, "attempt": 1}}  # fmt: skip


async def test_a_relay_runs_in_the_place_of_an_external_operator() -> None:
    template = {"resources": {"limits": {"nvidia.com/gpu": "1"}}, "nodeSelector": {"zone": "a"},
                "env": [{"name": "TOKEN", "value": "x"}]}  # fmt: skip
    lab = Lab(*judged(template=template), policy=replace(POLICY, exchange_image="example/stem:1"))

    await lab.run()

    pod = lab.deployment("j")["spec"]["template"]["spec"]  # type: ignore[index,call-overload]
    [container] = pod["containers"]
    assert lab.condition("Ready") == ("True", "Running")
    assert container["image"] == "example/stem:1"
    assert container["command"] == ["python", "-m", "interact.external_relay"]
    assert "resources" not in container
    assert "TOKEN" not in {one["name"] for one in container["env"]}
    assert pod["nodeSelector"] == {"zone": "a"}
    assert '"mostRuns":3' in container["env"][0]["value"]
    assert "mostRuns" not in str(lab.deployment("c"))


async def test_the_status_counts_runs_by_phase() -> None:
    lab = Lab(*judged())
    await lab.run()
    for number, phase in enumerate(("RUNNING", "FAILED", "RUNNING")):
        lab.memory.put(run(f"run-{number}", phase))

    lab.time += timedelta(minutes=1)
    await lab.look()

    status: dict[str, Any] = lab.status
    found = {one["name"]: one.get("externalRuns") for one in status["operators"]}
    lines = described.pipeline(lab.memory.objects[KEY], [], lab.time)
    assert status["externalRuns"] == {"FAILED": 1, "RUNNING": 2}
    assert found == {"r": None, "c": None, "j": {"FAILED": 1, "RUNNING": 2}, "t": None, "s": None}
    assert any("j: external runs: 1 FAILED, 2 RUNNING" in line for line in lines)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param({"role": "reducer"}, "put a reducer before it", id="it is a reducer"),
        pytest.param({"outputs": [{"name": "out", "type": "image"}]}, "write type: values",
                     id="it gives pictures"),
        pytest.param({"inputs": [{"name": "moments", "type": "values", "ordered": True}]},
                     "each message is a run of its own", id="it wants an order"),
        pytest.param({"parameters": [{"name": "message", "type": "str", "default": ""}]},
                     "choose another name", id="it has the platform's parameter"),
        pytest.param({"inputs": []}, "no input a message could come by", id="it is a source"),
    ],
)  # fmt: skip
def test_what_an_external_operator_may_not_be_is_named(spec: dict[str, Any], words: str) -> None:
    *operators, flow = judged(**spec)
    known = {str(one["metadata"]["name"]): observed.operator(one) for one in operators}  # type: ignore[index,call-overload]

    found = graph.problems(observed.pipeline(flow), known)

    assert any(words in one.message and "'judge'" in one.message for one in found), found


def test_a_local_run_refuses_external_operators_and_says_what_to_do() -> None:
    *operators, flow = judged()
    known = {str(one["metadata"]["name"]): observed.operator(one) for one in operators}  # type: ignore[index,call-overload]

    with pytest.raises(CommandError) as refusal:
        plans([observed.pipeline(flow)], known, "lab")

    [words] = refusal.value.args
    assert "Pipeline scan: spec.operators[2]: 'j' (judge, driver human) is external" in words
    assert "apply the pipeline on a cluster" in words
