"""A message that ends the process again and again, life after life, without a process."""

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interact import (
    Bytes,
    DenseFrames,
    Image,
    Scan,
    TransientError,
    Values,
    _again,
    _later,
    operator,
)
from interact._again import Suspect
from interact._attempts import REST, WHOLE, Record
from interact._kernel import Done, Kernel, settled
from interact._scan import Tombstone
from interact.testing import frames, sparse

SCAN = frames(shape=(2, 6, 8, 9), disk=(4, 5, 3))
MOST = 3


class Died(BaseException):
    """The process is gone."""


class Book:
    """What outlives a process."""

    def __init__(self) -> None:
        self.record: Record | None = Record()
        self.begun: list[int] = []

    async def begin(self, key, record, delivery):
        self.record = record
        self.begun.append(record.place)

    async def end(self, key):
        self.record = None


def lives(kernel, part, deadly, *, together=False):
    """Let a message be given again until a life ends well: what it became, and the deaths it took."""
    book = Book()
    core = Kernel(kernel, {})

    async def call(given, last):
        there = set(given["part"].index.tolist()) if len(given["part"]) else {WHOLE}
        if deadly & there or (together and len(there) > 1):
            raise Died
        return core.process(given, last=last)

    for deaths in range(100):
        suspect = Suspect(book, "key", None, book.record, MOST)
        try:
            done = asyncio.run(_again.done(suspect, {"part": part}, call))
        except Died:
            continue
        return done, deaths, book
    raise AssertionError("it never ends")


@operator
def summed(part: DenseFrames) -> Values:
    """One number a frame; dim ones are left out."""
    sums = part.data.sum(axis=(1, 2))
    return part.values(sum=sums).select(part.index % 5 != 4)


@settings(deadline=None, max_examples=40)
@given(st.sets(st.integers(0, 11)), st.sets(st.integers(0, 11), max_size=4))
def test_whatever_frames_are_deadly_the_others_become_what_they_would(deadly, absent):
    part = SCAN.select(~np.isin(np.arange(12), list(absent)), reason="overrun")
    deadly -= absent
    if not len(part):
        return

    done, deaths, _ = lives(summed, part, deadly)

    out = settled(part, done.outputs.get("out"), done.failed)
    left = [i for i in range(12) if i not in deadly | absent and i % 5 != 4]
    assert out.index.tolist() == left
    if left:
        assert np.array_equal(out.sum, SCAN.data.sum(axis=(1, 2))[left])
    assert sorted(int(one.part["part"].index[0]) for one in done.failed) == sorted(deadly)
    assert {(one.kind, one.attempts) for one in done.failed} <= {("crash", MOST)}
    assert deaths == len(deadly) * (MOST - 1), "the try of the whole message was one of them"
    missing = {gap.reason for gap in out.tombstones}
    assert missing <= {"overrun", "failed", "filtered"}
    assert ("failed" in missing) == bool(deadly)


def test_a_message_that_is_too_large_as_a_whole_comes_through_frame_by_frame():
    done, deaths, _ = lives(summed, SCAN, set(), together=True)

    assert (deaths, done.failed) == (0, ())
    assert done.outputs["out"].index.tolist() == [i for i in range(12) if i % 5 != 4]


def test_events_and_coordinates_are_put_together_as_they_were():
    coordinates = np.arange(12.0)
    part = sparse(SCAN).replace(y=coordinates, x=-coordinates)

    @operator
    def passed(part: DenseFrames) -> DenseFrames:
        """Passes on what comes."""
        return part

    done, _, _ = lives(passed, part, {3})

    out = done.outputs["out"]
    expected = part.select(np.arange(12) != 3)
    for name, array in expected.arrays().items():
        assert np.array_equal(out.arrays()[name], array), name
    assert np.array_equal(out.y, expected.y)
    assert (out.start, out.stop, len(out)) == (0, 12, 11)


def test_where_frames_have_no_output_of_their_own_the_good_ones_are_tried_together():
    @operator
    def pictured(part: DenseFrames) -> Image:
        """A picture of all frames."""
        return Image(**part.frame(), channels={"sum": part.data.sum(axis=0)})

    done, deaths, book = lives(pictured, SCAN, {7})

    expected = SCAN.data.sum(axis=0) - SCAN.data[7]
    assert np.array_equal(done.outputs["out"].channels["sum"], expected)
    assert [int(one.part["part"].index[0]) for one in done.failed] == [7]
    assert (deaths, book.begun[-1]) == (MOST - 1, REST)


def test_frames_that_are_deadly_only_together_are_given_up_together():
    @operator
    def pictured(part: DenseFrames) -> Image:
        """A picture of all frames."""
        return Image(**part.frame(), channels={"sum": part.data.sum(axis=0)})

    done, deaths, _ = lives(pictured, SCAN, set(), together=True)

    assert done.outputs == {}
    assert [len(one.part["part"]) for one in done.failed] == [12]
    assert deaths == MOST - 1


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(SCAN.select(np.arange(12) == 5), id="one frame"),
        pytest.param(Bytes(scan=Scan("b", (1,)), start=0, stop=0, data=b"x"), id="bytes"),
    ],
)
def test_a_message_that_is_one_thing_is_tried_as_often_as_a_frame(part):
    done, deaths, book = lives(summed, part, {5, WHOLE})

    assert [one.attempts for one in done.failed] == [MOST]
    assert (deaths, set(book.begun)) == (MOST - 1, {WHOLE})


def test_a_frame_that_asks_for_another_try_gets_it_in_place(monkeypatch):
    monkeypatch.setattr(_later, "FIRST_SECONDS", 0.0)
    tries: list[int] = []

    @operator
    def busy(part: DenseFrames) -> Values:
        """Frame 2 is ready at the second time, frame 8 never."""
        tries.extend(part.index.tolist())
        if 8 in part.index or (2 in part.index and tries.count(2) < 2):
            raise TransientError("busy")
        return part.values(sum=part.data.sum(axis=(1, 2)))

    done, _, _ = lives(busy, SCAN, set())

    assert [(int(o.part["part"].index[0]), o.kind) for o in done.failed] == [(8, "transient")]
    assert (tries.count(2), tries.count(8)) == (2, MOST)


def test_what_a_watchdog_said_of_the_last_try_is_said_of_the_frame():
    async def call(given, last):
        return Done({})

    record = Record(place=4, tries=MOST, kind="timeout", trace="Timeout (0:00:30)!\nFile …")
    suspect = Suspect(Book(), "key", None, record, MOST)
    done = asyncio.run(_again.done(suspect, {"part": SCAN}, call))

    [failed] = done.failed
    assert (failed.kind, failed.digest) == ("timeout", record.trace)
    assert "did not end within its time (kernelTimeout), 3 times" in failed.error
    assert failed.part["part"].index.tolist() == [4]


def test_tombstones_of_neighbours_are_put_together():
    done, _, _ = lives(summed, SCAN.select(np.arange(12) > 3, reason="overrun"), set())

    assert done.outputs["out"].tombstones == (
        Tombstone("overrun", 0, 4), Tombstone("filtered", 4, 5), Tombstone("filtered", 9, 10),
    )  # fmt: skip
