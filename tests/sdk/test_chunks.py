"""Messages of any size: cut in chunks on one side, whole on the other, on a real nats-server."""

import asyncio
from contextlib import asynccontextmanager

import numpy as np
import pytest
from interact import DenseFrames, _chunks, _codec
from interact._carrier import Carrier
from interact._errors import TooLarge
from interact._jetstream import _asking, connect
from interact_api import wire
from interact_api.choices import Storage
from interact_api.stream_plan import ConsumerPlan, DeliverPolicy, Retention, StreamPlan
from sdk.looking import pause

pytestmark = pytest.mark.nats

KIB, MIB = 1 << 10, 1 << 20
LIMIT = 64 * KIB
PATIENCE = 60.0
PATTERN = bytes(range(251)) * 40
"""Bytes whose period is none of a chunk's."""
SCAN = wire.Scan("s", (8, 8))


def streams(name, *, storage=Storage.MEMORY, chunk_bytes=256 * MIB, max_bytes=16 * MIB):
    common = {"storage": storage, "replicas": 1, "metadata": {}}
    edge = StreamPlan(
        name, f"{name}.out.*", max_bytes, retention=Retention.INTEREST,
        placeholder=f"placeholder.{name}", **common,
        consumers=(ConsumerPlan("reader", 30.0, 1024, DeliverPolicy.ALL),),
    )  # fmt: skip
    data = StreamPlan(
        f"{name}-chunks", f"{name}-chunks.>", chunk_bytes + MIB, max_msgs_per_subject=1,
        direct=True, **common,
    )  # fmt: skip
    place = _chunks.Place(data.name, f"{name}-chunks.op.out", chunk_bytes, name)
    return edge, data, place


def dense(size, *, start=0):
    """A message of so many bytes on the wire and its pieces; a small one of so many bytes of data."""
    at = size
    while True:
        data = np.frombuffer((PATTERN * (at // len(PATTERN) + 1))[:at], np.uint8).reshape(1, 1, at)
        batch = DenseFrames(scan=SCAN, start=start, stop=start + 1, data=data)
        pieces = _codec.pieces(batch, identity=bytes([start]) * 16)
        if pieces.size <= size or size < 2:
            return batch, pieces
        at -= pieces.size - size


class Reading:
    """What a durable consumer gave, in the order it came."""

    def __init__(self, inlet, wake):
        self.inlet, self._wake = inlet, wake

    async def next(self):
        async with asyncio.timeout(PATIENCE):
            while (held := await self.inlet.take()) is None:
                self._wake.clear()
                await self._wake.wait()
        return held


@asynccontextmanager
async def reading(broker, stream, **options):
    wake = asyncio.Event()
    async with broker.consume(stream, "reader", wake=wake.set, **options) as inlet:
        yield Reading(inlet, wake)


@asynccontextmanager
async def edges(server, name, *, message_bytes=LIMIT, **options):
    edge, data, place = streams(name, **options)
    async with connect(
        server.url, name=name, token=server.token, message_bytes=message_bytes
    ) as broker:
        await broker.make(edge)
        await broker.make(data)
        yield broker, place
        for one in (edge, data):
            await broker.context.delete_stream(one.name)


async def held_bytes(broker, place):
    info = await broker.context.stream_info(place.stream, subjects_filter=f"{place.subject}.*.*")
    return sum((info.state.subjects or {}).values())


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # a server is looked at
            await pause(0.02)


SIZES = [
    pytest.param(0, id="a frame of no bytes"),
    pytest.param(1, id="a frame of one byte"),
    pytest.param(LIMIT - 1, id="one byte below the limit"),
    pytest.param(LIMIT, id="exactly the limit"),
    pytest.param(LIMIT + 1, id="one byte above the limit"),
    pytest.param(100_000_000, id="100 MB"),
]


@pytest.mark.parametrize("storage", Storage)
@pytest.mark.parametrize("size", SIZES)
async def test_a_message_of_any_size_arrives_as_it_was_sent(server, size, storage):
    batch, pieces = dense(size)
    assert (pieces.size if size > 1 else batch.data.size) == size
    expected = pieces.size > LIMIT

    async with edges(server, "sizes", storage=storage) as (broker, place):
        async with reading(broker, place.refers) as reader:
            await Carrier(broker, "op/0").publish(
                "sizes.out.s", pieces, place=place, identity="one"
            )
            await broker.flush()
            stored = await held_bytes(broker, place)
            held = await reader.next()
            await held.ack()
        await until(lambda: _empty(broker, place))

    assert (stored > 0) == expected, "only what is above the limit is cut"
    assert held.payload == b"".join(pieces.parts)
    _, arrived = _codec.decode(held.payload)
    assert np.array_equal(arrived.data, batch.data)
    assert size == 0 or not arrived.data.flags.writeable


async def _empty(broker, place):
    return await held_bytes(broker, place) == 0


async def _no_descriptor(broker, place):
    return (await broker.context.stream_info(place.refers)).state.messages == 0


async def test_a_message_that_never_fits_is_refused_with_the_remedy(server):
    _, pieces = dense(2 * MIB)

    async with edges(server, "over", chunk_bytes=MIB) as (broker, place):
        with pytest.raises(TooLarge, match=r"room for 1048576; give the output port .* maxBytes"):
            await Carrier(broker, "op/0").publish("over.out.s", pieces, place=place, identity="a")
        assert await _empty(broker, place)


async def test_a_descriptor_covers_what_its_message_covers():
    _, pieces = dense(2 * LIMIT, start=3)
    descriptor = _chunks.Descriptor("data", "data._ledger", "data.g", 2, pieces.size, "d1")

    message = _chunks.descriptor_message(pieces.header, descriptor)
    header, _ = wire.parse(message)

    assert (header.kind, header.start, header.stop, wire.decoded_arrays(header)) == (
        "dense",
        3,
        4,
        (),
    )
    assert header.identity == pieces.header.identity
    assert _chunks.described(message) == descriptor
    assert _chunks.described(b"".join(pieces.parts)) is None
    with pytest.raises(wire.WireError, match="encoding is 'chunked'"):
        _codec.decode(message)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"IACT\x01\x01", id="cut short"),
        pytest.param(b"\x01" * 64, id="somebody else's"),
    ],
)
def test_what_is_no_descriptor_is_none(payload):
    assert _chunks.described(payload) is None


def test_slices_are_views_where_they_can_be():
    parts = [b"abc", memoryview(b"defgh"), b"", b"ij"]

    pieces = list(_chunks.slices(parts, 4))

    assert [bytes(one) for one in pieces] == [b"abcd", b"efgh", b"ij"]
    assert isinstance(pieces[1], memoryview)


async def test_producers_of_huge_messages_share_a_nearly_full_stream_without_a_lock(server):
    """Each message takes more than half of the room, so that two half-written ones would wait."""
    senders, each = 3, 4
    size = 600 * KIB

    async with edges(server, "crowd", chunk_bytes=MIB) as (broker, place):

        async def produce(number):
            async with connect(
                server.url, name=f"p{number}", token=server.token, message_bytes=LIMIT
            ) as own:
                own.large._chunk_bytes = LIMIT
                carrier = Carrier(own, f"op/{number}")
                for count in range(each):
                    start = number * each + count
                    _, pieces = dense(size, start=start)
                    await carrier.publish("crowd.out.s", pieces, place=place, identity=f"m{start}")

        arrived = []
        most = 0
        async with reading(broker, place.refers) as reader, asyncio.TaskGroup() as group:
            for number in range(senders):
                group.create_task(produce(number))
            for _ in range(senders * each):
                held = await reader.next()
                state = (await broker.context.stream_info(place.stream)).state
                most = max(most, state.bytes)
                arrived.append(_codec.decode(held.payload)[0].start)
                await held.ack()

    assert sorted(arrived) == list(range(senders * each))
    assert most <= MIB + LIMIT, "what is reserved never exceeds the room"


async def test_the_next_life_of_a_killed_producer_sweeps_its_chunks(server):
    _, pieces = dense(600 * KIB)

    async with edges(server, "orphans", chunk_bytes=MIB) as (broker, place):
        former = broker.large.tend(place, "op/0")
        await former._reserve("abandoned", _chunks.reserved_bytes(600 * KIB, LIMIT), patient=True)
        await former._write("abandoned", pieces.parts)
        assert await held_bytes(broker, place) > 0

        async with (
            connect(server.url, name="next", token=server.token, message_bytes=LIMIT) as following,
            reading(broker, place.refers) as reader,
        ):
            await Carrier(following, "op/0").publish(
                "orphans.out.s", pieces, place=place, identity="again"
            )
            held = await reader.next()
            listed = await _asking.subjects(broker.client, place.stream, f"{place.subject}.*.*")
            await held.ack()

    assert {subject.split(".")[3] for subject in listed}.isdisjoint({"abandoned"})
    assert held.payload == b"".join(pieces.parts)


async def test_a_producer_taken_for_dead_sends_its_message_again(server):
    """Its chunks were swept while it slept; what it had stored must not be believed."""
    _, pieces = dense(600 * KIB)

    async with edges(server, "zombie", chunk_bytes=MIB) as (broker, place):
        sender = broker.large.tend(place, "op/0")
        write, slept = sender._write, []

        async def asleep(group, parts):
            digest = await write(group, parts)
            if not slept:
                slept.append(group)
                async with connect(server.url, name="o", token=server.token) as other:
                    judge = other.large.tend(place, "op/0")
                    await judge.ledger.load()
                    await judge.sweeper.sweep()
            return digest

        sender._write = asleep
        async with reading(broker, place.refers) as reader:
            await Carrier(broker, "op/0").publish(
                "zombie.out.s", pieces, place=place, identity="one"
            )
            held = await reader.next()
            await held.ack()
            await until(lambda: _no_descriptor(broker, place))

    assert len(slept) == 1
    assert held.payload == b"".join(pieces.parts)
