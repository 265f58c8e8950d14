"""Small parts of the office: the lease that lasts, failpoints, lanes, what lies on the shelf."""

import asyncio

import pytest
from cluster.plane import Plane
from external.conftest import Places
from external.desk import Desk, DeskDriver
from interact_api.external import Handle, Observation, Repeat, Run, State
from interact_controller import kube as door
from interact_controller.errors import ClusterUnreachable, Conflict
from interact_controller.external import failpoints, steps
from interact_controller.external.calls import Calls, Tenure
from interact_controller.external.lanes import Lanes
from interact_controller.external.shelf import ReleaseShelf
from interact_controller.seen import Key, Kind, Manifest

RUN = Run(namespace="lab", name="one", uid="u", attempt=1)


class Slow(DeskDriver):
    """A driver that never answers."""

    async def submit(self, run: Run, handle: Handle) -> Handle:
        await asyncio.Event().wait()
        return handle

    async def check(self, handle: Handle) -> Observation:
        await asyncio.Event().wait()
        return Observation(state=State.RUNNING)


async def test_a_call_that_changes_things_waits_for_a_lease_that_lasts() -> None:
    left = iter([0.1, 0.1, 3.0])
    tenure = Tenure(lambda: next(left), longest=1.0)

    assert await tenure.lasts(0.5) == 0.5
    assert next(left, "asked three times") == "asked three times"


async def test_a_call_never_outlasts_the_lease_nor_waits_for_a_fresh_one() -> None:
    assert await Tenure(lambda: 5.0, longest=4.0).lasts(30.0) == 5.0


async def test_without_a_lease_that_lasts_nothing_is_submitted() -> None:
    desk = Desk()
    calls = Calls(Tenure(lambda: 0.1, longest=0.15))
    driver = DeskDriver(desk, Repeat.LOOKUP)

    with pytest.raises(ClusterUnreachable, match=r"the lease lasts for 0\.1 s"):
        await calls.submit("desk", driver, RUN, Handle())
    with pytest.raises(ClusterUnreachable):
        await calls.cancel("desk", driver, Handle(external_id="1"))

    assert desk.asked == []


async def test_a_call_that_takes_too_long_is_cut_and_a_submit_is_then_unsure() -> None:
    calls = Calls(Tenure(lambda: 60.0, longest=10.0))
    driver = Slow(Desk(), Repeat.LOOKUP)

    submitted = await calls.submit("desk", driver, RUN, Handle())
    checked = await calls.check("desk", driver, Handle(external_id="1"))

    assert submitted == steps.Unsure("no answer to submit within 0.2 s")
    assert checked == steps.Trouble("no answer to check within 0.2 s")


async def test_a_submit_that_is_answered_without_an_id_is_unsure() -> None:
    class Nameless(DeskDriver):
        async def submit(self, run: Run, handle: Handle) -> Handle:
            return handle

    found = await Calls(Tenure(lambda: 60.0, 10.0)).submit(
        "desk", Nameless(Desk(), Repeat.LOOKUP), RUN, Handle()
    )

    assert isinstance(found, steps.Unsure)


async def test_failpoints_are_off_unless_a_test_names_one() -> None:
    assert failpoints.from_environment({}) is failpoints.nothing
    hit = failpoints.from_environment({failpoints.VARIABLE: "claimed=raise"})

    await hit("created")
    with pytest.raises(failpoints.Broken):
        await hit("claimed")
    await hit("claimed")  # once


async def test_a_failpoint_may_wait_for_several_runs() -> None:
    hit = failpoints.from_environment({failpoints.VARIABLE: "claimed=raise*2"})

    first = asyncio.create_task(hit("claimed"))
    await asyncio.sleep(0)
    held = not first.done()
    with pytest.raises(failpoints.Broken):
        await hit("claimed")
    await first

    assert held


@pytest.mark.parametrize(
    "wrong", ["claimed", "nowhere=kill", "claimed=explode", "claimed=kill*few"]
)
def test_a_failpoint_that_does_not_exist_is_a_mistake(wrong: str) -> None:
    with pytest.raises(ValueError, match="write point=action"):
        failpoints.from_environment({failpoints.VARIABLE: wrong})


async def test_a_slow_system_holds_up_nobody_elses_runs() -> None:
    seen: list[str] = []
    stuck, looked = asyncio.Event(), asyncio.Event()

    async def look(key: Key) -> float | None:
        if key.namespace == "slow":
            await stuck.wait()
        seen.append(key.namespace)
        looked.set()
        return None

    lanes = Lanes(look, lambda key: key.namespace, workers=2)
    for number in range(4):
        lanes.wake(Key(Kind.EXTERNAL_RUN, "slow", f"run-{number}"))
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(lanes.run())
        lanes.wake(Key(Kind.EXTERNAL_RUN, "quick", "run"))  # a lane of its own, made meanwhile
        await looked.wait()
        first = list(seen)
        stuck.set()
        lanes.stop()

    assert first == ["quick"]
    assert seen == ["quick", "slow", "slow"]  # those that went on were finished, no others begun


async def test_the_shelf_says_what_is_gone_and_what_is_another(
    plane: Plane, places: Places
) -> None:
    connection = await door.connection({"KUBECONFIG": str(plane.kubeconfig)})
    async with door.door(connection, "shelf", lambda: True) as api:
        shelf = ReleaseShelf(api, places[1])
        body: Manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "one"},
            "data": {},
        }
        made = await shelf.make(body)

        with pytest.raises(Conflict):
            await shelf.make(body)
        await shelf.remove("one", "another-uid")
        assert await shelf.read("one") is not None
        about = made["metadata"]
        assert isinstance(about, dict)
        await shelf.remove("one", str(about["uid"]))
        await shelf.remove("one", "")
        with pytest.raises(Conflict, match="is gone"):
            await shelf.replace(made)
        assert (await shelf.read("one"), await shelf.secret("none")) == (None, None)
