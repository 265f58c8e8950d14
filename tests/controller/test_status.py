"""What a person, kubectl wait, Flux and Argo CD read in a status."""

from dataclasses import replace

import pytest
from controller.building import KEY, NAMESPACE, Lab, catalogue, chain, operator
from interact_api.stream_plan import MIB
from interact_controller.children import PodSeen
from interact_controller.diagnosis import finding
from interact_controller.seen import Key, Kind
from interact_controller.telling import structure


def kstatus(manifest):
    """The verdict of cli-utils' kstatus for a custom resource (generic.go, status.go)."""
    about, status = manifest["metadata"], manifest.get("status", {})
    if "deletionTimestamp" in about:
        return "Terminating"
    if status.get("observedGeneration", about["generation"]) != about["generation"]:
        return "InProgress"
    held = {one["type"]: one["status"] for one in status.get("conditions", ())}
    if held.get("Reconciling") == "True":
        return "InProgress"
    if held.get("Stalled") == "True":
        return "Failed"
    return {"True": "Current", None: "Current"}.get(held.get("Ready"), "InProgress")


async def starting(lab):
    await lab.look()


async def running(lab):
    await lab.run()


async def edited(lab):
    await lab.run()
    lab.memory.replace(chain(c={"ref": "centre", "replicas": 3}))


async def scaled(lab):
    await edited(lab)
    await lab.look()


async def suspended(lab):
    await lab.run()
    lab.memory.edit(KEY, suspend=True)
    await lab.run()


async def completed(lab):
    await lab.run()
    lab.end()
    await lab.look()


async def drained(lab):
    await lab.run()
    lab.memory.edit(KEY, drain=True)
    await lab.run()


async def draining(lab):
    await lab.run()
    lab.streams.hold("interact_lab_scan_r_frames", "c_frames", 4)
    lab.memory.edit(KEY, drain=True)
    await lab.look()


async def without_operators(lab):
    for one in catalogue():
        del lab.memory.objects[Key(Kind.OPERATOR, NAMESPACE, one["metadata"]["name"])]
    await lab.look()


async def ring(lab):
    spec = lab.memory.objects[KEY]["spec"]
    spec["operators"].append({"name": "b", "operatorRef": {"name": "smooth"}})
    spec["edges"].append({"from": "b.frames", "to": "b.frames"})
    await lab.look()


async def crashing(lab):
    await lab.run()
    lab.kubernetes(stuck=frozenset({"scan--t"}))
    lab.pod("scan--t-0", containerStatuses=[crash(1, "ValueError: the mask has 3 axes")])
    await lab.look()


async def broker_away(lab):
    await lab.run()
    lab.streams.away = True
    await lab.look()


def crash(code, words="", restarts=4):
    last = {"terminated": {"exitCode": code, "reason": "Error", "message": words}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}}
    return {"name": "operator", "restartCount": restarts, "state": waiting, "lastState": last}


@pytest.mark.parametrize(
    ("happens", "verdict", "phase", "ready"),
    [
        (starting, "InProgress", "Progressing", ("False", "Starting")),
        (running, "Current", "Running", ("True", "Running")),
        (edited, "InProgress", "Running", ("True", "Running")),
        (scaled, "InProgress", "Progressing", ("False", "Rolling")),
        (suspended, "Current", "Suspended", ("True", "Suspended")),
        (completed, "Current", "Completed", ("True", "Completed")),
        (draining, "InProgress", "Draining", ("False", "Draining")),
        (drained, "Current", "Suspended", ("True", "Drained")),
        (without_operators, "InProgress", "Pending", ("False", "OperatorsNotFound")),
        (ring, "Failed", "Failed", ("False", "Cycle")),
        (crashing, "InProgress", "Degraded", ("False", "Crashing")),
        (broker_away, "InProgress", "Degraded", ("False", "BrokerUnreachable")),
    ],
)
async def test_the_verdict_of_kstatus_and_ours(happens, verdict, phase, ready):
    lab = Lab()

    await happens(lab)

    found = lab.memory.objects[KEY]
    assert (kstatus(found), lab.status["phase"], lab.condition("Ready")) == (verdict, phase, ready)


@pytest.mark.parametrize("happens", [running, suspended, completed, ring, crashing, broker_away])
async def test_every_condition_says_for_which_generation_it_holds(happens):
    lab = Lab()

    await happens(lab)

    found = lab.memory.objects[KEY]
    generation = found["metadata"]["generation"]
    assert found["status"]["observedGeneration"] == generation
    assert {one["observedGeneration"] for one in found["status"]["conditions"]} == {generation}


async def test_the_time_of_a_condition_moves_with_its_status_only():
    lab = Lab()
    await lab.look()
    first = times(lab)
    await lab.look(times=5)
    lab.kubernetes(stuck=frozenset({"scan--t"}))
    await lab.look()
    still_false = times(lab)["Ready"]

    lab.kubernetes()
    await lab.look()

    assert first["Ready"] == still_false < times(lab)["Ready"]
    assert first["Accepted"] == times(lab)["Accepted"]


def times(lab):
    return {one["type"]: one["lastTransitionTime"] for one in lab.status["conditions"]}


POD = PodSeen("scan--t-0", "t", ready=False, ending=False)


@pytest.mark.parametrize(
    ("pod", "reason", "words"),
    [
        pytest.param(
            replace(POD, waiting="ImagePullBackOff", waiting_message="not found"),
            "ImageNotPulled",
            ["'example/total:1' cannot be pulled: not found", "correct the image"],
            id="an image that is not there",
        ),
        pytest.param(
            replace(POD, waiting="CrashLoopBackOff", restarts=4, exit_code=1, last_words="no mask"),
            "Crashing",
            ["exit code 1", "4 times", "its last words: no mask", "kubectl logs scan--t-0"],
            id="a crash with last words",
        ),
        pytest.param(
            replace(POD, restarts=1, exit_code=137, exit_reason="OOMKilled"),
            "Crashing",
            ["(OOMKilled)", "raise resources.limits"],
            id="too much memory",
        ),
        pytest.param(
            replace(POD, waiting="CreateContainerConfigError", waiting_message="no secret 'x'"),
            "NotStarted",
            ["cannot be made: no secret 'x'", "correct the template's env"],
            id="a secret that is not there",
        ),
        pytest.param(
            replace(POD, unschedulable="0/3 nodes are available: 3 Insufficient cpu."),
            "Unschedulable",
            ["Insufficient cpu", "lower resources.requests"],
            id="no node has room",
        ),
    ],
)
def test_what_is_wrong_with_a_pod_is_said_with_what_to_do(pod, reason, words):
    found = finding("t", "example/total:1", None, [POD, pod])

    assert found is not None
    assert found.reason == reason
    assert all(word in found.message for word in words)


async def test_a_crash_is_told_at_the_operator_and_of_the_whole():
    lab = Lab()

    await crashing(lab)

    states = {one["name"]: one for one in lab.status["operators"]}
    assert "ValueError: the mask has 3 axes" in lab.message()
    assert states["t"]["message"] == lab.message()
    assert states["c"]["message"] == ""
    assert ("Crashing", lab.message()) in lab.memory.events


async def test_a_pipeline_that_was_just_changed_is_not_ready_before_its_new_pods_are():
    lab = Lab()
    await lab.run()

    lab.memory.edit(Key(Kind.OPERATOR, NAMESPACE, "total"), image="example/total:2")
    await lab.look()

    assert lab.condition("Ready") == ("False", "Rolling")


async def test_a_quota_is_told_in_the_words_of_the_deployment():
    lab = Lab()
    await lab.look()
    found = lab.deployment("t")
    words = 'pods "x" is forbidden: exceeded quota: small'
    failure = {"type": "ReplicaFailure", "status": "True", "message": words}
    lab.memory.put({**found, "status": {"conditions": [failure]}})

    await lab.look()

    assert lab.condition("Ready") == ("False", "QuotaExceeded")
    assert "exceeded quota: small" in lab.message()


async def test_events_are_told_on_transitions_only():
    lab = Lab()
    await lab.run()
    await lab.look(times=5)

    assert [reason for reason, _ in lab.memory.events] == ["Starting", "Running"]


async def test_figures_alone_are_written_after_a_pause():
    lab = Lab()
    await lab.run()
    lab.say("r", "running", frames_out=0)
    await lab.look(times=12)
    lab.forget_writes()

    for number in range(1, 31):
        lab.say("r", "running", frames_out=1000 * number)
        lab.say("t", "running", frames_in=900 * number)
        await lab.look()

    written = [what for what in lab.writes if what == ("status", "scan")]
    assert 2 <= len(written) <= 5  # in thirty seconds, at least ten apart, and once as they begin
    assert lab.condition("Flowing") == ("True", "Running")
    assert lab.status["framesPerSecond"] == 1000.0


async def test_the_numbers_of_edges_operators_and_scans_are_there():
    lab = Lab()
    await lab.run()
    lab.streams.hold("interact_lab_scan_r_frames", "c_frames", 9)
    lab.say("c", "running", replica=7, revision=1, refused={"radius": "-1 is below 0; raise it"})

    await lab.look()

    states = {one["name"]: one for one in lab.status["operators"]}
    assert lab.status["edges"][0] == {
        "from": "r.frames",
        "to": "c.frames",
        "pendingMessages": 9,
        "pendingBytes": 0,
        "bytesLimit": 256 * MIB,
        "ackPendingMessages": 0,
        "oldestMessageTime": "",
        "redelivered": 0,
        "deadLettered": 0,
        "stuck": False,
    }
    assert lab.status["lag"] == 9
    assert (states["c"]["ready"], states["c"]["replicas"]) == (2, 2)
    assert states["c"]["parameterRevision"] == 1
    assert states["c"]["refusedParameters"] == [
        {"name": "radius", "message": "-1 is below 0; raise it"}
    ]


async def test_a_full_stream_is_back_pressure():
    lab = Lab()
    await lab.run()
    name = "interact_lab_scan_r_frames"
    live = lab.streams.there[name]
    lab.streams.there[name] = replace(live, bytes=live.max_bytes - 5)

    await lab.look()
    full = lab.condition("BackPressured")
    lab.streams.there[name] = live
    await lab.look()

    assert (full, lab.condition("BackPressured")) == (("True", "StreamFull"), ("", ""))


async def test_dead_letters_are_told_by_operator_and_in_all():
    lab = Lab()
    await lab.run()
    dead = lab.streams.there["interact-dead_lab_scan"]
    held = {"interact-dead.lab.scan.c": 2}
    lab.streams.there[dead.name] = replace(
        dead, messages=2, bytes=80, last_sequence=9, subjects_held=held
    )

    await lab.look()

    states = {one["name"]: one["deadLetters"] for one in lab.status["operators"]}
    assert states == {"r": 0, "c": 2, "t": 0, "s": 0}
    assert {one["to"]: one["deadLettered"] for one in lab.status["edges"]}["c.frames"] == 2
    assert (lab.status["deadLetters"], lab.status["deadLettersEver"]) == (2, 9)
    assert lab.condition("DeadLettering") == ("True", "FramesFailed")
    assert "interact dlq list scan" in lab.message("DeadLettering")


async def test_a_reader_that_acknowledges_nothing_is_stuck_while_it_is_to_work():
    lab = Lab()
    await lab.run()
    name = "interact_lab_scan_r_frames"
    lab.streams.hold(name, "c_frames", 3)
    live = lab.streams.there[name]
    long_ago = lab.time.timestamp() - 3600
    lab.streams.there[name] = replace(live, oldest_at=long_ago)

    await lab.look()
    stuck, edge = lab.condition("Stuck"), lab.status["edges"][0]
    lab.memory.edit(KEY, suspend=True)
    await lab.run()

    assert stuck == ("True", "NothingAcknowledged")
    assert (edge["stuck"], edge["oldestMessageTime"]) == (True, "2025-12-31T23:00:04Z")
    assert lab.condition("Stuck") == ("", "")


def test_a_status_without_its_figures_keeps_what_people_wait_for():
    status = {"phase": "Running", "lag": 3, "conditions": [{"type": "Ready", "message": "x"}]}

    assert structure(status) == {"phase": "Running", "conditions": [{"type": "Ready"}]}


async def test_an_operator_says_whether_it_can_be_used_and_by_how_many_it_is():
    key = Key(Kind.OPERATOR, NAMESPACE, "total")
    lab = Lab(*catalogue(), chain())
    await lab.look(key)

    status = lab.memory.objects[key]["status"]
    assert (status["usedBy"], conditions(status)) == (
        1,
        {"Ready": ("True", "Ready"), "Accepted": ("True", "Accepted")},
    )
    lab.forget_writes()
    await lab.look(key, times=20)
    assert lab.writes == []


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"parameters": [{"name": "a", "type": "int", "default": "x"}]}, "InvalidParameter"),
        ({"template": {"labels": {"interact.science/x": "y"}}}, "InvalidTemplate"),
        ({"surprise": 1}, "InvalidSpec"),
    ],
)
async def test_an_operator_that_cannot_be_used_says_why(spec, reason):
    key = Key(Kind.OPERATOR, NAMESPACE, "odd")
    lab = Lab(operator("odd", **spec))

    await lab.look(key)

    found = conditions(lab.memory.objects[key]["status"])
    assert found["Ready"] == ("False", reason)
    assert found["Stalled"] == ("True", reason)


def conditions(status):
    return {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}
