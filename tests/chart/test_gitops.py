"""What Argo CD and Flux make of our objects."""

from datetime import UTC, datetime
from typing import Any

import jsonschema
import lupa
import pytest
import yaml
from chart.chart import ROOT
from interact_api.conditions import Condition, ConditionStatus, ConditionType, Reason
from interact_api.pipeline_status import Phase, PipelineStatus

ARGO = ROOT / "deploy" / "argocd"
GENERATION = 3
Facts = list[tuple[str, str, str]]


def status(phase: Phase, facts: Facts, seen: int = GENERATION) -> dict[str, Any]:
    """A status as the controller writes it."""
    conditions = tuple(
        Condition(
            type=ConditionType(kind),
            status=ConditionStatus(value),
            reason=Reason(reason),
            message="",
            observed_generation=seen,
            last_transition_time=datetime(2026, 1, 2, tzinfo=UTC).isoformat(),
        )
        for kind, value, reason in facts
    )
    made = PipelineStatus(phase=phase, observed_generation=seen, conditions=conditions)
    return made.model_dump(mode="json", by_alias=True)


def health(script: str, given: dict[str, Any] | None) -> tuple[str, str]:
    """The verdict of a health script, as Argo CD runs it: ``obj`` is the object."""
    lua = lupa.LuaRuntime(unpack_returned_tuples=True)
    thing: dict[str, Any] = {"metadata": {"generation": GENERATION}}
    if given is not None:
        thing["status"] = given
    lua.globals()["obj"] = lua.table_from(thing, recursive=True)
    said = lua.execute((ARGO / script).read_text())
    return said["status"], said["message"]


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        pytest.param(None, "Progressing", id="nothing was said yet"),
        pytest.param(
            status(Phase.RUNNING, [("Ready", "True", "Running")], seen=2), "Progressing", id="an older generation was seen"
        ),
        pytest.param(
            status(Phase.PENDING, [("Ready", "False", "OperatorsNotFound"), ("Reconciling", "True", "OperatorsNotFound")]),
            "Progressing", id="operators are not there yet",
        ),
        pytest.param(
            status(Phase.PROGRESSING, [("Ready", "False", "Starting"), ("Reconciling", "True", "Starting")]),
            "Progressing", id="pods start",
        ),
        pytest.param(status(Phase.RUNNING, [("Ready", "True", "Running")]), "Healthy", id="it runs"),
        pytest.param(
            status(Phase.RUNNING, [("Ready", "True", "Running"), ("BackPressured", "True", "StreamFull")]),
            "Healthy", id="it runs, held back by a slow operator",
        ),
        pytest.param(
            status(Phase.PENDING, [("Ready", "False", "Cycle"), ("Stalled", "True", "Cycle")]),
            "Degraded", id="the graph has a cycle",
        ),
        pytest.param(status(Phase.DEGRADED, [("Ready", "False", "Crashing")]), "Degraded", id="an operator crashes"),
        pytest.param(status(Phase.FAILED, [("Ready", "False", "TooManyFailures")]), "Degraded", id="it failed"),
        pytest.param(status(Phase.SUSPENDED, [("Ready", "True", "Suspended")]), "Suspended", id="a person suspended it"),
        pytest.param(
            status(Phase.DRAINING, [("Ready", "False", "Draining"), ("Reconciling", "True", "Draining")]),
            "Progressing", id="it drains",
        ),
        pytest.param(
            status(Phase.COMPLETED, [("Ready", "True", "Completed"), ("Completed", "True", "Completed")]),
            "Healthy", id="it is complete",
        ),
    ],
)  # fmt: skip
def test_argo_cd_sees_a_pipeline_as_people_do(given, verdict):
    assert health("pipeline.health.lua", given)[0] == verdict


def test_argo_cd_tells_the_reason():
    given = status(Phase.PENDING, [("Ready", "False", "Cycle"), ("Stalled", "True", "Cycle")])
    given["conditions"][1]["message"] = "a feeds b, b feeds a; remove one of the edges"

    assert (
        health("pipeline.health.lua", given)[1]
        == "Cycle: a feeds b, b feeds a; remove one of the edges"
    )


@pytest.mark.parametrize(
    ("value", "verdict"), [("True", "Healthy"), ("False", "Degraded"), ("Unknown", "Progressing")]
)
def test_argo_cd_sees_whether_an_operator_is_in_order(value, verdict):
    given = status(Phase.PENDING, [("Ready", value, "Accepted" if value == "True" else "Unknown")])

    assert health("interactoperator.health.lua", given)[0] == verdict
    assert health("interactoperator.health.lua", None)[0] == "Progressing"


def test_the_scripts_get_into_argo_cd_s_configuration(plane, tmp_path):
    (tmp_path / "health").mkdir()
    for path in ARGO.iterdir():
        (tmp_path / "health" / path.name).write_text(path.read_text())
    (tmp_path / "base.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-cm}\ndata: {url: https://argo.example.org}\n"
    )
    (tmp_path / "kustomization.yaml").write_text("resources: [base.yaml]\ncomponents: [health]\n")

    made = yaml.safe_load(plane.kubectl("kustomize", str(tmp_path)))

    assert made["metadata"]["name"] == "argocd-cm"
    assert set(made["data"]) == {
        "url",
        "resource.customizations.health.interact.science_Pipeline",
        "resource.customizations.health.interact.science_InteractOperator",
    }


def test_what_flux_installs_is_there_and_its_values_fit():
    documents = list(yaml.safe_load_all((ROOT / "deploy/flux/interact.yaml").read_text()))

    releases = [one for one in documents if one["kind"] == "HelmRelease"]
    assert [one["spec"]["chart"]["spec"]["chart"] for one in releases] == [
        "helm/interact",
        "helm/interact-catalogue",
    ]
    for one in releases:
        chart = ROOT / one["spec"]["chart"]["spec"]["chart"]
        schema = yaml.safe_load((chart / "values.schema.json").read_text())
        jsonschema.validate(one["spec"].get("values", {}), schema)
    [pipelines] = [one for one in documents if one["kind"] == "Kustomization"]
    assert pipelines["spec"]["wait"] is True
