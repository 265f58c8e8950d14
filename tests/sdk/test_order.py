"""Operators that ask for order, and joins, on a real nats-server: exact, and never stuck in silence."""

import asyncio
import itertools

import numpy as np
import pytest
from interact import (
    OperatorError,
    Reducer,
    Scan,
    ScanImage,
    TransientError,
    Values,
    Zip,
    _codec,
    _spec,
)
from interact import operator as make_operator
from interact import source as make_source
from interact._coverage import Ledger
from interact._ordering import Ordering
from interact._tally import Tally
from interact.testing import pipeline
from sdk.at_work import MIB, planned, running

pytestmark = pytest.mark.nats

SHAPE = (8, 10)


def part(number, start, size=5):
    scan = Scan(f"local-{number}", SHAPE)
    values = 1000 * number + np.arange(start, start + size)
    return Values(scan=scan, start=start, stop=start + size, columns={"v": values})


def several(scans=3):
    """A source of several scans, one after the other as fast as it goes."""

    @make_source(name="given", outputs={"out": "values"})
    def read():
        """Scans of sixteen messages."""
        for number in range(scans):
            for start in range(0, 80, 5):
                yield part(number, start)

    return read


def in_order():
    """A kernel that keeps what it was called with."""
    seen: list[tuple[str, int, int]] = []

    @make_operator(name="follow", ordered=True)
    def follow(part: Values) -> Values:
        """Frame after frame."""
        seen.append((part.scan.id[-1], part.start, part.stop))
        return part

    return follow, seen


def collector():
    arrived: list[Values] = []

    @make_operator(name="collect")
    def collect(part: Values) -> None:
        """Keeps what comes."""
        arrived.append(part)

    return collect, arrived


def places(arrived, number):
    """Values by frame of one scan, each of which must have come once."""
    parts = [one for one in arrived if one.scan.id.endswith(f"-{number}")]
    index = np.concatenate([one.index for one in parts])
    values = np.concatenate([one.v for one in parts])
    assert sorted(index) == sorted(set(index))
    return dict(zip(index.tolist(), values.tolist(), strict=True))


async def publish(run, parts):
    """Put messages into the source's stream in an order of the test's choosing."""
    config = run.plan.operators["given"]
    for one in parts:
        scan = Scan(f"{config.run[:12]}-given-{one.scan.id[-1]}", SHAPE)
        name = f"{one.scan.id}:{one.start}".encode().ljust(16)
        payload = _codec.encode(one.replace(scan=scan, total=80), identity=name, lane="given")
        await run.broker.publish(f"{config.outputs[0].subject}.{scan.id}", payload)
    await run.broker.flush()


EDGES = [("given.out", "follow.part"), ("follow.out", "collect.part")]


async def test_messages_of_interleaved_scans_come_in_order_and_each_once(server):
    read, (follow, seen), (collect, arrived) = several(), in_order(), collector()
    parts = [part(n, s) for n, s in itertools.product(range(3), range(0, 80, 5))]
    order = np.random.default_rng(4).permutation(len(parts)).tolist()

    async with running(server, planned("ordered", [read, follow, collect], EDGES)) as run:
        await publish(run, [parts[place] for place in [*order, *order[:20]]])
        async with run.start(follow, collect):
            await run.until(
                "collect",
                lambda told: sum(scan.complete for scan in told.scans.values()) == 3,
            )

    for number in range(3):
        mine = [one[1:] for one in seen if one[0] == str(number)]
        assert mine == [(start, start + 5) for start in range(0, 80, 5)]
        assert places(arrived, number) == {i: 1000 * number + i for i in range(80)}


async def test_a_life_that_ends_in_the_middle_is_gone_on_with_in_order(server):
    read, (follow, seen), (collect, arrived) = several(), in_order(), collector()
    parts = [part(0, start) for start in range(0, 80, 5)]
    early = [parts[n] for n in (1, 0, 2, 9, 5, 3, 7)]
    late = [one for one in parts if one.start not in {first.start for first in early}]

    async with running(
        server, planned("lives", [read, follow, collect], EDGES, ack_wait="2s")
    ) as run:
        await publish(run, early)
        async with run.start(follow, collect):
            await run.until("collect", lambda told: told.frames_in >= 20)
        before = len(seen)
        await publish(run, late[::-1])
        async with run.start(follow, collect):
            await run.until("collect", lambda told: any(s.complete for s in told.scans.values()))

    assert [one[1] for one in seen[:before]] == [0, 5, 10, 15]
    assert [one[1] for one in seen[before:]] == list(range(20, 80, 5))
    assert places(arrived, 0) == {i: i for i in range(80)}


async def test_a_message_that_asks_for_another_try_keeps_those_after_it(server):
    read, (collect, _) = several(1), collector()
    seen = []

    @make_operator(name="follow", ordered=True)
    def follow(part: Values) -> Values:
        """Needs two tries for its second message."""
        seen.append(part.start)
        if part.start == 5 and seen.count(5) == 1:
            raise TransientError("once more")
        return part

    plan = planned("tries", [read, follow, collect], EDGES)
    async with running(server, plan) as run, run.start(read, follow, collect):
        await run.until("collect", lambda told: told.state == "done")

    assert seen == [0, 5, 5, *range(10, 80, 5)]


async def test_a_poisoned_frame_closes_its_gap_with_a_tombstone(server):
    read, (follow, seen), (collect, arrived) = several(2), in_order(), collector()

    @make_operator(name="bad", parallel=True)
    def bad(part: Values) -> Values:
        """Cannot do frame 12 of any scan."""
        if 12 in part.index:
            raise ValueError("bad frame")
        return part

    edges = [("given.out", "bad.part"), ("bad.out", "follow.part"), EDGES[1]]
    plan = planned("poison", [read, bad, follow, collect], edges)
    async with running(server, plan) as run, run.start(read, bad, follow, collect):
        await run.until("collect", lambda told: told.state == "done")

    for number in range(2):
        assert [one[1] for one in seen if one[0] == str(number)] == list(range(0, 80, 5))
        assert sorted(places(arrived, number)) == [i for i in range(80) if i != 12]


@pytest.mark.parametrize(("left", "right"), [((3, 9), ()), ((), (0, 79)), ((3, 9), (9, 40))])
async def test_a_diamond_with_filtered_and_poisoned_branches_is_complete(server, left, right):
    """Three scans at once; one branch filters frames, the other fails on some."""
    read = several()
    pairs: list[Values] = []

    @make_operator(name="sift")
    def sift(part: Values) -> Values:
        """Leaves frames out."""
        return part.select(~np.isin(part.index, left))

    @make_operator(name="fail", parallel=True)
    def fail(part: Values) -> Values:
        """Raises on frames."""
        if np.isin(part.index, right).any():
            raise ValueError("bad frame")
        return part

    @make_operator(name="pair")
    def pair(left: Zip[Values], right: Zip[Values]) -> Values:
        """The same frames of both."""
        assert left.index.tolist() == right.index.tolist()
        return left.values(v=left.v + right.v)

    @make_operator(name="picture")
    class Picture(ScanImage):
        """One pixel a position."""

    @make_operator(name="collect")
    def collect(part: Values) -> None:
        """Keeps what comes."""
        pairs.append(part)

    edges = [
        ("given.out", "sift.part"), ("given.out", "fail.part"), ("sift.out", "pair.left"),
        ("fail.out", "pair.right"), ("pair.out", "collect.part"), ("pair.out", "picture.part"),
    ]  # fmt: skip
    chain = [read, sift, fail, pair, collect, Picture]
    async with running(server, planned("diamond", chain, edges)) as run, run.start(*chain):
        await run.until("collect", lambda told: told.state == "done")
        told = await run.until("picture", lambda told: told.state == "done")
        pending = [
            await run.broker.pending(entry.stream, entry.durable)
            for entry in run.plan.operators["pair"].inputs
        ]

    gone = set(left) | set(right)
    for number in range(3):
        expected = {i: 2 * (1000 * number + i) for i in range(80) if i not in gone}
        assert places(pairs, number) == expected
    assert all(sum(scan.missing.values()) == len(gone) for scan in told.scans.values())
    assert [waiting for waiting, _ in pending] == [0, 0]


async def test_a_sink_that_joins_ends_and_a_half_that_comes_again_is_answered(server):
    """It is killed after its pairs were done: nothing of them is left to wait for."""
    read, called = several(1), []

    @make_operator(name="pair")
    def pair(left: Zip[Values], right: Zip[Values]) -> None:
        """Keeps what it is called with."""
        called.append((left.start, right.start))

    @make_operator(name="echo")
    def echo(part: Values) -> Values:
        """The other branch."""
        return part

    edges = [("given.out", "pair.left"), ("given.out", "echo.part"), ("echo.out", "pair.right")]
    async with running(server, planned("twice", [read, echo, pair], edges)) as run:
        async with run.start(read, echo, pair):
            await run.until("pair", lambda told: told.state == "done")
        run.told.clear()
        await publish(run, [part(0, 10)])  # the same frames again, by one of the branches
        [left] = [e for e in run.plan.operators["pair"].inputs if e.port == "left"]
        async with run.start(pair):
            await run.until("pair", lambda told: told.state == "done")
            async with asyncio.timeout(30):
                while sum(await run.broker.pending(left.stream, left.durable)):
                    run.news.clear()
                    await run.news.wait()

    assert called == [(start, start) for start in range(0, 80, 5)]


def test_an_ordered_reducer_is_given_its_frames_in_order():
    starts = []

    @make_operator(name="first", ordered=True)
    class First(Reducer[dict]):
        """Notes what comes."""

        def zero(self, scan):
            return {}

        def add(self, state: dict, part: Values) -> None:
            starts.append(part.start)

        def result(self, state, progress) -> Values:
            return None

    pipeline(part(0, 0, 80), First)

    assert starts == sorted(starts)
    assert starts


def test_order_and_replicas_are_refused_where_they_are_written():
    with pytest.raises(OperatorError, match="order needs one reader"):

        @make_operator(ordered=True, parallel=True)
        def both(part: Values) -> Values:
            """Neither."""
            return part


def test_the_port_s_specification_says_that_it_is_ordered():
    follow, _ = in_order()

    assert [port["ordered"] for port in _spec.manifest(follow)["spec"]["inputs"]] == [True]


def test_a_message_that_does_not_come_is_told_to_a_person():
    tally = Tally("follow", 0, "kernel")
    ordering = Ordering(Ledger([("given.out", "given")]), tally)
    ordering.add(_works(part(0, 5)))
    ordering.look()
    assert tally.snapshot().warnings == ()

    ordering._patience.seconds = 0.0
    ordering.look()

    [words] = tally.snapshot().warnings
    assert "frame 0 of scan local-0 has not come by given.out" in words
    assert "raise maxBytes of given.out" in words


def _works(batch):
    class Entry:
        source = "given.out"

    class Header:
        lane = "given"

    class Delivery:
        payload = b"x"
        sequence = 1

    return ((Entry, Delivery, Header, batch),)


async def test_more_than_there_is_room_for_is_given_back_and_comes_again_in_its_turn(server):
    """Sixteen messages of six mebibytes come last first: 64 MiB may wait."""
    read, (collect, _), seen = several(1), collector(), []

    @make_operator(name="follow", ordered=True)
    def follow(part: Values) -> Values:
        """Keeps where each message begins."""
        seen.append(part.start)
        return part.values(v=part.index)

    large = [
        one.values(v=np.zeros((5, 6 * MIB // 40)))
        for one in (part(0, start) for start in range(0, 80, 5))
    ]
    plan = planned("excess", [read, follow, collect], EDGES, max_bytes=128 * MIB)
    async with running(server, plan) as run:
        await publish(run, large[::-1])
        async with run.start(follow, collect):
            told = await run.until("follow", lambda told: told.frames_in == 80)
            await run.until("collect", lambda told: any(s.complete for s in told.scans.values()))

    assert seen == list(range(0, 80, 5))
    assert told.redelivered > 0, "what had no room came again"


async def test_a_half_whose_other_one_does_not_come_is_told_to_a_person(server):
    read = several(1)

    @make_operator(name="echo")
    def echo(part: Values) -> Values:
        """The other branch, which does not run."""
        return part

    @make_operator(name="pair")
    def pair(left: Zip[Values], right: Zip[Values]) -> None:
        """Waits for both."""

    edges = [("given.out", "pair.left"), ("given.out", "echo.part"), ("echo.out", "pair.right")]
    plan = planned("alone", [read, echo, pair], edges)
    async with running(server, plan) as run, run.start(pair):
        await publish(run, [part(0, 10), part(0, 15)])
        told = await run.until("pair", lambda told: bool(told.warnings))

    [words] = told.warnings
    assert "frames 10 to 15 of scan" in words
    assert "have not come by right for 10 s, and 2 messages wait" in words
