"""Fetching from a consumer: nothing that was given to this process is forgotten when it stops."""

import asyncio

import pytest
from interact._jetstream import connect
from sdk.at_work import PATIENCE, SCAN, collector, given, planned, running

pytestmark = pytest.mark.nats


@pytest.mark.parametrize("times", range(3))
async def test_what_is_on_its_way_to_a_process_that_stops_is_handed_back(server, times):
    read, _ = given(SCAN)
    collect, _ = collector()
    plan = planned(
        f"stops{times}", [read, collect], [("given.out", "collect.part")], ack_wait="600s"
    )
    stream = plan.streams[0]
    [entry] = plan.operators["collect"].inputs
    arrived = asyncio.Event()

    async with (
        running(server, plan) as run,
        connect(server.url, name="test", token=server.token) as mine,
    ):
        for number in range(1000):
            await run.broker.publish(
                stream.subject.replace("*", "scan"), bytes(4096), identity=str(number)
            )
        await run.broker.flush()
        async with mine.consume(entry.stream, entry.durable, wake=arrived.set) as pull:
            pull.pace(1e-6)
            async with asyncio.timeout(PATIENCE):
                while not pull.ahead:
                    arrived.clear()
                    await arrived.wait()
            await asyncio.sleep(0)
            for left in await pull.stop():
                await left.hand_back()
        await mine.flush()

        _, held = await run.broker.pending(entry.stream, entry.durable)
        assert held == 0
