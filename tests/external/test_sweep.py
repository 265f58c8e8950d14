"""Runs that are deleted, while somebody looks and while nobody does: their work is cancelled."""

from collections.abc import Callable

import pytest
from cluster.kube import Kube
from cluster.plane import Plane
from external.desk import Desk, maker
from external.rig import Rig, bounded
from interact_api.external import Repeat, State
from interact_controller.external import failpoints


async def submitted(rig: Rig, desk: Desk) -> str:
    """A run whose job goes on by itself, and whose controller is down."""
    desk.polls = None
    name = rig.create()
    async with rig.controller() as controller:
        await controller.look(name)
    assert desk.busy >= 1
    return name


async def deleted_at(rig: Rig, point: str, name: str) -> None:
    """End the controller at a failpoint, and delete the run while nobody looks."""
    async with rig.controller(failpoints.once(point, failpoints.broken)) as controller:
        with pytest.raises(failpoints.Broken):
            await controller.look(name)
        rig.kube.delete("externalruns", name)


def reported(rig: Rig, claim: str) -> list[str]:
    """Reasons of the events about a claim, in the release's namespace."""
    return rig.events(claim, rig.release)


async def test_a_run_deleted_with_the_controller_down_is_cancelled_and_reported(
    rig: Rig, desk: Desk
) -> None:
    name = await submitted(rig, desk)
    [claim] = rig.claims()
    rig.kube.delete("externalruns", name)

    async with rig.controller() as controller:
        await controller.look(name)

    assert (desk.jobs[0].state, rig.claims()) == (State.CANCELLED, [])
    assert reported(rig, claim["metadata"]["name"]) == ["Cancelled"]


async def test_what_was_submitted_without_its_id_being_written_is_found_and_cancelled(
    rig: Rig, desk: Desk
) -> None:
    desk.polls = None
    for repeat in (Repeat.LOOKUP, Repeat.IDEMPOTENT):
        rig.makers = {"http": maker(desk, repeat)}
        name = rig.create()
        await deleted_at(rig, failpoints.SUBMITTED, name)

        async with rig.controller() as controller:
            await controller.look(name)

    assert [one.state for one in desk.jobs] == [State.CANCELLED, State.CANCELLED]
    assert rig.claims() == []


async def test_a_claim_whose_run_was_never_submitted_goes_without_a_trace_elsewhere(
    rig: Rig, desk: Desk
) -> None:
    name = rig.create()
    await deleted_at(rig, failpoints.CLAIMED, name)
    [claim] = rig.claims()

    async with rig.controller() as controller:
        await controller.look(name)  # not found, and not to be believed yet
        rig.clock.ahead += 10.0
        await controller.look(name)

    assert (desk.jobs, rig.claims()) == ([], [])
    assert reported(rig, claim["metadata"]["name"]) == ["NeverSubmitted"]


async def test_where_nobody_can_tell_what_may_run_a_person_is_told(rig: Rig, desk: Desk) -> None:
    rig.makers = {"http": maker(desk, Repeat.NEITHER)}
    name = rig.create()
    await deleted_at(rig, failpoints.SUBMITTED, name)
    [claim] = rig.claims()

    async with rig.controller() as controller:
        await controller.look(name)

    assert rig.claims() == []
    assert reported(rig, claim["metadata"]["name"]) == ["LeftBehind"]


async def test_a_whole_namespace_deleted_is_swept(
    rig: Rig, desk: Desk, plane: Plane, make_namespace: Callable[..., str]
) -> None:
    there: Kube = plane.kube(make_namespace())
    other = Rig(plane, there, rig.release, rig.makers, rig.installation)
    other.system()
    name = await submitted(other, desk)
    plane.kube().delete("namespaces", there.namespace)
    there.wait_gone("externalruns", name)

    async with rig.controller() as controller:  # it looks after another namespace by now
        await controller.office.sweep()
        untouched = desk.jobs[0].state
    async with other.controller() as controller:
        await controller.look(name)

    assert (untouched, desk.jobs[0].state) == (State.RUNNING, State.CANCELLED)
    assert rig.claims() == []


async def test_another_run_of_the_name_is_another_run(rig: Rig, desk: Desk) -> None:
    name = await submitted(rig, desk)
    rig.kube.delete("externalruns", name)
    rig.create(name)

    async with rig.controller() as controller:
        await controller.look(name, times=3)

    first, second = desk.jobs
    assert (first.state, second.state) == (State.CANCELLED, State.RUNNING)
    assert first.key != second.key
    assert rig.status(name)["externalId"] == "2"


async def test_deleting_never_waits_for_a_system_that_is_away(rig: Rig, desk: Desk) -> None:
    rig = bounded(rig, claim_seconds=3600.0)
    name = await submitted(rig, desk)
    [claim] = rig.claims()
    desk.away = True
    rig.kube.delete("externalruns", name)
    assert rig.kube.find("externalruns", name) is None  # nothing holds it up

    async with rig.controller() as controller:
        first = await controller.look(name)
        second = await controller.look(name)
        kept = len(rig.claims())
    async with rig.controller() as controller:  # the time is counted over its restarts
        rig.clock.ahead += 3601
        last = await controller.look(name)

    assert (first, second, kept, last) == (1.0, 2.0, 1, None)
    assert rig.claims() == []
    assert reported(rig, claim["metadata"]["name"]) == ["LeftBehind"]


async def test_a_claim_is_kept_while_its_run_is_only_unheard_of(rig: Rig, desk: Desk) -> None:
    name = await submitted(rig, desk)

    async with rig.controller() as controller:
        controller.given.objects.drop(controller.key(name))
        await controller.office.loop.look(controller.key(name))

    assert desk.jobs[0].state is State.RUNNING
    assert len(rig.claims()) == 1


async def test_the_sweeper_finds_what_no_watch_told_of(rig: Rig, desk: Desk) -> None:
    desk.polls = None
    name = rig.create()
    async with rig.controller() as controller:
        await controller.drain()
        rig.kube.delete("externalruns", name)

        await controller.office.sweep()
        await controller.drain()

    assert (desk.jobs[0].state, rig.claims()) == (State.CANCELLED, [])


async def test_somebody_elses_claims_are_not_touched(rig: Rig, desk: Desk) -> None:
    await submitted(rig, desk)
    [claim] = rig.claims()
    other = {"apiVersion": "v1", "kind": "ConfigMap", "data": claim["data"], "metadata": {"name": "claim-other", "labels": {
        "interact.science/claim": "somebody-else"}}}  # fmt: skip
    rig.kube.create(other, rig.release)
    torn = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"key": "no"}, "metadata": {
        "name": "claim-torn", "labels": {"interact.science/claim": rig.installation}}}  # fmt: skip
    rig.kube.create(torn, rig.release)

    async with rig.controller() as controller:
        assert len(controller.office.claims.all()) == 1

    for name in ("claim-other", "claim-torn"):
        rig.kube.delete("configmaps", name, rig.release)
