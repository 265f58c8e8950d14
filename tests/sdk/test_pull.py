"""Fetching from a consumer: nothing that was given to this process is forgotten when it stops."""

import asyncio

import pytest
from interact._jetstream import connect
from sdk.at_work import PATIENCE, SCAN, collector, given, planned, running

pytestmark = pytest.mark.nats
MESSAGES = 1000


@pytest.mark.parametrize("times", range(8))
async def test_what_is_on_its_way_to_a_process_that_stops_is_handed_back(server, times):
    read, _ = given(SCAN)
    collect, _ = collector()
    edges = [("given.out", "collect.part")]
    plan = planned(f"stops{times}", [read, collect], edges, ack_wait="600s")
    subject = plan.streams[0].subject.replace("*", "scan")
    [entry] = plan.operators["collect"].inputs
    arrived = asyncio.Event()

    async with (
        running(server, plan) as run,
        connect(server.url, name="first", token=server.token) as first,
        connect(server.url, name="second", token=server.token) as second,
    ):
        for number in range(MESSAGES):
            await run.broker.publish(subject, bytes(4096), identity=str(number))
        await run.broker.flush()
        async with first.consume(entry.stream, entry.durable, wake=arrived.set) as pull:
            pull.pace(1e-6)  # a kernel as fast as this one fetches many ahead
            await _until_there_is_one(pull, arrived)
            await first.client.flush()  # the server has begun to send them
            for left in await pull.stop():
                await left.hand_back()
        await first.flush()
        given_again = await _all(second, entry, MESSAGES)

    assert len(given_again) == MESSAGES


async def _all(broker, entry, wanted):
    """Acknowledge messages until all have come; their numbers in the stream."""
    numbers = set()
    arrived = asyncio.Event()
    async with broker.consume(entry.stream, entry.durable, wake=arrived.set) as pull:
        pull.pace(1e-6)
        while len(numbers) < wanted:
            await _until_there_is_one(pull, arrived)
            while (held := await pull.take()) is not None:
                numbers.add(held.sequence)
                await held.ack()
    return numbers


async def _until_there_is_one(pull, arrived):
    async with asyncio.timeout(PATIENCE):
        while not pull.ahead:
            arrived.clear()
            await arrived.wait()
