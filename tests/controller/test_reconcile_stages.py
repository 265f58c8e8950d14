"""Scaling, suspending, draining, completing: how many pods there are, and whose number it is."""

import pytest
from controller.building import Lab, catalogue, chain
from interact_controller import labels

FREE = {"ref": "centre"}
"""An operator that may run as replicas and says no number: somebody else's."""
STREAM = "interact_lab_scan_r_frames"


def deployment_annotations(lab, operator):
    return lab.deployment(operator)["metadata"]["annotations"]


async def test_scaling_patches_replicas_only():
    lab = Lab()
    await lab.run()
    before = lab.deployment("c")["spec"]["template"]
    lab.forget_writes()

    lab.memory.replace(chain(c={"ref": "centre", "replicas": 5}))
    await lab.look()

    assert lab.replicas()["c"] == 5
    assert lab.deployment("c")["spec"]["template"] == before
    assert lab.memory.writes.count(("apply", "scan--c")) == 1


async def test_a_number_somebody_else_chose_is_left_alone():
    lab = Lab(*catalogue(), chain(c=FREE))
    await lab.run()
    lab.deployment("c")["spec"]["replicas"] = 7
    lab.kubernetes()
    await lab.look()
    lab.forget_writes()

    await lab.look(times=3)

    assert (lab.replicas()["c"], lab.writes) == (7, [])


async def test_a_fixed_number_that_somebody_changed_is_healed():
    lab = Lab()
    await lab.run()
    lab.deployment("c")["spec"]["replicas"] = 7
    lab.memory.events.clear()

    await lab.look()

    assert lab.replicas()["c"] == 2
    assert lab.memory.events[0] == (
        "Healed",
        "replicas of Deployment scan--c were 7; they are 2 again",
    )


async def test_giving_up_a_number_does_not_scale_to_one():
    lab = Lab(*catalogue(), chain(c={"ref": "centre", "replicas": 5}))
    await lab.run()
    seen = [lab.replicas()["c"]]

    lab.memory.replace(chain(c=FREE))
    await lab.run()
    seen.append(lab.replicas()["c"])
    lab.forget_writes()
    await lab.look(times=2)

    assert seen == [5, 5]
    assert labels.REPLICAS_OURS not in deployment_annotations(lab, "c")
    assert lab.writes == []


async def test_an_edited_template_keeps_the_number_it_was_made_with():
    lab = Lab(*catalogue(), chain(c={"ref": "centre", "replicas": 5}))
    await lab.run()

    template = {"env": [{"name": "A", "value": "1"}]}
    lab.memory.replace(chain(c={"ref": "centre", "replicas": 5, "template": template}))
    await lab.run()

    assert lab.replicas()["c"] == 5


async def test_suspending_stops_all_and_resuming_goes_back_to_each_number():
    lab = Lab(*catalogue(), chain(c=FREE))
    await lab.run()
    lab.deployment("c")["spec"]["replicas"] = 7
    lab.kubernetes()

    lab.memory.edit(key(lab), suspend=True)
    await lab.run()
    suspended = lab.replicas(), lab.condition("Ready"), lab.status["phase"]
    lab.memory.edit(key(lab), suspend=False)
    await lab.run()

    assert suspended == (
        {"c": 0, "r": 0, "s": 0, "t": 0},
        ("True", "Suspended"),
        "Suspended",
    )
    assert lab.replicas() == {"c": 7, "r": 1, "s": 1, "t": 1}
    assert labels.REPLICAS_OURS not in deployment_annotations(lab, "c")


async def test_a_pipeline_that_is_made_suspended_starts_no_pod():
    lab = Lab(*catalogue(), chain(spec={"suspend": True}))
    await lab.look()

    assert set(lab.replicas().values()) == {0}
    assert [what for what, _ in lab.memory.writes].count("apply") == 4


async def test_suspending_works_while_nats_is_away():
    lab = Lab()
    await lab.run()
    lab.streams.away = True

    lab.memory.edit(key(lab), suspend=True)
    await lab.look()

    assert set(lab.replicas().values()) == {0}


async def test_suspending_works_while_an_operator_is_missing():
    lab = Lab()
    await lab.run()
    gone = next(one for one in lab.memory.objects if one.name == "total")
    del lab.memory.objects[gone]
    await lab.look()
    running = lab.replicas(), lab.status["phase"]

    lab.memory.edit(key(lab), suspend=True)
    await lab.run()

    assert running == ({"c": 2, "r": 1, "s": 1, "t": 1}, "Degraded")
    assert set(lab.replicas().values()) == {0}
    assert lab.condition("Ready") == ("False", "OperatorsNotFound")


async def test_draining_stops_the_sources_then_waits_then_stops_the_rest():
    lab = Lab()
    await lab.run()
    lab.streams.hold(STREAM, "c_frames", 4)

    lab.memory.edit(key(lab), drain=True)
    await lab.look()
    lab.kubernetes()
    wait = await lab.look()
    draining = lab.replicas(), lab.status["phase"], lab.condition("Ready")
    lab.streams.hold(STREAM, "c_frames", 0)
    await lab.run()

    assert draining == (
        {"c": 2, "r": 0, "s": 1, "t": 1},
        "Draining",
        ("False", "Draining"),
    )
    assert wait == 1.0
    assert set(lab.replicas().values()) == {0}
    assert lab.condition("Ready") == ("True", "Drained")
    assert [one["replicas"] for one in lab.status["operators"]] == [0, 0, 0, 0]


async def test_what_is_drained_stays_so_while_nats_is_away():
    lab = Lab()
    await lab.run()
    lab.memory.edit(key(lab), drain=True)
    await lab.run()

    lab.streams.away = True
    await lab.look(times=2)

    assert set(lab.replicas().values()) == {0}


async def test_a_finite_pipeline_completes_and_stays_so():
    lab = Lab()
    await lab.run()
    lab.end()
    await lab.look()
    told = lab.condition("Completed"), lab.condition("Ready"), lab.status["phase"]
    await lab.run()
    lab.boards.forget("lab", "scan")

    lab.memory.replace(chain(c={"ref": "centre", "replicas": 5}))
    await lab.run()

    assert told == (("True", "Completed"), ("True", "Completed"), "Completed")
    assert lab.condition("Completed") == ("True", "Completed")
    assert set(lab.replicas().values()) == {0}
    assert lab.status["scans"] == [
        {"id": "s-1", "state": "Complete", "completeness": 1.0, "frames": 64, "missing": 0}
    ]


async def test_a_pipeline_is_not_complete_before_its_end_says_so():
    lab = Lab()
    await lab.run()
    for name in ("r", "t"):
        lab.say(name, "done")

    await lab.look(times=3)

    assert lab.condition("Completed") == ("False", "Running")


async def test_dead_letters_are_told_with_the_completion():
    lab = Lab()
    await lab.run()
    dead = lab.streams.there["interact-dead_lab_scan"]
    lab.streams.there[dead.name] = type(dead)(**{**dead.__dict__, "messages": 3})

    lab.end()
    await lab.look()

    assert lab.condition("Completed") == ("True", "CompletedWithDeadLetters")
    assert lab.condition("DeadLettering") == ("True", "FramesFailed")


@pytest.mark.parametrize("number", [1, 3])
async def test_scale_starts_at_its_least(number):
    lab = Lab(*catalogue(), chain(c={"ref": "centre", "scale": {"min": number, "max": 8}}))

    await lab.look()

    assert lab.replicas()["c"] == number


def key(lab):
    return next(one for one in lab.memory.objects if one.kind == "Pipeline")
