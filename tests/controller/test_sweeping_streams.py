"""Streams whose pipeline is gone are removed after two looks, and no others are."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from controller.wires import eventually, named
from interact._server import Server, nats_server
from interact_controller import sweeper
from interact_controller.errors import ClusterUnreachable
from interact_controller.jetstream import JetStream
from interact_controller.policy import Policy
from interact_controller.sweeping import Orphan

from controller import wires

POLICY = Policy("here", watched=frozenset({"lab"}))
GONE = named("lab", "gone", "scan", "out", pipeline_uid="u-gone")
NOBODY: frozenset[Orphan] = frozenset()
OTHERS = (
    named("lab", "alive", "scan", "out", pipeline_uid="u-alive"),
    named("lab", "other", "scan", "out", installation="elsewhere", pipeline_uid="u-gone"),
    named("elsewhere", "gone", "scan", "out", pipeline_uid="u-gone"),
    named("lab", "local", "scan", "out", installation="local-1", pipeline_uid=""),
    named("lab", "half", "scan", "out", pipeline_uid=""),
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with nats_server() as running:
        yield running


@pytest.fixture
async def broker(server: Server) -> AsyncIterator[JetStream]:
    async with wires.connected(server) as one:
        for plan in (GONE, *OTHERS):
            await one.make(plan)
        yield one


async def alive() -> frozenset[str]:
    return frozenset({"u-alive"})


async def names(broker: JetStream) -> set[str]:
    return {one.name for one in await broker._list()}


async def look(
    broker: JetStream, before: frozenset[Orphan], *, lead: bool = True
) -> frozenset[Orphan]:
    return await sweeper.once(broker, alive, POLICY, before, lambda: lead)


async def test_a_stream_goes_at_the_second_look_and_others_never(broker: JetStream) -> None:
    first = await look(broker, NOBODY)
    after_one = await names(broker)

    second = await look(broker, first)
    await look(broker, second)

    others = {one.name for one in OTHERS}
    assert [one.stream for one in first] == [GONE.name]
    assert after_one == {GONE.name, *others}
    assert await names(broker) == others


async def test_a_pipeline_that_is_there_again_keeps_its_streams(broker: JetStream) -> None:
    first = await look(broker, NOBODY)

    async def back() -> frozenset[str]:
        return frozenset({"u-alive", "u-gone"})

    second = await sweeper.once(broker, back, POLICY, first, lambda: True)
    third = await look(broker, second)

    assert second == NOBODY
    assert {one.stream for one in third} == {GONE.name}
    assert GONE.name in await names(broker)


async def test_one_that_no_longer_leads_removes_nothing(broker: JetStream) -> None:
    first = await look(broker, NOBODY)

    await look(broker, first, lead=False)

    assert GONE.name in await names(broker)


async def test_without_an_installation_id_nothing_is_an_orphan(broker: JetStream) -> None:
    found = await sweeper.once(broker, alive, Policy(""), NOBODY, lambda: True)

    assert found == NOBODY


async def test_a_look_that_failed_does_not_count(broker: JetStream) -> None:
    looks: list[set[str]] = []

    async def now_and_then() -> frozenset[str]:
        looks.append(await names(broker))
        if len(looks) == 5:
            await asyncio.Event().wait()  # enough
        if len(looks) == 2:
            raise ClusterUnreachable("away")
        return await alive()

    loop = sweeper.sweep(broker, now_and_then, POLICY, seconds=0, may_write=lambda: True)
    task = asyncio.ensure_future(loop)
    await eventually(lambda: len(looks) == 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert [GONE.name in one for one in looks] == [True, True, True, True, False]
