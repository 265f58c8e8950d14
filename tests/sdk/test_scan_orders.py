"""Scans that a person aborts or skips while they run, on a real nats-server."""

import asyncio

import numpy as np
import pytest
from interact import Image, Resume, Scan, ScanImage, Values, Zip
from interact import operator as make_operator
from interact import source as make_source
from interact._orders import Action, Order, key, parsed, scan_id, written
from interact.cli.scan_view import Scans
from sdk.at_work import planned, running

pytestmark = pytest.mark.nats

RASTER = Scan("local", (4, 5))
RUN = "ab" * 16


def part(number, start):
    """Five frames of one of the scans, with values that tell which."""
    scan = Scan(f"local-{number}", (4, 5))
    values = 100 * number + np.arange(start, start + 5)
    return Values(scan=scan, start=start, stop=start + 5, columns={"v": values})


def gated(scans=2):
    """A source that stops before the third message of its first scan until a test lets it go."""
    gate, waits = asyncio.Event(), asyncio.Event()

    @make_source(name="given", outputs={"out": "values"})
    async def read(*, resume: Resume):
        """Scans of four messages."""
        for number in range(resume.scan, scans):
            for start in range(0, 20, 5):
                if (number, start) == (0, 10) and resume == Resume():
                    waits.set()
                    await gate.wait()
                yield part(number, start)

    return read, gate, waits


@make_operator(name="double", parallel=True)
def double(part: Values) -> Values:
    """Twice the value."""
    return part.values(v=2 * part.v)


@make_operator(name="total")
class Total(ScanImage):
    """One pixel a position."""


def results():
    """A sink of pictures, and what it was given; the last word on each scan."""
    final: dict[str, Image] = {}

    @make_operator(name="look")
    def look(picture: Image) -> None:
        """Keeps what is final."""
        if picture.final:
            final[picture.scan.id] = picture

    return look, final


def rows():
    """A sink of values."""
    arrived: list[Values] = []

    @make_operator(name="collect")
    def collect(part: Values) -> None:
        """Keeps what comes."""
        arrived.append(part)

    return collect, arrived


async def order(run, scan, action, facts=None):
    await run.broker.put(
        run.plan.bucket.name, key(scan), written(Order(scan, action, "somebody", "now", facts))
    )


def name_of(run, number):
    return scan_id(run.plan.operators["given"].run, "given", number)


EDGES = [
    ("given.out", "double.part"), ("double.out", "total.part"), ("total.out", "look.picture"),
    ("double.out", "collect.part"),
]  # fmt: skip


@pytest.mark.parametrize("action", [Action.ABORT, Action.SKIP])
async def test_a_scan_that_is_given_up_ends_everywhere_and_the_next_one_is_whole(server, action):
    read, _, waits = gated()
    look, final = results()
    collect, arrived = rows()
    chain = [read, double, Total, look, collect]

    async with running(server, planned(f"orders-{action}", chain, EDGES)) as run:
        first, second = name_of(run, 0), name_of(run, 1)
        async with run.start(*chain):
            await waits.wait()
            await run.until("total", lambda told: told.frames_in == 10)
            await run.until("collect", lambda told: told.frames_in == 10)
            await order(run, first, action)
            for name in ("given", "total", "look", "collect"):
                await run.until(name, lambda told: told.state == "done")
            told = {n: run.told[n].scans for n in ("given", "total", "collect", "look")}

    assert final[second].missing == {}
    assert final[second].channels["v"].ravel().tolist() == [200 + 2 * i for i in range(20)]
    reason = "aborted" if action is Action.ABORT else "skipped"
    for name in ("given", "total", "collect"):
        counted = 20 if action is Action.SKIP and name != "given" else 10
        assert (told[name][first].complete, told[name][first].missing) == (True, {reason: counted})
    if action is Action.SKIP:
        assert first not in final
        assert sorted(final) == [second]
    else:
        assert (final[first].missing, final[first].completeness) == ({"aborted": 10}, 0.5)
        there = final[first].channels["v"].ravel()
        assert there[:10].tolist() == [2 * i for i in range(10)]
        assert np.isnan(there[10:]).all()
        assert told["look"][first].missing == {"aborted": 10}
    counted = [i for part in arrived if part.scan.id == second for i in part.index]
    assert sorted(counted) == list(range(20))


async def test_a_reducer_that_has_seen_nothing_of_an_aborted_scan_gives_an_empty_result(server):
    """Everything of it is still in the stream above: the order tells what scan it is."""
    read, _, waits = gated()
    look, final = results()
    chain = [read, double, Total, look]

    async with running(server, planned("unseen", chain, EDGES[:3])) as run:
        first = name_of(run, 0)
        async with run.start(read):
            await waits.wait()
            facts = Scan(first, (4, 5))
            await order(run, first, Action.ABORT, facts)
            await run.until("given", lambda told: told.state == "done")
        async with run.start(double, Total, look):
            await run.until("look", lambda told: told.state == "done")
        pending = [
            await run.broker.pending(entry.stream, entry.durable)
            for name in ("double", "total", "look")
            for entry in run.plan.operators[name].inputs
        ]

    assert final[first].missing == {"aborted": 20}
    assert final[name_of(run, 1)].missing == {}
    assert [waiting for waiting, _ in pending] == [0, 0, 0]


async def test_halves_that_wait_for_each_other_are_let_go_with_their_scan(server):
    read, gate, waits = gated()
    slow = asyncio.Event()

    @make_operator(name="late")
    async def late(part: Values) -> Values:
        """Holds the first scan back."""
        if part.scan.id.endswith("-0"):
            await slow.wait()
        return part

    pairs = []

    @make_operator(name="pair")
    def pair(left: Zip[Values], right: Zip[Values]) -> None:
        """Keeps what it is called with."""
        pairs.append((left.scan.id, left.start, right.start))

    chain = [read, late, pair]
    edges = [("given.out", "late.part"), ("given.out", "pair.left"), ("late.out", "pair.right")]
    async with running(server, planned("halves-go", chain, edges)) as run:
        first, second = name_of(run, 0), name_of(run, 1)
        async with run.start(*chain):
            await waits.wait()
            await order(run, first, Action.SKIP)
            await run.until("given", lambda told: told.state == "done")
            slow.set()
            await run.until("pair", lambda told: told.state == "done")
            gate.set()

    assert pairs == [(second, start, start) for start in range(0, 20, 5)]


def test_an_order_is_read_as_it_was_written():
    whole = Order("ab-given-3", Action.SKIP, "me", "2026-01-01T00:00:00Z", RASTER)

    assert parsed(written(whole)) == whole
    assert parsed(b'{"scan": "x", "action": "abort"}') == Order("x", Action.ABORT)


async def test_an_order_takes_the_scan_s_facts_from_what_waits_in_a_stream(server):
    read, _, waits = gated()
    look, _ = results()
    chain = [read, double, Total, look]

    async with running(server, planned("facts", chain, EDGES[:3])) as run:
        scan = name_of(run, 0)
        async with run.start(read):
            await waits.wait()
            scans = Scans(run.broker, "test", "facts")
            [known] = await scans.known()
            await scans.give(known, Action.ABORT)
            told = parsed(await run.broker.get(run.plan.bucket.name, key(scan)) or b"")

    assert (told.scan, told.action) == (scan, Action.ABORT)
    assert told.facts == Scan(scan, (4, 5), revision=told.facts.revision if told.facts else 0)
    assert (known.words, known.covered, known.total) == ("under way", 0, 20)
