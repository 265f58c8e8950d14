"""Operators that die and start again, and messages that come twice, on a real nats-server."""

import asyncio

import msgspec
import numpy as np
import pytest
from interact import (
    DenseFrames,
    Reducer,
    Resume,
    Values,
    Zip,
    _codec,
    _runtime,
)
from interact import operator as make_operator
from interact import source as make_source
from interact._jetstream import connect
from interact._state import unpack
from interact._tally import Tally
from interact._vault import Vault
from interact._worker import Worker
from interact.testing import concatenate, split
from sdk.at_work import PATIENCE, SCAN, SUMS, collector, given, planned, running

pytestmark = pytest.mark.nats


async def test_a_source_started_again_goes_on_where_it_stopped(server):
    collect, arrived = collector()
    first, _ = given(SCAN, upto=20)
    second, told = given(SCAN)
    never_ending = asyncio.Event()

    @make_source(name="given", outputs={"out": "dense"})
    async def stopped_early(*, resume: Resume):
        """Reads four messages, and then waits for a camera."""
        for part in first.function(resume=resume):
            yield part
        await never_ending.wait()

    async with running(
        server, planned("resume", [first, collect], [("given.out", "collect.part")])
    ) as run:
        async with run.start(stopped_early, collect):
            await run.until("collect", lambda told: told.frames_in == 20)
        async with run.start(second, collect):
            await run.until("given", lambda told: told.state == "done")
            await run.until("collect", lambda told: told.frames_in == 15)

    assert told == [Resume(scan=0, index=20)]
    assert concatenate(sorted(arrived, key=lambda part: part.start)).index.tolist() == list(
        range(35)
    )


async def test_a_finished_source_does_not_repeat_its_scan(server):
    collect, arrived = collector()
    read, told = given(SCAN)

    async with running(
        server, planned("again", [read, collect], [("given.out", "collect.part")])
    ) as run:
        async with run.start(read, collect):
            await run.until("collect", lambda told: told.state == "done")
        run.told.clear()
        async with run.start(read):
            await run.until("given", lambda told: told.state == "done")

    assert len(told) == 1, "the second life did not read at all"
    assert sum(len(part) for part in arrived) == 35


async def test_a_half_of_a_join_given_twice_is_acknowledged_when_it_is_joined(server):
    """Both deliveries are of one message of the stream: an answer to one is an answer to it."""

    @make_operator(name="pair")
    def pair(left: Zip[Values], right: Zip[Values]) -> None:
        """Waits for both."""

    @make_source(name="given", outputs={"out": "values"})
    def read():
        """Is not run."""
        yield SCAN.values(sum=SUMS)

    answers: list[str] = []
    plan = planned(
        "halves", [read, pair], [("given.out", "pair.left"), ("given.out", "pair.right")]
    )
    async with connect(server.url, name="test", token=server.token) as broker:
        tally = Tally("pair", 0, "sink")
        worker = Worker(pair, plan.operators["pair"], broker, tally)
        left, right = (
            next(e for e in worker.config.inputs if e.port == p) for p in ("left", "right")
        )
        values = SCAN.values(sum=SUMS)
        payload = _codec.encode(values, identity=b"i" * 16, lane="given")
        for name, sequence, entry in (("a", 7, left), ("again", 7, left), ("b", 9, left)):
            await worker.handling.handle(entry, Answered(name, sequence, payload, answers))
        assert answers == ["again"], "a message of its own number is not needed any more"
        await worker.handling.handle(right, Answered("c", 4, payload, answers))
        worker.handling.keeping._vault = Forgetful()
        await worker.handling.keeping.checkpoint()

    assert answers == ["again", "b", "c"]


class Forgetful:
    """Keeps nothing."""

    async def save(self, key, value):
        """Nothing."""


class Answered:
    """A delivery that tells who was acknowledged."""

    attempt = 1

    def __init__(self, name, sequence, payload, answers):
        self.name, self.sequence, self.payload, self.answers = name, sequence, payload, answers

    async def ack(self):
        self.answers.append(self.name)


async def test_a_message_given_twice_counts_once(server):
    values = SCAN.values(sum=SUMS)

    @make_source(name="given", outputs={"out": "values"})
    def read():
        """The scan."""
        yield from split(values)

    @make_operator(name="keep")
    def keep(part: Values) -> None:
        """Counts frames."""
        counted.extend(part.index.tolist())

    counted: list[int] = []
    plan = planned("twice", [read, keep], [("given.out", "keep.part")])
    async with running(server, plan) as run:
        scan_id = f"{plan.operators['given'].run[:12]}-given-0"
        stamped = values.replace(scan=msgspec.structs.replace(values.scan, id=scan_id))
        again = _codec.encode(split(stamped)[2].replace(lane="given"), identity=b"another name 123")
        await run.broker.publish(f"interact.test.twice.given.out.{scan_id}", again)
        async with run.start(read, keep):
            await run.until("keep", lambda told: told.state == "done")

    assert sorted(counted) == list(range(35))


@pytest.mark.parametrize("role", ["reducer", "sink"])
async def test_a_reducer_or_sink_that_dies_goes_on_from_its_checkpoint(server, role):
    """The first life takes 20 frames and is gone without a word; the second has the whole scan."""
    counted: list[int] = []

    class Total(Reducer[dict]):
        """Sums frames."""

        def zero(self, scan):
            return {"sum": 0.0, "frames": 0}

        def add(self, state: dict, part: DenseFrames) -> None:
            state["sum"] += int(part.data.sum())
            state["frames"] += len(part)

        def result(self, state: dict, progress) -> Values | None:
            if not progress.complete:
                return None
            counted.append(state["frames"])
            return Values(
                scan=progress.scan,
                start=0,
                stop=progress.total,
                columns={"v": np.zeros(progress.total)},
            )

    total = make_operator(name="total")(Total)

    @make_operator(name="total")
    def keep(part: DenseFrames) -> None:
        """Counts frames."""
        counted.extend(part.index.tolist())

    taker = total if role == "reducer" else keep
    half, _ = given(SCAN, upto=20)
    whole, _ = given(SCAN)
    operators, edges = [whole, taker], [("given.out", "total.part")]
    if role == "reducer":
        operators, edges = [*operators, collector()[0]], [*edges, ("total.out", "collect.part")]
    never_ending = asyncio.Event()

    @make_source(name="given", outputs={"out": "dense"})
    async def first_half(*, resume: Resume):
        """Four messages, and then nothing for a while."""
        for part in half.function(resume=resume):
            yield part
        await never_ending.wait()

    async with running(server, planned(f"dies-{role}", operators, edges, ack_wait="2s")) as run:
        async with run.start(first_half):
            config = run.plan.operators["total"]
            life = asyncio.create_task(
                _runtime.serve(taker, config, run.broker, stop=asyncio.Event())
            )
            await run.until("total", lambda told: told.frames_in == 20)
            await checkpointed(run, config, 20)
            life.cancel()
            await asyncio.wait({life})
        run.told.clear()
        async with run.start(whole, taker):
            told = await run.until("total", lambda told: told.state == "done")

    assert told.scans_complete == 1
    assert told.frames_in == 15, "what the checkpoint holds was not taken again"
    assert sorted(counted) == ([35] if role == "reducer" else list(range(35)))


async def checkpointed(run, config, frames_wanted):
    """Wait until a checkpoint holds so many frames."""
    vault = Vault(run.broker, config.state_bucket, f"checkpoint.{config.operator}")
    async with asyncio.timeout(PATIENCE):
        while True:
            scans = await vault.load("scans")
            for scan_id in unpack(scans)["open"] if scans else []:
                kept = unpack(await vault.load(f"scan.{scan_id}"))
                if sum(int(np.unpackbits(bits).sum()) for bits in kept["bitmaps"]) == frames_wanted:
                    return
            run.news.clear()
            await run.news.wait()


async def test_a_value_of_any_size_is_replaced_as_a_whole(server, monkeypatch):
    monkeypatch.setattr("interact._vault.PART_BYTES", 1000)
    read, _ = given(SCAN)
    collect, _ = collector()
    async with running(
        server, planned("vault", [read, collect], [("given.out", "collect.part")])
    ) as run:
        vault = Vault(run.broker, run.plan.bucket.name, "checkpoint.x")
        for value in (b"", b"a" * 999, b"b" * 2500, b"c" * 1000):
            await vault.save("k", value)
            assert await Vault(run.broker, run.plan.bucket.name, "checkpoint.x").load("k") == value
        await run.broker.put(run.plan.bucket.name, "checkpoint.x.k.1.0", b"damaged")
        assert await Vault(run.broker, run.plan.bucket.name, "checkpoint.x").load("k") is None
        await vault.forget("k")
        assert await vault.load("k") is None
