"""Producers that are killed in the middle of a large message leave nothing behind."""

import asyncio
import dataclasses
import os
import signal
import sys
from contextlib import asynccontextmanager

import msgspec
import pytest
from interact._carrier import Carrier
from interact._jetstream import _asking, _sweeping, connect
from interact._jetstream._sweeping import Sweeper
from sdk.looking import pause
from sdk.test_chunks import KIB, LIMIT, MIB, PATIENCE, dense, edges, held_bytes, reading, until

pytestmark = pytest.mark.nats

SIZE = 900 * KIB
"""Of a room of a mebibyte: no other message fits beside it."""


@asynccontextmanager
async def sending(server, place, owner):
    """A process that sends a large message, and is killed in the middle of the second."""
    where = msgspec.json.encode(dataclasses.asdict(place)).decode()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sdk.dying_sender", server.url, server.token,
        f"{place.refers}.out.s", owner, str(SIZE), where,
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def test_killed_in_the_middle_of_a_message_its_next_life_starts_clean(server):
    async with edges(server, "killed", chunk_bytes=MIB) as (broker, place):

        async def groups():
            listed = await _asking.subjects(broker.client, place.stream, f"{place.subject}.*.*")
            return {subject.split(".")[3] for subject in listed}

        async with (
            sending(server, place, "op/0") as process,
            reading(broker, place.refers) as reader,
        ):
            held = await reader.next()
            first = await groups()
            await held.ack()
            async with asyncio.timeout(PATIENCE):
                assert await process.wait() == -signal.SIGKILL
            left = await groups() - first

        async with (
            connect(server.url, name="next", token=server.token, message_bytes=LIMIT) as following,
            reading(broker, place.refers) as reader,
        ):
            _, pieces = dense(SIZE, start=7)
            async with asyncio.timeout(PATIENCE):
                await Carrier(following, "op/0").publish(
                    "killed.out.s", pieces, place=place, identity="again"
                )
            again = await reader.next()
            await again.ack()
            await until(lambda: _swept(broker, place))

    assert len(left) == 1, "there was something to sweep"
    assert again.payload == b"".join(pieces.parts), "of the message half written nothing is told"


async def _swept(broker, place):
    return await held_bytes(broker, place) == 0


async def test_what_a_dead_producer_reserved_is_freed_by_another(server):
    """It never comes back: its lease ends, and others take the room."""
    async with edges(server, "lease", chunk_bytes=MIB) as (broker, place):
        dead = broker.large.tend(place, "op/1")
        await dead._reserve("abandoned", SIZE, patient=True)
        dead.sweeper.own.clear()  # no beats from now on
        other = broker.large.tend(place, "op/2")
        other.sweeper = Sweeper(
            broker.client, place, other.ledger, "op/2", other._life, lease_seconds=0.5
        )

        _, pieces = dense(SIZE)
        async with asyncio.timeout(PATIENCE), reading(broker, place.refers) as reader:
            await other.send(
                "lease.out.s", pieces.header, pieces.parts, pieces.size, identity="one"
            )
            held = await reader.next()
            await held.ack()

    assert held.payload == b"".join(pieces.parts)


async def test_who_writes_is_not_taken_for_dead(server):
    async with edges(server, "alive", chunk_bytes=MIB) as (broker, place):
        slow = broker.large.tend(place, "op/1")
        await slow._reserve("busy", SIZE, patient=True)
        judge = broker.large.tend(place, "op/2")
        judge.sweeper = Sweeper(
            broker.client, place, judge.ledger, "op/2", judge._life, lease_seconds=0.3
        )

        for _ in range(6):
            await slow.sweeper.beat()
            await judge.ledger.load()
            await judge.sweeper.sweep()
            await pause(0.15)  # a beat comes twice in a lease
        await judge.ledger.load()

    assert [one.group for one in judge.ledger.entries if not one.dead] == ["busy"]
    assert _sweeping.BEAT_SECONDS * 3 < _sweeping.LEASE_SECONDS


async def test_chunks_in_no_ledger_are_swept(server):
    """A producer taken for dead may have written them after its group was freed."""
    async with edges(server, "stray", chunk_bytes=MIB) as (broker, place):
        await broker.context.publish(place.subject_of("late", 3), bytes(KIB))
        sender = broker.large.tend(place, "op/0")
        await sender.sweeper.sweep_orphans()

        assert await held_bytes(broker, place) == 0
