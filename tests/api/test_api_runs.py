"""What the API server lets become of a run: the lifecycle, what stays, and who may end it."""

import copy
import json
import secrets

import pytest
from api.specimens import FULL_RUN
from cluster.kube import KubeError
from interact_api.admission import admission_errors
from interact_api.external_run import ExternalRun
from interact_api.lifecycle import MOVES, RunPhase, RunReason, Standing, check_transition
from interact_api.run_rules import FROZEN, RUN_MOVES

ROUTES = {
    RunPhase.CREATED: [],
    RunPhase.SUBMITTED: ["SUBMITTED"],
    RunPhase.RUNNING: ["RUNNING"],
    RunPhase.WAITING_EXTERNAL: ["WAITING_EXTERNAL"],
    RunPhase.COMPLETED: ["SUBMITTED", "COMPLETED"],
    RunPhase.FAILED: ["FAILED"],
    RunPhase.CANCELLED: ["CANCELLED"],
}
"""How a run comes to each phase from CREATED."""


def new_run(name, **spec):
    data = copy.deepcopy(FULL_RUN)
    data.pop("status")
    data["metadata"]["name"] = name
    data["spec"] |= {"suspend": False, **spec}
    return data


@pytest.fixture(scope="module")
def runs(plane):
    """A client of a namespace for runs."""
    name = f"api-runs-{secrets.token_hex(3)}"
    kube = plane.kube(name)
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield kube
    kube.delete("namespaces", name)


def standing_at(kube, phase, **status):
    """A new run that was led to a phase, in its second attempt."""
    name = f"run-{secrets.token_hex(4)}"
    kube.create(new_run(name))
    kube.patch_status("externalruns", name, {"phase": "CREATED", "attempt": 1, **status})
    kube.patch_status("externalruns", name, {"attempt": 2})
    for step in ROUTES[phase]:
        kube.patch_status("externalruns", name, {"phase": step})
    return stored(kube, name)


def stored(kube, name):
    """A run as it is stored, without the long list of who wrote what."""
    found = kube.get("externalruns", name)
    del found["metadata"]["managedFields"]
    return found


def refused(kube, old, status=None, **spec):
    """Why the API server refuses a change, which it is only asked; None if it does not."""
    new = copy.deepcopy(old)
    where = kube.path("externalruns", old["metadata"]["name"])
    if spec:
        new["spec"] = {key: one for key, one in {**new["spec"], **spec}.items() if one is not None}
    else:
        new.pop("status", None)
        if status is not None:
            new["status"] = status
        where += "/status"
    said = None
    try:
        kube.request("PUT", where, new, dryRun="All", fieldValidation="Strict")
    except KubeError as error:
        if error.status != 422:
            raise
        said = error.message
    told = admission_errors(new, old)
    assert (said is None) == (told == ()), (said, told)
    return said


@pytest.mark.parametrize("phase", RunPhase)
def test_a_status_goes_where_the_lifecycle_has_it_and_nowhere_else(runs, phase):
    old = standing_at(runs, phase)
    before = Standing(phase, 2)
    targets = [
        Standing(after, attempt, reason)
        for after in RunPhase
        for attempt in (1, 2, 3, 4)
        for reason in (("Running", "Requeued") if after is RunPhase.SUBMITTED else ("Running",))
    ]

    for after in targets:
        status = {"phase": after.phase.value, "attempt": after.attempt, "reason": after.reason}
        said, legal = refused(runs, old, status), check_transition(before, after)
        assert (said is None) == (legal is None), (before, after, said, legal)


@pytest.mark.parametrize("phase", [RunPhase.CREATED, RunPhase.RUNNING, RunPhase.FAILED])
def test_a_phase_never_disappears(runs, phase):
    old = standing_at(runs, phase)

    assert "status.phase never disappears" in str(refused(runs, old))
    assert "status.phase" in str(refused(runs, old, {"attempt": 2}))
    assert "status.attempt" in str(refused(runs, old, {"phase": phase.value}))
    assert "status.phase" in str(refused(runs, old, {}))


def test_a_first_phase_is_created(runs):
    old = runs.create(new_run("first"))

    for phase in set(RunPhase) - {RunPhase.CREATED}:
        status = {"phase": phase.value, "attempt": 1}
        assert "the first phase is CREATED" in str(refused(runs, old, status))
    assert "of attempt 1" in str(refused(runs, old, {"phase": "CREATED", "attempt": 2}))
    assert refused(runs, old, {"phase": "CREATED", "attempt": 1}) is None


def test_an_external_id_stays_for_its_attempt(runs):
    old = standing_at(runs, RunPhase.CREATED)
    runs.patch_status("externalruns", old["metadata"]["name"], {"phase": "SUBMITTED", "externalId": "7"})  # fmt: skip
    old = stored(runs, old["metadata"]["name"])
    there = {"phase": "SUBMITTED", "attempt": 2}

    assert "externalId stays" in str(refused(runs, old, there))
    assert "externalId stays" in str(refused(runs, old, {**there, "externalId": "8"}))
    assert refused(runs, old, {**there, "phase": "RUNNING", "externalId": "7"}) is None
    assert refused(runs, old, {"phase": "CREATED", "attempt": 3}) is None


def test_the_attempts_keep_what_was_and_each_follows_the_lifecycle(runs):
    old = standing_at(runs, RunPhase.RUNNING, attempts=[{"number": 1, "phase": "CREATED"}])
    name = old["metadata"]["name"]
    runs.patch_status("externalruns", name, {"attempts": [{"number": 1, "phase": "FAILED"}]})
    old = stored(runs, name)
    there = {"phase": "RUNNING", "attempt": 2}
    both = [{"number": 1, "phase": "FAILED"}, {"number": 2, "phase": "RUNNING"}]

    assert "status.attempts keeps" in str(refused(runs, old, there))
    assert "status.attempts keeps" in str(refused(runs, old, {**there, "attempts": both[1:]}))
    assert refused(runs, old, {**there, "attempts": both}) is None
    again = [{"number": 1, "phase": "CREATED"}]
    assert "an attempt follows" in str(refused(runs, old, {**there, "attempts": again}))


CHANGES = {
    "driver": "http",
    "system": "another",
    "operator": {"name": "reduce"},
    "kubernetesJob": {"image": "a"},
    "slurm": {"script": "rm -r /"},
    "human": {"instructions": "look"},
    "experiment": {"claim": "a"},
    "custom": {},
    "parameters": [{"name": "threshold", "value": 4}],
    "inputs": [],
    "timeout": "31m",
    "waitingTimeout": None,
    "deadline": "3h",
    "retry": {"limit": 3},
}


@pytest.mark.parametrize("field", CHANGES)
def test_the_spec_of_a_run_that_was_taken_up_stays(runs, field):
    old = standing_at(runs, RunPhase.CREATED)

    said = refused(runs, old, **{field: CHANGES[field]})

    assert "the spec of a run that was taken up stays" in str(said)
    assert set(CHANGES) == set(FROZEN)


PARAMETERS = FULL_RUN["spec"]["parameters"]


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param([PARAMETERS[0] | {"name": "other"}, PARAMETERS[1]], id="renamed"),
        pytest.param([PARAMETERS[0] | {"value": "3.5"}, PARAMETERS[1]], id="retyped"),
        pytest.param([PARAMETERS[0], {"name": "shape", "value": [2, {"b": None}]}], id="deep"),
        pytest.param(PARAMETERS[:1], id="one less"),
        pytest.param([*PARAMETERS, {"name": "more", "value": 1}], id="one more"),
        pytest.param([PARAMETERS[0], {"name": "shape"}], id="no value"),
    ],
)
def test_no_part_of_a_parameter_is_changed(runs, parameters):
    old = standing_at(runs, RunPhase.RUNNING)

    assert "the spec of a run that was taken up stays" in str(
        refused(runs, old, parameters=parameters)
    )


def test_no_key_of_a_form_or_a_config_is_renamed(runs):
    form = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}
    spec = {"driver": "human", "system": None, "slurm": None, "human": {"instructions": "x", "form": form}}  # fmt: skip
    data = new_run("asked", **spec)
    data["spec"] = {key: one for key, one in data["spec"].items() if one is not None}
    runs.create(data)
    runs.patch_status("externalruns", "asked", {"phase": "CREATED", "attempt": 1})
    loose = {("needed" if key == "required" else key): one for key, one in form.items()}

    said = refused(runs, stored(runs, "asked"), human={"instructions": "x", "form": loose})

    assert "the spec of a run that was taken up stays" in str(said)


def test_a_run_that_nobody_took_up_may_be_corrected(runs):
    old = runs.create(new_run("early"))

    assert refused(runs, old, parameters=[{"name": "threshold", "value": 4}]) is None


def test_cancel_suspend_and_ttl_may_change_and_cancel_is_one_way(runs):
    old = standing_at(runs, RunPhase.RUNNING)

    for change in ({"cancel": True}, {"suspend": True}, {"ttlAfterFinished": "1h"}):
        assert refused(runs, old, **change) is None
    cancelled = runs.patch("externalruns", old["metadata"]["name"], {"spec": {"cancel": True}})
    assert "cancel is one way" in str(refused(runs, cancelled, cancel=False))
    assert "cancel is one way" in str(refused(runs, cancelled, cancel=None))
    assert refused(runs, cancelled, suspend=True) is None


def test_a_late_status_of_a_deposed_leader_is_a_conflict(runs):
    old = standing_at(runs, RunPhase.CREATED)
    name = old["metadata"]["name"]
    runs.patch_status("externalruns", name, {"phase": "SUBMITTED", "externalId": "7"})

    late = old | {"status": {"phase": "CREATED", "attempt": 2, "reason": "Queued"}}
    with pytest.raises(KubeError) as error:
        runs.request("PUT", runs.path("externalruns", f"{name}/status"), late)

    assert error.value.status == 409
    assert runs.get("externalruns", name)["status"]["externalId"] == "7"


@pytest.mark.parametrize(
    ("template", "word"),
    [
        ({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}, "env"),
        ({"envFrom": [{"secretRef": {"name": "s"}}]}, "envFrom"),
        ({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}, "volumes"),
        ({"volumes": [{"name": "v", "projected": {"sources": []}}]}, "volumes"),
        ({"volumes": [{"name": "v", "csi": {"driver": "secrets"}}]}, "volumes"),
        ({"serviceAccountName": "admin"}, "service account"),
        ({"imagePullSecrets": [{"name": "s"}]}, "imagePullSecrets"),
    ],
)
@pytest.mark.parametrize("driver", ["kubernetes-job", "experiment"])
def test_no_run_names_a_secret_or_an_account(runs, driver, template, word):
    section = {"image": "a"} if driver == "kubernetes-job" else {"claim": "c"}
    field = "kubernetesJob" if driver == "kubernetes-job" else "experiment"
    data = {
        "apiVersion": FULL_RUN["apiVersion"],
        "kind": "ExternalRun",
        "metadata": {"name": "spy"},
        "spec": {"driver": driver, field: {**section, "template": template}},
    }

    with pytest.raises(KubeError) as error:
        runs.create(data)

    assert error.value.status == 422
    assert word in error.value.message
    assert any(word in one for one in admission_errors(data))


def test_the_rules_are_affordable_for_the_largest_run(runs):
    many = [{"name": f"p{number:0>60}", "value": "x" * 500} for number in range(128)]
    inputs = [{"name": f"i{number:0>200}", "path": "x" * 1000} for number in range(64)]
    script = {"script": "x" * 65536, "artifacts": [f"{number:0>200}" for number in range(64)]}
    data = new_run("largest", parameters=many, inputs=inputs, slurm=script)
    runs.create(data)
    phases = [{"number": one, "phase": "FAILED", "message": "x" * 1024} for one in range(1, 16)]

    runs.patch_status("externalruns", "largest", {"phase": "CREATED", "attempt": 1})
    runs.patch_status("externalruns", "largest", {"phase": "RUNNING", "attempts": phases[:1]})
    for attempt in range(2, 16):
        runs.patch_status(
            "externalruns",
            "largest",
            {"phase": "CREATED", "attempt": attempt, "attempts": phases[:attempt]},
        )
    changed = runs.patch("externalruns", "largest", {"spec": {"cancel": True}})

    assert changed["status"]["attempt"] == 15
    assert len(json.dumps(changed)) > 200_000


def test_the_moves_of_the_models_are_the_table():
    def at(phase, attempt, reason=RunReason.RUNNING):
        data = new_run("a") | {
            "status": {"phase": phase.value, "attempt": attempt, "reason": reason.value}
        }
        return ExternalRun.model_validate(data)

    for before in RunPhase:
        for after in RunPhase:
            holds = all(
                move.holds(at(before, 1), at(after, 1, RunReason.REQUEUED)) for move in RUN_MOVES
            )
            assert holds == (after is before or after in MOVES[before])
