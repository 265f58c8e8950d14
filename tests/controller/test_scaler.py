"""Replicas by what is pending, through the whole reconcile."""

from dataclasses import replace

import pytest
from controller.building import KEY, POLICY, Lab, catalogue, chain
from interact_controller.policy import Policy

STREAM = "interact_lab_scan_r_frames"
CALM: Policy = replace(POLICY, scale_down_seconds=30.0)


def scaling(**scale):
    return Lab(*catalogue(), chain(c={"ref": "centre", "scale": scale}), policy=CALM)


def state(lab, operator="c"):
    return next(one for one in lab.status["operators"] if one["name"] == operator)


async def test_an_operator_that_scales_starts_with_its_fewest():
    lab = scaling(min=2, max=4)

    await lab.run()

    assert lab.replicas()["c"] == 2
    assert (state(lab)["replicas"], state(lab)["ready"]) == (2, 2)


async def test_what_is_pending_brings_more_replicas_and_calm_takes_them_away():
    lab = scaling(min=1, max=4, targetPendingMessages=10)
    await lab.run()

    lab.streams.hold(STREAM, "c_frames", 35)
    await lab.look()
    more, why = lab.replicas()["c"], state(lab)["scaleMessage"]
    lab.streams.hold(STREAM, "c_frames", 0)
    await lab.look(times=29)
    still = lab.replicas()["c"]
    await lab.look(times=3)

    assert (more, still, lab.replicas()["c"]) == (4, 4, 1)
    assert why == "35 messages waited, 10 are aimed at for each"
    assert state(lab)["scaleMessage"] == "1 would have done for 30 s"


async def test_frames_are_messages_times_the_frames_that_a_message_has():
    lab = scaling(min=1, max=8, targetPendingFrames=100)
    await lab.run()
    lab.say("r", "running", frames_out=640, messages_out=10)

    lab.streams.hold(STREAM, "c_frames", 8)
    await lab.look()

    assert lab.replicas()["c"] == 6  # 8 messages of 64 frames, 100 for each
    assert state(lab)["scaleMessage"] == "512 frames waited, 100 are aimed at for each"


async def test_an_operator_goes_to_nothing_and_comes_back():
    lab = scaling(min=0, max=4)
    await lab.run()
    stopped = lab.replicas()["c"]
    ready, rested = lab.status["readyOperators"], lab.condition("Ready")

    lab.streams.hold(STREAM, "c_frames", 1)
    await lab.look()

    assert (stopped, ready, rested) == (0, "4/4", ("True", "Running"))
    assert lab.replicas()["c"] == 1


async def test_a_source_never_goes_to_nothing():
    lab = Lab(*catalogue(), chain(r={"ref": "reader", "scale": {"min": 0, "max": 1}}))

    await lab.run()

    assert lab.replicas()["r"] == 1


async def test_nobody_decides_about_replicas_while_nats_is_away():
    lab = scaling(min=1, max=4, targetPendingMessages=10)
    await lab.run()
    lab.streams.hold(STREAM, "c_frames", 25)
    await lab.run()

    lab.streams.away = True
    await lab.look(times=60)

    assert lab.replicas()["c"] == state(lab)["replicas"] == 3


async def test_a_new_controller_goes_on_with_the_number_it_finds():
    lab = scaling(min=1, max=4, targetPendingMessages=10)
    await lab.run()
    lab.streams.hold(STREAM, "c_frames", 25)
    await lab.run()
    lab.streams.hold(STREAM, "c_frames", 1)

    lab.world.scales.clear()
    await lab.look(times=29)
    there = lab.replicas()["c"]
    await lab.look(times=3)

    assert (there, lab.replicas()["c"]) == (3, 1)


async def test_a_suspended_operator_has_no_replicas_whatever_is_pending():
    lab = scaling(min=1, max=4, targetPendingMessages=10)
    await lab.run()
    lab.streams.hold(STREAM, "c_frames", 25)
    await lab.run()

    lab.memory.edit(KEY, suspend=True)
    await lab.run()
    suspended = lab.replicas()["c"]
    lab.memory.edit(KEY, suspend=False)
    await lab.run()

    assert (suspended, lab.replicas()["c"]) == (0, 3)


async def test_a_look_follows_while_something_may_change_by_itself():
    lab = scaling(min=1, max=4, targetPendingMessages=10)
    await lab.run()
    idle = await lab.look()
    lab.streams.hold(STREAM, "c_frames", 25)
    pending = await lab.look()
    lab.streams.hold(STREAM, "c_frames", 0)
    calm = await lab.look()

    assert idle is None
    assert 0 < pending <= CALM.status_seconds
    assert 0 < calm <= CALM.status_seconds


@pytest.mark.parametrize("scale", [None, {"min": 1, "max": 4}], ids=["fixed", "scaled"])
async def test_what_is_remembered_ends_with_the_pipeline(scale):
    placed = {"ref": "centre", "scale": scale} if scale else {"ref": "centre", "replicas": 2}
    lab = Lab(*catalogue(), chain(c=placed))
    await lab.run()

    del lab.memory.objects[KEY]
    await lab.look()

    assert lab.world.scales == {}
