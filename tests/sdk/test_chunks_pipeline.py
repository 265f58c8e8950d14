"""Operators whose every message is large: they see whole batches, and nothing is left afterwards."""

import asyncio
from contextlib import asynccontextmanager

import numpy as np
import pytest
from interact import DenseFrames, Image, Latest, Progress, Reducer, Scan, scan_image
from interact import operator as make_operator
from interact import source as make_source
from interact._pictures import pictures
from interact.testing import split
from sdk.at_work import PATIENCE, planned, running
from sdk.looking import pause

pytestmark = pytest.mark.nats

KIB, MIB = 1 << 10, 1 << 20
ROWS, COLUMNS = 64, 64
TOTAL = 36
DATA = (np.arange(TOTAL, dtype=np.uint32) + 1)[:, None, None] * np.ones(
    (1, ROWS, COLUMNS), np.uint32
)
SCAN = DenseFrames(scan=Scan("s", (6, 6)), start=0, stop=TOTAL, data=DATA)
"""Frames of 16 KiB, six in a message of 96."""


@make_operator(name="add")
class Add(Reducer[list]):
    """Adds images up."""

    def zero(self, scan: Scan) -> list:
        """Nothing."""
        return [np.zeros((ROWS, COLUMNS), np.int64)]

    def add(self, state: list, part: DenseFrames) -> None:
        """One message."""
        state[0] += part.data.sum(axis=0, dtype=np.int64)

    def result(self, state: list, progress: Progress) -> Image:
        """The sum of one pixel, everywhere, beside a large map."""
        large = np.full((6, 6), state[0][0, 0])
        return scan_image(progress, {"sum": large})


@asynccontextmanager
async def cutting(server, plan, message_bytes):
    """Operators on a connection that cuts messages early."""
    async with running(server, plan) as run:
        run.broker.large.message_bytes = run.broker.message_bytes = message_bytes
        run.broker.large._chunk_bytes = 32 * KIB
        yield run


def given():
    @make_source(name="given", outputs={"out": "dense"})
    def read():
        """The scan in messages of six frames."""
        yield from split(SCAN, 6)

    return read


async def emptied(run, plan):
    """Wait until the data stream holds nothing but ledgers."""
    name = next(one.name for one in plan.streams if "chunks" in one.name)
    async with asyncio.timeout(PATIENCE):
        while True:
            info = await run.broker.context.stream_info(name, subjects_filter=">")
            left = [subject for subject in info.state.subjects or {} if "_ledger" not in subject]
            if not left:
                return info
            await pause(0.05)


async def test_a_pipeline_of_large_messages_has_the_exact_result(server):
    @make_operator(name="double", parallel=True)
    def double(part: DenseFrames) -> DenseFrames:
        """Twice as much."""
        return part.dense(part.data * 2)

    shown = []

    @make_operator(name="keep")
    def keep(part: Image) -> None:
        """Keeps pictures."""
        shown.append(part)

    read = given()
    edges = [("given.out", "double.part"), ("double.out", "add.part"), ("add.out", "keep.part")]
    plan = planned("whole", [read, double, Add, keep], edges)

    async with cutting(server, plan, 16 * KIB) as run, run.start(read, double, Add, keep):
        await run.until("keep", lambda told: told.state == "done")
        info = await emptied(run, plan)

    final = next(part for part in shown if part.final)
    assert np.all(final.channels["sum"] == 2 * TOTAL * (TOTAL + 1) // 2)
    assert final.missing == {}
    assert info.state.last_seq > 2 * 6 * 3, "every message went as three chunks and more"


async def test_large_side_inputs_and_pictures_are_whole(server):
    """The reduced image is a side input; every message counts as large, however small it is."""

    @make_operator(name="show", display=True)
    def show(part: DenseFrames, reference: Latest[Image]) -> Image:
        """A picture of a frame."""
        seen.append(reference.channels["sum"].shape)
        return Image(**part.frame(), channels={"frame": part.data[-1].astype(np.float64)})

    seen = []
    read = given()
    edges = [("given.out", "add.part"), ("given.out", "show.part"), ("add.out", "show.reference")]
    plan = planned("side", [read, Add, show], edges)
    images = next(one.name for one in plan.streams if "images" in one.name)

    async with cutting(server, plan, 64) as run, run.start(read, Add, show):
        await run.until("show", lambda told: told.state == "done")
        (picture,) = await pictures(run.broker, images)
        stored = await run.broker.context.stream_info(images)

    assert seen == [(6, 6)] * 6
    assert picture.image.channels["frame"][0, 0] in DATA[5::6, 0, 0]
    assert stored.state.bytes < picture.image.channels["frame"].nbytes, "only descriptors"
