"""What somebody changed in JetStream is found by one listing; what flows wakes nobody."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator

import pytest
from controller.wires import BUCKET, PLAN, READER, eventually
from interact._server import Server, nats_server
from interact_controller.jetstream import JetStream
from interact_controller.resync import Resync
from interact_controller.seen import Key, Kind
from nats.aio.client import Client

from controller import wires

RUN = Key(Kind.PIPELINE, "lab", "run")
FAR = 3600.0


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with nats_server() as running:
        yield running


@pytest.fixture
async def broker(server: Server) -> AsyncIterator[JetStream]:
    """A broker on which a reconcile has seen the streams it made."""
    async with wires.connected(server) as one:
        await one.make(PLAN)
        await one.make_bucket(BUCKET)
        await one.of_pipeline("lab", "run")
        yield one


async def woken(broker: JetStream) -> list[Key]:
    """The keys that one comparison wakes."""
    found: list[Key] = []
    await Resync(broker, "here", found.append, FAR).once()
    return found


async def test_what_is_as_it_was_seen_wakes_nobody(broker: JetStream) -> None:
    assert await woken(broker) == []


async def test_frames_that_flow_wake_nobody(broker: JetStream, server: Server) -> None:
    client = Client()
    await client.connect(server.url, token=server.token)
    await client.jetstream().publish(PLAN.subject.replace("*", "s1"), b"x")
    pull = await client.jetstream().pull_subscribe_bind(READER.durable, PLAN.name)
    await pull.fetch(1)
    bucket = await client.jetstream().key_value(BUCKET.name)
    await bucket.watchall()

    found = await woken(broker)

    await client.close()
    assert found == []


async def test_a_changed_size_wakes_its_pipeline_until_it_is_looked_at(broker: JetStream) -> None:
    await broker.update(dataclasses.replace(PLAN, max_bytes=2 * PLAN.max_bytes))

    before, again = await woken(broker), await woken(broker)
    await broker.of_pipeline("lab", "run")

    assert (before, again, await woken(broker)) == ([RUN], [RUN], [])


async def test_a_removed_stream_wakes_its_pipeline(broker: JetStream) -> None:
    await broker.remove(PLAN.name)

    assert await woken(broker) == [RUN]


async def test_a_removed_bucket_wakes_its_pipeline(broker: JetStream) -> None:
    await broker.remove(f"KV_{BUCKET.name}")

    assert await woken(broker) == [RUN]


async def test_a_removed_consumer_wakes_its_pipeline(broker: JetStream) -> None:
    await broker.remove_consumer(PLAN.name, READER.durable)

    assert await woken(broker) == [RUN]


async def test_metadata_that_somebody_took_away_wakes_the_pipeline(broker: JetStream) -> None:
    await broker.update(dataclasses.replace(PLAN, metadata={}))

    assert await woken(broker) == [RUN]


async def test_a_pipeline_that_is_gone_is_not_woken(broker: JetStream) -> None:
    found: list[Key] = []
    one = Resync(broker, "here", found.append, FAR)
    await broker.remove(PLAN.name)

    one.forget("lab", "run")
    await one.once()

    assert found == []


async def test_a_new_connection_is_compared_soon(broker: JetStream) -> None:
    found: list[Key] = []
    one = Resync(broker, "here", found.append, FAR)
    await broker.remove(PLAN.name)
    task = asyncio.ensure_future(one.run())

    one.soon()
    await eventually(lambda: found)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert found == [RUN]
