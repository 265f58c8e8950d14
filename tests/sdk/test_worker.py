"""What a running operator does when something goes wrong, against a real nats-server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import numpy as np
import pytest
from interact import (
    DenseFrames,
    Reducer,
    Resume,
    TransientError,
    Values,
    Zip,
    _codec,
    _runtime,
    _spec,
)
from interact import operator as make_operator
from interact import source as make_source
from interact._jetstream import JetStream, connect
from interact._server import nats_server
from interact._state import unpack
from interact._tally import Tally
from interact._vault import Vault
from interact._worker import Worker
from interact.testing import concatenate, frames, split
from interact_api import report, wire
from interact_api.load import load
from interact_api.pipeline import Storage
from interact_api.streams import Plan, PlanSettings, plan

pytestmark = pytest.mark.nats

SCAN = frames(shape=(5, 7, 48, 64))
SUMS = SCAN.data.sum(axis=(1, 2)).astype(int)
PATIENCE = 30.0
MIB = 1 << 20


@pytest.fixture(scope="module")
def server():
    with nats_server() as running:
        yield running


def planned(name, operators, edges, *, max_bytes=16 * MIB, ack_wait="30s") -> Plan:
    text = "---\n".join(_spec.document(one) for one in operators)
    spec = {
        "operators": [{"name": one.name, "operatorRef": {"name": one.name}} for one in operators],
        "edges": [{"from": a, "to": b, "ackWait": ack_wait} for a, b in edges],
    }
    pipeline = {
        "apiVersion": "interact.science/v1alpha1", "kind": "Pipeline",
        "metadata": {"name": name}, "spec": spec,
    }  # fmt: skip
    found = load(f"{text}---\n{json.dumps(pipeline)}", origin="test")
    settings = PlanSettings(
        namespace="test", installation="test", run=f"{name:0<16}".encode().hex()[:32],
        storage=Storage.MEMORY, state_storage=Storage.MEMORY, max_bytes=max_bytes, state_bytes=MIB,
        dead_letter_bytes=16 * MIB, images_bytes=16 * MIB,
    )  # fmt: skip
    return plan(found.pipelines[0], {o.metadata.name: o for o in found.operators}, settings)


class Running:
    """Operators at work on one connection, and what they told last."""

    def __init__(self, broker: JetStream, plan: Plan) -> None:
        self.broker = broker
        self.plan = plan
        self.told: dict[str, report.Report] = {}
        self.news = asyncio.Event()

    async def heard(self, payload: bytes, _: str) -> None:
        told = report.decode(payload)
        self.told[told.operator] = told
        self.news.set()

    async def until(self, name: str, wanted) -> report.Report:
        async with asyncio.timeout(PATIENCE):
            while name not in self.told or not wanted(self.told[name]):
                self.news.clear()
                await self.news.wait()
        return self.told[name]

    @asynccontextmanager
    async def start(self, *operators) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for one in operators:
                config = self.plan.operators[one.name]
                group.create_task(_runtime.serve(one, config, self.broker, stop=stop))
            yield
            stop.set()


@asynccontextmanager
async def running(server, plan: Plan) -> AsyncIterator[Running]:
    async with connect(server.url, name="test", token=server.token) as broker:
        for stream in plan.streams:
            await broker.make(stream)
        await broker.make_bucket(plan.bucket)
        run = Running(broker, plan)
        await broker.watch("interact-status.test.>", run.heard)
        yield run
        for stream in plan.streams:
            await broker.context.delete_stream(stream.name)


def given(scan, *, size=5, upto=None):
    @make_source(name="given", outputs={"out": "dense"})
    def read(*, resume: Resume):
        """Part of a scan, from where a former life stopped."""
        told.append(resume)
        for part in split(scan, size):
            if part.stop > resume.index and (upto is None or part.stop <= upto):
                yield part

    told: list[Resume] = []
    return read, told


def collector():
    arrived: list[DenseFrames | Values] = []

    @make_operator(name="collect")
    def collect(part: DenseFrames | Values) -> None:
        """Keeps what comes."""
        arrived.append(part)

    return collect, arrived


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


async def test_what_cannot_be_decoded_is_kept_aside_and_the_rest_goes_on(server):
    collect, arrived = collector()
    read, _ = given(SCAN)

    async with running(
        server, planned("foreign", [read, collect], [("given.out", "collect.part")])
    ) as run:
        config = run.plan.operators["collect"]
        await run.broker.publish("interact.test.foreign.given.out.x", b"\xff not a frame")
        async with run.start(read, collect):
            told = await run.until("collect", lambda told: told.state == "done")
        letter = await run.broker.context.get_last_msg(
            config.dead_letter_stream, config.dead_letter_subject
        )

    assert told.undecodable == 1
    assert any("magic" in error and "another program" in error for error in told.errors)
    assert letter.data == b"\xff not a frame"
    assert sum(len(part) for part in arrived) == 35


async def test_an_end_that_says_nothing_is_kept_aside_and_the_rest_goes_on(server):
    collect, arrived = collector()
    read, _ = given(SCAN)
    header = wire.Header(
        kind="end", scan=wire.encoded_scan(SCAN.scan), start=0, stop=0, identity=b"i" * 16,
        lane="given",
    )  # fmt: skip

    plan = planned("mute", [read, collect], [("given.out", "collect.part")])
    async with running(server, plan) as run:
        await run.broker.publish("interact.test.mute.given.out.x", wire.prefix_and_header(header))
        async with run.start(read, collect):
            told = await run.until("collect", lambda told: told.state == "done")

    assert told.undecodable == 1
    assert any("names its source" in error for error in told.errors)
    assert sum(len(part) for part in arrived) == 35


async def test_a_frame_that_fails_is_kept_with_its_reason(server):
    @make_operator(name="fragile", parallel=True)
    def fragile(part: DenseFrames) -> Values:
        """Fails on frame 17."""
        if 17 in part.index:
            raise RuntimeError("hot pixel")
        return part.values(sum=part.data.sum(axis=(1, 2)))

    collect, arrived = collector()
    read, _ = given(SCAN)
    edges = [("given.out", "fragile.part"), ("fragile.out", "collect.part")]

    async with running(server, planned("poison", [read, fragile, collect], edges)) as run:
        async with run.start(read, fragile, collect):
            told = await run.until("fragile", lambda told: told.frames_failed == 1)
            await run.until("collect", lambda told: told.state == "done")
        config = run.plan.operators["fragile"]
        letter = await run.broker.context.get_last_msg(
            config.dead_letter_stream, config.dead_letter_subject
        )

    assert told.errors == ("fragile: RuntimeError: hot pixel",)
    _, kept = _codec.decode(letter.data)
    assert np.array_equal(kept.data, SCAN.data[17:18])
    assert kept.index.tolist() == [17]
    assert kept.attributes["operator"] == "fragile"
    assert "hot pixel" in kept.attributes["traceback"]
    assert sorted(i for part in arrived for i in part.index) == [i for i in range(35) if i != 17]


def oversized(part):
    return part.values(sum=np.ones((len(part), 9 * MIB)))


def unspeakable(part):
    return part.values(sum=np.array([object()] * len(part)))


async def rejected(part):
    raise RuntimeError("hot pixel")


async def oversized_later(part):
    return oversized(part)


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        pytest.param(oversized, "the server takes", id="larger than a message may be"),
        pytest.param(unspeakable, "object", id="of a type the wire does not have"),
        pytest.param(rejected, "hot pixel", id="an asynchronous kernel raises"),
        pytest.param(
            oversized_later, "the server takes", id="an asynchronous kernel makes too much"
        ),
    ],
)
async def test_a_message_whose_result_cannot_be_sent_fails_and_the_rest_goes_on(
    server, kernel, words
):
    def spoils(part: DenseFrames) -> Values:
        """Spoils the message of frame 17."""
        return kernel(part) if 17 in part.index else part.values(sum=part.data.sum(axis=(1, 2)))

    async def spoils_later(part: DenseFrames) -> Values:
        """Spoils the message of frame 17."""
        made = kernel(part) if 17 in part.index else part.values(sum=part.data.sum(axis=(1, 2)))
        return await made if asyncio.iscoroutine(made) else made

    later = asyncio.iscoroutinefunction(kernel)
    spoil = make_operator(name="spoil", parallel=True)(spoils_later if later else spoils)
    collect, arrived = collector()
    read, _ = given(SCAN)
    edges = [("given.out", "spoil.part"), ("spoil.out", "collect.part")]

    plan = planned(f"spoil-{kernel.__name__[:4]}-{later}".lower(), [read, spoil, collect], edges)
    async with running(server, plan) as run, run.start(read, spoil, collect):
        told = await run.until("spoil", lambda told: told.frames_failed == 5)
        await run.until("collect", lambda told: told.state == "done")

    assert any(words in error for error in told.errors)
    lost = range(15, 20)
    assert sorted(i for part in arrived for i in part.index) == [
        i for i in range(35) if i not in lost
    ]


async def test_a_message_that_asks_for_another_try_gets_it(server):
    tries = []

    @make_operator(name="busy", parallel=True)
    def busy(part: DenseFrames) -> Values:
        """Succeeds at the second try."""
        tries.append(part.start)
        if tries.count(part.start) == 1 and part.start == 10:
            raise TransientError("the camera is busy")
        return part.values(sum=part.data.sum(axis=(1, 2)))

    collect, arrived = collector()
    read, _ = given(SCAN)
    edges = [("given.out", "busy.part"), ("busy.out", "collect.part")]

    plan = planned("busy", [read, busy, collect], edges)
    async with running(server, plan) as run, run.start(read, busy, collect):
        told = await run.until("collect", lambda told: told.state == "done")

    assert tries.count(10) == 2
    assert told.frames_failed == 0
    assert sum(len(part) for part in arrived) == 35


async def test_messages_fetched_ahead_are_not_given_again_while_a_kernel_is_slow(server):
    """The kernel takes four times the ack wait; the next message waits behind it in the process."""
    acknowledge_after = 0.5

    @make_operator(name="slow", parallel=True)
    async def slow(part: DenseFrames) -> None:
        """Takes its time once."""
        if part.start == 0:
            await asyncio.wait({asyncio.create_task(forever.wait())}, timeout=4 * acknowledge_after)
            forever.set()

    forever = asyncio.Event()
    read, _ = given(SCAN)
    plan = planned("ahead", [read, slow], [("given.out", "slow.part")], ack_wait="500ms")

    async with running(server, plan) as run, run.start(read, slow):
        told = await run.until("slow", lambda told: told.state == "done")

    assert told.redelivered == 0


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
            await worker._handle(entry, Answered(name, sequence, payload, answers))
        assert answers == ["again"], "a message of its own number is not needed any more"
        await worker._handle(right, Answered("c", 4, payload, answers))
        worker.keeping._vault = Forgetful()
        await worker.keeping.checkpoint()

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


async def test_a_full_stream_makes_the_source_wait_and_nothing_is_lost(server):
    gate = asyncio.Event()
    big = frames(shape=(4, 10, 96, 128), disk=(40, 70, 20))
    assert big.data.nbytes > 900_000

    @make_operator(name="slow")
    async def slow(part: DenseFrames) -> None:
        """Waits to be let on."""
        await gate.wait()
        seen.extend(part.index.tolist())

    seen: list[int] = []
    read, _ = given(big, size=2)
    plan = planned("full", [read, slow], [("given.out", "slow.part")], max_bytes=256 * 1024)

    async with running(server, plan) as run, run.start(read, slow):
        await run.until("given", lambda told: told.messages_out >= 5)
        info = await run.broker.context.stream_info(plan.streams[0].name)
        held = info.state.bytes
        assert run.told["given"].state == "running", "forty frames do not fit into the stream"
        gate.set()
        await run.until("slow", lambda told: told.state == "done")

    assert held <= 256 * 1024
    assert sorted(seen) == list(range(40))


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
