"""What a producer does when its stream is full: it waits, leaves frames out, or drops the oldest."""

import asyncio
from contextlib import asynccontextmanager

import numpy as np
import pytest
from interact import DenseFrames, Image, Progress, Reducer, Scan, Values, scan_image
from interact import operator as make_operator
from interact import source as make_source
from interact._losses import Losses
from interact._sampling import Sampling
from interact._tally import Tally
from interact.testing import split
from interact_api.stream_plan import Discard
from sdk import at_work

MIB = 1 << 20
ROWS, COLUMNS, PIXELS = 16, 16, 128
TOTAL = ROWS * COLUMNS
DATA = np.arange(TOTAL, dtype=np.uint32)[:, None, None] + np.zeros((1, PIXELS, PIXELS), np.uint32)
SCAN = DenseFrames(scan=Scan("s", (ROWS, COLUMNS)), start=0, stop=TOTAL, data=DATA)
"""256 frames of 64 KiB: four messages of four frames in a mebibyte."""


def planned(name, operators, edges, on_full):
    delivery = {"onFull": on_full, "maxBytes": "2Mi"}
    return at_work.planned(name, operators, edges, max_bytes=8 * MIB, delivery=delivery)


def given():
    @make_source(name="given", outputs={"out": "dense"})
    def read():
        """The scan, as fast as it can."""
        yield from split(SCAN, 4)

    return read


class HeldBack:
    """A source at work, and a sink that takes nothing until the gate is opened.

    Attributes:
        arrived: What the sink was given.
    """

    def __init__(self, run):
        self.run = run
        self.until = run.until
        self.gate = asyncio.Event()
        self.arrived = []

    @property
    def index(self):
        """The frames that arrived, sorted."""
        return sorted(int(i) for part in self.arrived for i in part.index)


@asynccontextmanager
async def held_back(server, name, on_full, *, message_bytes=None):
    """Both at work; larger messages than that go in chunks."""

    @make_operator(name="collect")
    async def collect(part: DenseFrames | Values) -> None:
        """Waits, then keeps what comes."""
        await held.gate.wait()
        held.arrived.append(part)

    read = given()
    plan = planned(name, [read, collect], [("given.out", "collect.part")], on_full)
    async with at_work.running(server, plan) as run:
        held = HeldBack(run)
        if message_bytes is not None:
            run.broker.large.message_bytes = run.broker.message_bytes = message_bytes
        async with run.start(read, collect):
            yield held


@make_operator(name="total")
class Total(Reducer[list]):
    """Adds all up."""

    def zero(self, scan: Scan) -> list:
        """Nothing."""
        return [0]

    def add(self, state: list, part: Values) -> None:
        """One message."""
        state[0] += int(part.sum.sum())

    def result(self, state: list, progress: Progress) -> Image:
        """The sum everywhere."""
        return scan_image(progress, {"total": np.full(progress.scan.shape, state[0])})


@pytest.mark.nats
async def test_a_port_that_samples_accounts_for_every_frame_it_leaves_out(server):
    async with held_back(server, "sampled", "Sample") as held:
        await held.until("given", lambda told: told.dropped.get("sampled", 0) > 100)
        held.gate.set()
        ended = await held.until("collect", lambda told: told.state == "done")
        told = await held.until("given", lambda told: told.state == "done")

    came = held.index
    assert len(came) == len(set(came)), "no frame twice"
    assert len(came) + told.dropped["sampled"] == TOTAL
    (scan,) = ended.scans.values()
    assert scan.missing == {"sampled": told.dropped["sampled"]}
    values = [(p.index, p.data[:, 0, 0]) for p in held.arrived]
    assert all(np.array_equal(index, value) for index, value in values)


@pytest.mark.nats
async def test_a_reducer_completes_without_the_frames_that_were_left_out(server):
    arrived = []
    read = given()
    gate = asyncio.Event()

    @make_operator(name="slow")
    async def slow(part: DenseFrames) -> Values:
        """Waits, then sums."""
        await gate.wait()
        return part.values(sum=part.data[:, 0, 0].astype(np.int64))

    @make_operator(name="keep")
    def keep(part: Image) -> None:
        """Keeps pictures."""
        arrived.append(part)

    edges = [("given.out", "slow.part"), ("slow.out", "total.part"), ("total.out", "keep.part")]
    plan = planned("reduced", [read, slow, Total, keep], edges, "Sample")
    async with at_work.running(server, plan) as run, run.start(read, slow, Total, keep):
        await run.until("given", lambda told: told.dropped.get("sampled", 0) > 100)
        gate.set()
        await run.until("keep", lambda told: told.state == "done")
        told = await run.until("given", lambda told: told.state == "done")

    final = next(part for part in arrived if part.final)
    assert final.missing == {"sampled": told.dropped["sampled"]}
    assert final.completeness == 1 - told.dropped["sampled"] / TOTAL


@pytest.mark.nats
async def test_a_stream_that_drops_its_oldest_counts_them_and_ends_with_its_source(server):
    async with held_back(server, "oldest", "DropOldest") as held:
        await held.until("given", lambda told: told.state == "done")
        held.gate.set()
        told = await held.until("collect", lambda told: told.state == "done")

    assert held.run.plan.streams[0].discard is Discard.OLD
    messages = len(held.arrived)
    assert told.dropped == {"overwritten": TOTAL // 4 - messages}
    assert 0 < messages < TOTAL // 4
    (scan,) = told.scans.values()
    assert scan.missing == {"overwritten": TOTAL - 4 * messages}
    assert held.index[-1] == TOTAL - 1, "the newest stay"


@pytest.mark.nats
async def test_a_port_that_waits_loses_nothing(server):
    async with held_back(server, "blocked", "Block") as held:
        stream = held.run.plan.streams[0]
        told = await held.until("given", lambda told: told.messages_out >= 8)
        state = (await held.run.broker.context.stream_info(stream.name)).state
        held.gate.set()
        await held.until("collect", lambda told: told.state == "done")

    assert state.bytes <= stream.max_bytes
    assert told.dropped == {}
    assert held.index == list(range(TOTAL))


@pytest.mark.nats
async def test_large_messages_give_way_as_small_ones_do(server):
    """In chunks, what is full is the room of the port's chunks."""
    async with held_back(server, "largest", "Sample", message_bytes=128 << 10) as held:
        await held.until("given", lambda told: told.dropped.get("sampled", 0) > 100)
        held.gate.set()
        await held.until("collect", lambda told: told.state == "done")
        told = await held.until("given", lambda told: told.state == "done")

    assert 0 < len(held.index) < TOTAL
    assert len(held.index) + told.dropped["sampled"] == TOTAL


async def test_neighbours_that_were_left_out_share_one_message():
    sent, stored = [], []
    counted = []

    async def cover(coverage, lane, edition, then):
        sent.append((coverage.start, coverage.stop, coverage.tombstones, lane, edition))
        await then()

    async def done(number):
        stored.append(number)

    sampling = Sampling(cover, counted.append)
    parts = list(split(SCAN, 4))
    for number in (0, 1, 5):
        await sampling.leave_out(parts[number], "given", 0, 10, lambda n=number: done(n))
    await sampling.flush()

    assert [(start, stop) for start, stop, *_ in sent] == [(0, 8), (20, 24)]
    assert [(gap.reason, gap.start, gap.stop) for gap in sent[0][2]] == [("sampled", 0, 8)]
    assert stored == [0, 1, 5]
    assert counted == [4, 4, 4]


class Numbered:
    """A delivery, as its two numbers."""

    def __init__(self, order, sequence, attempt=1):
        self.order, self.sequence, self.attempt = order, sequence, attempt


@pytest.mark.parametrize(
    ("given", "lost"),
    [
        pytest.param([(1, 1), (2, 2), (3, 3)], {}, id="all came"),
        pytest.param([(1, 4), (2, 5)], {"overwritten": 3}, id="the first ones were gone"),
        pytest.param([(1, 1), (2, 5), (3, 9)], {"overwritten": 6}, id="gaps between"),
        pytest.param([(1, 1), (3, 3), (5, 5)], {}, id="another replica had the others"),
        pytest.param([(7, 90), (8, 91)], {}, id="a later life does not know what was before"),
        pytest.param([(1, 1), (2, 1, 2), (3, 2)], {}, id="one came twice"),
    ],
)
def test_what_was_overwritten_is_known_from_two_numbers(given, lost):
    tally = Tally("collect", 0, "sink")
    losses = Losses(None, tally)

    for one in given:
        losses.see("part", Numbered(*one))

    assert tally.dropped == lost
