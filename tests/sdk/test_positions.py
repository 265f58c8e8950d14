"""Sources that are killed at any moment: what both lives send is what one life would have sent."""

import asyncio
import json

import pytest
from interact import Resume, Scan, _codec
from interact import source as make_source
from interact._batches import lost
from interact._in_effect import Live
from interact._live_values import parsed, written
from interact._orders import Action, Order, Orders
from interact._sourcing import Sourcing
from interact._tally import Tally
from sdk.test_sourcing import RASTER, Storing, config, part, told

SCANS = [Scan(f"local-{number}", (3, 5)) for number in range(3)]


def cut(scan: Scan, index: int = 0):
    """The messages of a scan from the one that holds a frame."""
    return [part(scan, start, start + 5) for start in range(index // 5 * 5, 15, 5)]


def by_index(resume):
    """One scan, and looks at the index alone."""
    yield from cut(SCANS[0], resume.index)


def by_scan(resume):
    """Three scans, each from its start."""
    for number in range(resume.scan, 3):
        yield from cut(SCANS[number])


def by_both(resume):
    """Three scans, and goes on exactly where it is told to."""
    for number in range(resume.scan, 3):
        yield from cut(SCANS[number], resume.index if number == resume.scan else 0)


def of_one_name(resume):
    """Three scans that look the same."""
    for number in range(resume.scan, 3):
        yield from cut(RASTER, resume.index if number == resume.scan else 0)


class Watched(Storing):
    """Remembers every position that was kept, and what had been published by then."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[bytes, int]] = []

    async def put(self, bucket, key, value):
        self.kept.append((value, len(self.published)))
        await super().put(bucket, key, value)


def source_of(batches, asynchronous):
    if asynchronous:

        @make_source(name="given", outputs={"out": "values"})
        async def given(*, resume: Resume):
            """What it is told."""
            for batch in batches(resume):
                yield batch
    else:

        @make_source(name="given", outputs={"out": "values"})
        def given(*, resume: Resume):
            """What it is told."""
            yield from batches(resume)

    return given


async def life(operator, broker, orders=None, tally=None):
    """One life to its end."""
    tally = tally or Tally("given", 0, "source")
    sourcing = Sourcing(operator, config("out"), broker, tally, orders=orders)
    sourcing._position.pause = 0.0
    running = asyncio.create_task(sourcing.run())
    await broker.finished.wait()
    sourcing.stop()
    await running
    return tally


def sent(payloads):
    """Names of messages, and what the end says."""
    found, scans = {}, None
    for payload in payloads:
        header, batch = _codec.decode(payload)
        if header.kind == "end":
            scans = header.attributes["scans"]
        else:
            found[header.identity] = (int(batch.scan.id[-1]), batch.start, batch.stop)
    return found, scans


@pytest.mark.parametrize("asynchronous", [False, True], ids=["in step", "asynchronous"])
@pytest.mark.parametrize("batches", [by_index, by_scan, by_both, of_one_name])
async def test_a_source_killed_at_any_moment_neither_repeats_nor_skips(batches, asynchronous):
    whole = Watched()
    operator = source_of(batches, asynchronous)
    await life(operator, whole)
    expected, scans = sent(whole.published)

    for kept, published in whole.kept:
        again = Storing()
        again.keys["source.given"] = kept
        if json.loads(kept)["done"]:
            again.finished.set()
        await life(operator, again)
        found, counted = sent([*whole.published[:published], *again.published])
        assert found == expected, f"killed after {published} messages, kept {kept!r}"
        assert counted == scans

    assert len(whole.kept) > 3


async def test_a_camera_that_begins_anew_leaves_the_rest_of_its_scan_missing():
    """It cannot go back: what it gives after a kill is another acquisition, and says so."""
    broker = Storing()
    first = Watched()
    await life(source_of(lambda _: cut(SCANS[0]), False), first)
    kept = next(k for k, _ in first.kept if json.loads(k)["index"] == 5)
    broker.keys["source.given"] = kept

    await life(source_of(lambda _: cut(SCANS[1]), False), broker)

    found, scans = sent(broker.published)
    assert list(found.values()) == [(0, 5, 15), (1, 0, 5), (1, 5, 10), (1, 10, 15)]
    _, rest = _codec.decode(broker.published[0])
    assert [gap.reason for gap in rest.tombstones] == ["missing"]
    assert scans == 2


@pytest.mark.parametrize("action", [Action.ABORT, Action.SKIP])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["in step", "asynchronous"])
@pytest.mark.parametrize(
    ("batches", "after"),
    [
        (by_index, []),
        (by_both, [(1, 0, 5), (1, 5, 10), (1, 10, 15), (2, 0, 5), (2, 5, 10), (2, 10, 15)]),
        (by_scan, [(1, 0, 5), (1, 5, 10), (1, 10, 15), (2, 0, 5), (2, 5, 10), (2, 10, 15)]),
    ],
)
async def test_a_source_makes_nothing_more_of_a_scan_that_is_given_up(
    batches, after, asynchronous, action
):
    tally = Tally("given", 0, "source")
    orders = Orders(tally)

    class Ordering(Storing):
        """Orders as soon as the second message is stored."""

        async def publish(self, subject, payload, *, identity="", stored=None):
            await super().publish(subject, payload, identity=identity, stored=stored)
            if len(self.published) == 2:
                orders.take(Order(_codec.decode(payload)[1].scan.id, action))

    broker = Ordering()
    await life(source_of(batches, asynchronous), broker, orders, tally)

    found, scans = sent(broker.published)
    assert list(found.values()) == [(0, 0, 5), (0, 5, 10), *after]
    assert scans == 1 + len(after) // 3
    scan = next(iter(told(tally).scans.values()))
    assert (scan.covered, scan.complete, scan.missing) == (15, True, {action.reason: 5})


async def test_a_source_that_waits_for_its_next_frame_gives_the_scan_up_at_once():
    tally, broker = Tally("given", 0, "source"), Storing()
    orders, waiting, never = Orders(tally), asyncio.Event(), asyncio.Event()

    @make_source(name="given", outputs={"out": "values"})
    async def given(*, resume: Resume):
        """Waits in the middle of its first scan."""
        if resume.scan == 0 and resume.index < 15:
            yield part(SCANS[0], 0, 5)
            waiting.set()
            await never.wait()
        for batch in cut(SCANS[1]):
            yield batch

    sourcing = asyncio.create_task(life(given, broker, orders, tally))
    async with asyncio.timeout(30):
        await waiting.wait()
        orders.take(Order(_codec.decode(broker.published[0])[1].scan.id, Action.ABORT))
        await sourcing

    found, scans = sent(broker.published)
    assert list(found.values()) == [(0, 0, 5), (1, 0, 5), (1, 5, 10), (1, 10, 15)]
    assert scans == 2


@pytest.mark.parametrize("asynchronous", [False, True], ids=["in step", "asynchronous"])
async def test_a_source_that_cannot_resume_is_read_on_and_nothing_of_the_scan_is_sent(asynchronous):
    tally = Tally("given", 0, "source")
    orders = Orders(tally)

    class Ordering(Storing):
        """Orders as soon as the second message is stored."""

        async def publish(self, subject, payload, *, identity="", stored=None):
            await super().publish(subject, payload, identity=identity, stored=stored)
            if len(self.published) == 2:
                orders.take(Order(_codec.decode(payload)[1].scan.id, Action.ABORT))

    async def in_turn():
        for batch in [*cut(SCANS[0]), *cut(SCANS[1])]:
            yield batch

    @make_source(name="given", outputs={"out": "values"})
    def given():
        """Two scans."""
        return in_turn() if asynchronous else iter([*cut(SCANS[0]), *cut(SCANS[1])])

    broker = Ordering()
    await life(given, broker, orders, tally)

    found, scans = sent(broker.published)
    assert list(found.values()) == [(0, 0, 5), (0, 5, 10), (1, 0, 5), (1, 5, 10), (1, 10, 15)]
    assert scans == 2


async def test_an_order_about_another_source_s_scan_changes_nothing():
    tally, broker = Tally("given", 0, "source"), Storing()
    orders = Orders(tally)
    orders.take(Order("abababababab-other-0", Action.ABORT))

    await life(source_of(by_index, False), broker, orders, tally)

    assert list(sent(broker.published)[0].values()) == [(0, 0, 5), (0, 5, 10), (0, 10, 15)]


async def test_a_single_scan_that_waits_after_its_end_is_not_made_again_for_new_values():
    """It is about to end, and looks at the index alone."""
    tally, broker = Tally("given", 0, "source"), Storing()
    began: list[Resume] = []

    @make_source(name="given", outputs={"out": "values"})
    async def given(*, resume: Resume):
        """One scan, and a little time to close its file."""
        began.append(resume)
        for batch in cut(SCANS[0], resume.index):
            yield batch
        live.take(parsed(written({"given": {}}, 2)))
        live.changed.set()
        await asyncio.sleep(0)

    live = Live(given, config("out"), tally)
    sourcing = Sourcing(given, config("out"), broker, tally, live)
    running = asyncio.create_task(sourcing.run())
    await broker.finished.wait()
    sourcing.stop()
    await running

    assert began == [Resume()]
    assert len(broker.published) == 4


async def test_frames_a_camera_lost_are_counted():
    tally, broker = Tally("given", 0, "source"), Storing()

    def overrun(_):
        yield part(RASTER, 0, 4)
        yield lost(RASTER, 4, 6)
        yield part(RASTER, 9, 15)

    await life(source_of(overrun, False), broker, tally=tally)

    found = [_codec.decode(payload)[1] for payload in broker.published[:-1]]
    gaps = [(gap.reason, gap.start, gap.stop) for batch in found for gap in batch.tombstones]
    assert gaps == [("overrun", 4, 6), ("overrun", 6, 9)]
    assert told(tally).dropped == {"overrun": 5}
    scan = next(iter(told(tally).scans.values()))
    assert (scan.covered, scan.complete, scan.missing) == (15, True, {"overrun": 5})
