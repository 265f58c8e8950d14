"""Ended at every step and begun again: exactly one job, its results, and nothing left."""

import pytest
from external.desk import Desk, maker
from external.rig import Rig
from interact_api.external import Repeat
from interact_controller.external import failpoints

ON_THE_WAY = [one for one in failpoints.POINTS if one != failpoints.CANCELLED]
UNCERTAIN = {failpoints.CLAIMED, failpoints.PREPARED, failpoints.SUBMITTED}
"""Where a system that neither honours keys nor finds them leaves it to a person."""


async def ended_at(rig: Rig, name: str, point: str) -> None:
    """Look at a run until it ends, and break off at a point."""
    async with rig.controller(failpoints.once(point, failpoints.broken)) as controller:
        with pytest.raises(failpoints.Broken):
            await controller.until_ended(name)


@pytest.mark.parametrize("point", ON_THE_WAY)
@pytest.mark.parametrize("repeat", [Repeat.LOOKUP, Repeat.IDEMPOTENT])
async def test_ended_at_any_step_there_is_one_job_and_its_results(
    rig: Rig, desk: Desk, repeat: Repeat, point: str
) -> None:
    rig.makers = {"http": maker(desk, repeat)}
    name = rig.create()

    await ended_at(rig, name, point)
    async with rig.controller() as controller:
        status = await controller.until_ended(name)

    assert [one.key for one in desk.jobs] == [status["idempotencyKey"]]
    assert (status["phase"], status["results"]) == ("COMPLETED", {"number": 1})
    assert len(status["attempts"]) == 1
    assert rig.claims() == []


@pytest.mark.parametrize("point", ON_THE_WAY)
async def test_where_keys_mean_nothing_a_person_decides_and_there_is_no_second_job(
    rig: Rig, desk: Desk, point: str
) -> None:
    rig.makers = {"http": maker(desk, Repeat.NEITHER)}
    name = rig.create()

    await ended_at(rig, name, point)
    async with rig.controller() as controller:
        if point in UNCERTAIN:
            await controller.look(name, times=3)
            status = rig.status(name)
            assert (status["phase"], status["reason"]) == ("CREATED", "SubmitUncertain")
            assert status["idempotencyKey"] in status["message"]
            rig.kube.patch("externalruns", name, {"spec": {"cancel": True}})
            status = await controller.until_ended(name)
            assert status["phase"] == "CANCELLED"
        else:
            status = await controller.until_ended(name)
            assert (status["phase"], status["results"]) == ("COMPLETED", {"number": 1})

    assert len(desk.jobs) <= 1


@pytest.mark.parametrize("point", [failpoints.CANCELLED, failpoints.FINISHED])
async def test_ended_while_a_run_is_cancelled_it_is_cancelled_once(
    rig: Rig, desk: Desk, point: str
) -> None:
    desk.polls = None
    name = rig.create()
    async with rig.controller() as controller:
        await controller.look(name)
    rig.kube.patch("externalruns", name, {"spec": {"cancel": True}})

    await ended_at(rig, name, point)
    async with rig.controller() as controller:
        status = await controller.until_ended(name)

    assert (status["phase"], desk.busy, len(desk.jobs)) == ("CANCELLED", 0, 1)
    assert rig.claims() == []
