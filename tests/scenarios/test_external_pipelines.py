"""A pipeline that asks a person: source, relay and sink as pods, a controller with the chart's rights."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from cluster.waiting import eventually

from scenarios.stage import streams

pytestmark = pytest.mark.timeout(240)

GIVEN = '''
"""Two messages of values."""
from collections.abc import Iterator

import numpy as np
from interact import Scan, Values, source


@source(name="given")
def given() -> Iterator[Values]:
    """Two frames a message."""
    scan = Scan("s", (2, 2))
    for start in (0, 2):
        yield Values(scan=scan, start=start, stop=start + 2, total=4,
                     columns={"x": np.arange(start, start + 2)})
'''
KEPT = '''
"""A sink that writes down what comes."""
import json
from pathlib import Path

from interact import Param, Values, operator


@operator(name="kept")
def kept(part: Values, *, file: str = Param()) -> None:
    """A line for each message."""
    line = {"start": part.start, **{name: one.tolist() for name, one in part.columns.items()}}
    with Path(file).open("a") as lines:
        lines.write(json.dumps(line) + "\\n")
'''
OPERATORS: dict[str, dict[str, Any]] = {
    "given": {"image": "test/given", "outputs": [{"name": "out", "type": "values"}]},
    "judge": {
        "image": "test/judge",
        "inputs": [{"name": "part", "type": "values"}],
        "outputs": [{"name": "out", "type": "values"}],
        "execution": {
            "mode": "external", "driver": "human", "maxRuns": 4,
            "human": {"instructions": "How good is it?", "form": {
                "required": ["good"], "properties": {"good": {"type": "number"}},
            }},
        },
    },
    "kept": {
        "image": "test/kept",
        "inputs": [{"name": "part", "type": "values"}],
        "parameters": [{"name": "file", "type": "str", "required": True}],
    },
}  # fmt: skip


def objects(file: Path) -> list[dict[str, Any]]:
    """The operators, and a pipeline of them."""
    head = {"apiVersion": "interact.science/v1alpha1"}
    placed: list[dict[str, Any]] = [
        {"name": name, "operatorRef": {"name": name}} for name in OPERATORS
    ]
    placed[-1]["parameters"] = {"file": str(file)}
    edges = [{"from": "given.out", "to": "judge.part", "ackWait": "2s"},
             {"from": "judge.out", "to": "kept.part"}]  # fmt: skip
    made = [{**head, "kind": "InteractOperator", "metadata": {"name": name}, "spec": spec}
            for name, spec in OPERATORS.items()]  # fmt: skip
    spec = {"operators": placed, "edges": edges}
    return [*made, {**head, "kind": "Pipeline", "metadata": {"name": "ask"}, "spec": spec}]


def test_a_relay_that_is_killed_finds_the_runs_of_its_messages(
    stage, plane, namespace, node, tmp_path, monkeypatch
):
    kube = plane.kube(namespace)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for name, text in (("given", GIVEN), ("kept", KEPT)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.py").write_text(text)
        node.images[f"test/{name}"] = [sys.executable, "-m", "interact", str(tmp_path / name / "run.py")]  # fmt: skip
    stage.controller()
    for one in objects(tmp_path / "lines"):
        kube.apply(one)

    def waiting() -> list[Any]:
        runs = kube.list("externalruns", labels="interact.science/pipeline=ask")
        asked = [one for one in runs if one.get("status", {}).get("phase") == "WAITING_EXTERNAL"]
        return asked if len(asked) == 2 else []

    def told() -> str:
        return json.dumps([kube.get("pipelines", "ask")["status"], kube.list("externalruns")])

    before = eventually(waiting, told, 90)
    [relay] = kube.list("pods", labels="interact.science/operator=judge")
    os.kill(node.pod(relay["metadata"]["name"]).process.pid, signal.SIGKILL)
    kube.wait(
        "pipelines", "ask", lambda one: one["status"].get("externalRuns") == {"WAITING_EXTERNAL": 2}
    )
    for one in before:
        number = int(one["metadata"]["labels"]["interact.science/index"])
        answer = {"status": "COMPLETED", "data": {"good": number + 0.5}}
        data = {"data": {"1.json": json.dumps(answer)}}
        kube.patch("configmaps", f"{one['metadata']['name']}-answers", data)

    lines = eventually(lambda: _lines(tmp_path / "lines"), "both answers came", 90)
    plane.kubectl("-n", namespace, "wait", "--for=condition=Completed", "pipeline/ask", "--timeout=60s")  # fmt: skip
    runs = kube.list("externalruns")
    ended = kube.wait(
        "pipelines", "ask", lambda one: one["status"]["externalRuns"] == {"COMPLETED": 2}
    )
    there = streams(stage, namespace)
    kube.delete("pipelines", "ask")
    eventually(lambda: kube.list("externalruns") == [], "the runs go with their pipeline")
    eventually(lambda: streams(stage, namespace) == set(), "and its streams")

    assert lines == [{"start": 0, "good": [0.5, 0.5]}, {"start": 2, "good": [2.5, 2.5]}]
    assert {one["metadata"]["uid"] for one in runs} == {one["metadata"]["uid"] for one in before}
    assert f"OBJ_interact-runs_{namespace}_ask" in there
    assert [one.get("externalRuns") for one in ended["status"]["operators"]] == [
        None, {"COMPLETED": 2}, None,
    ]  # fmt: skip


def _lines(file: Path) -> list[dict[str, Any]]:
    """What the sink wrote once it has both messages, each once, in order."""
    text = file.read_text() if file.exists() else ""
    found = {line["start"]: line for line in map(json.loads, text.splitlines())}
    return [found[start] for start in sorted(found)] if len(found) == 2 else []
