"""Inputs that are read in pieces: each number once, in its place, whatever the size and the faults."""

import numpy as np
import pytest
from interact import (
    DenseFrames,
    Streamed,
    Values,
)
from interact import operator as make_operator
from interact import source as make_source
from interact.testing import split
from sdk.at_work import planned
from sdk.test_chunks_pipeline import COLUMNS, DATA, KIB, ROWS, SCAN, TOTAL, cutting, emptied

pytestmark = pytest.mark.nats

SUMS = DATA.sum(axis=(1, 2)).astype(int).tolist()


def given(parts):
    @make_source(name="given", outputs={"out": "any"})
    def read():
        """What the test sends."""
        yield from parts

    return read


async def sums_of(frames):
    """The sum of each frame, from its rows; and the rows of each, in the order they came."""
    sums, places = dict.fromkeys(frames.index.tolist(), 0), {}
    async for part in frames.rows():
        sums[part.frame] += int(part.data.sum())
        places.setdefault(part.frame, []).append((part.first, len(part.data)))
    return sums, places


def summing(seen, *, fail=lambda frames, sums: None):
    @make_operator(name="sum")
    async def add_up(frames: Streamed[DenseFrames]) -> Values:
        """The sum of each frame."""
        sums, places = await sums_of(frames)
        fail(frames, sums)
        seen.append((frames.start, frames.size, places))
        return frames.values(sum=np.array([*sums.values()]))

    return add_up


def keeping(kept):
    @make_operator(name="keep")
    def keep(part: Values) -> None:
        """Keeps numbers."""
        kept.update(zip(part.index.tolist(), part.columns["sum"].tolist(), strict=True))

    return keep


async def flow(server, name, kernel, kept, *, frames=6, message_bytes=16 * KIB):
    """The sums of the scan, by the kernel, from messages of so many frames; what was told."""
    read, keep = given(split(SCAN, frames)), keeping(kept)
    plan = planned(
        name, [read, kernel, keep], [("given.out", "sum.frames"), ("sum.out", "keep.part")]
    )
    async with cutting(server, plan, message_bytes) as run, run.start(read, kernel, keep):
        told = await run.until("keep", lambda told: told.state == "done")
        await emptied(run, plan)
    return told, run


@pytest.mark.parametrize("message_bytes", [16 * KIB, 1 << 20], ids=["chunks", "one piece"])
async def test_every_row_of_every_frame_comes_once_and_in_order(server, message_bytes):
    seen, kept = [], {}

    await flow(server, "streamed", summing(seen), kept, message_bytes=message_bytes)

    assert [kept[number] for number in range(TOTAL)] == SUMS
    assert sorted(start for start, _, _ in seen) == list(range(0, TOTAL, 6))
    for _, size, places in seen:
        assert size > 6 * ROWS * COLUMNS * 4
        for rows in places.values():
            assert [first for first, _ in rows] == [0, *np.cumsum([n for _, n in rows])[:-1]]
            assert sum(count for _, count in rows) == ROWS
