"""Files of recorded scans: exact, whole after a kill, and each frame once."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interact import (
    Axis,
    Batch,
    Bytes,
    DenseFrames,
    Image,
    InputError,
    Scan,
    Tombstone,
    Values,
    _codec,
    recording,
)
from interact.recording import Recorded, RecordingFull, Writer, recorded
from interact.testing import frames, sparse, split

WHOLE = frames(shape=(4, 6, 9, 11), disk=(4, 5, 3))
LARGE = 1 << 30


def same(found: Batch, expected: Batch) -> bool:
    """Whether two messages are the same to the last bit."""
    return _codec.encode(found, identity=bytes(16)) == _codec.encode(expected, identity=bytes(16))


def kinds():
    scan = WHOLE.scan
    listed = Scan("listed", (24,))
    rng = np.random.default_rng(2)
    some = np.arange(24) % 5 != 0
    image = Image(
        scan=scan, start=0, stop=24, channels={"v": rng.normal(size=(4, 6))}, units={"v": "e"},
        axes=(Axis("y"), Axis("x")), completeness=0.5, missing={"aborted": 12}, rendered=b"png",
    )  # fmt: skip
    nothing = (Tombstone("filtered", 0, 24),)
    return {
        "dense": WHOLE,
        "sparse": sparse(WHOLE),
        "with gaps": sparse(WHOLE).select(some, reason="overrun"),
        "values of a list": Values(
            scan=listed, start=0, stop=24, y=rng.normal(size=24), x=rng.normal(size=24),
            columns={"v": rng.normal(size=(24, 3)).astype(np.float32)}, time=3.5, lane="a>b.c",
        ),
        "a picture": image,
        "bytes": Bytes(scan=scan, start=0, stop=24, data=b"anything", attributes={"a": [1, "b"]}),
        "nothing at all": Batch(scan=scan, start=0, stop=24, tombstones=nothing),
    }  # fmt: skip


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_of_message_is_read_as_it_was_written(tmp_path, kind):
    whole = kinds()[kind]
    parts = [whole] if kind in {"a picture", "bytes", "nothing at all"} else split(whole, 5)
    path = tmp_path / "a.scans"

    with Writer(path, LARGE) as writer:
        for part in random.Random(1).sample(parts, len(parts)):
            writer.add(part)
    [found] = recorded(path)

    assert all(same(a, b) for a, b in zip(found.batches(), parts, strict=True))
    assert found.covered == 24


def test_a_file_is_added_to_by_the_next_run_and_holds_several_scans(tmp_path):
    path = tmp_path / "a.scans"
    for number in (3, 1):
        with Writer(path, LARGE) as writer:
            for part in split(WHOLE.replace(scan=Scan(f"s{number}", (4, 6))), 7):
                writer.add(part)

    assert [(one.scan.id, one.covered) for one in recorded(path)] == [("s3", 24), ("s1", 24)]


@settings(deadline=None, max_examples=60)
@given(
    order=st.permutations(range(5)),
    twice=st.lists(st.integers(0, 4)),
    lives=st.sets(st.integers(0, 9)),
)
def test_each_frame_is_written_once_whatever_comes_again_in_whatever_life(
    tmp_path_factory, order, twice, lives
):
    path = tmp_path_factory.mktemp("r") / "a.scans"
    parts = split(WHOLE, 5)
    writer = Writer(path, LARGE)

    written = 0
    for number, place in enumerate([*order, *twice]):
        if number in lives:
            writer.close()
            writer = Writer(path, LARGE)
        written += writer.add(parts[place])
    writer.close()

    assert written == 24
    [found] = recorded(path)
    assert all(same(a, b) for a, b in zip(found.batches(), parts, strict=True))


def test_what_a_killed_writer_left_half_written_is_removed_at_any_byte(tmp_path):
    path = tmp_path / "a.scans"
    first, second, *rest = split(WHOLE, 5)
    with Writer(path, LARGE) as writer:
        writer.add(first)
        whole = writer.size
        writer.add(second)
    data = path.read_bytes()

    for size in [*range(len(recording.MAGIC)), *range(whole, len(data), 37), len(data) - 1]:
        path.write_bytes(data[:size])
        with Writer(path, LARGE) as writer:
            for part in (first, second, *rest):
                writer.add(part)
        [found] = recorded(path)
        parts = (first, second, *rest)
        assert all(same(a, b) for a, b in zip(found.batches(), parts, strict=True)), size


def test_frames_that_failed_are_left_for_another_try(tmp_path):
    path = tmp_path / "a.scans"
    part = split(WHOLE, 12)[0]
    failed = part.select(part.index != 7, reason="failed")
    again = part.select(part.index == 7).replace(start=7, stop=8, tombstones=())

    with Writer(path, LARGE) as writer:
        assert writer.add(failed) == 11
        assert writer.add(again) == 1
    [found] = recorded(path)

    parts = list(found.batches())
    assert [(one.start, one.stop, len(one)) for one in parts] == [
        (0, 7, 7), (7, 8, 1), (8, 12, 4), (12, 24, 0),
    ]  # fmt: skip
    data = np.concatenate([one.data for one in parts if isinstance(one, DenseFrames)])
    assert np.array_equal(data, part.data)
    assert parts[-1].tombstones == (Tombstone("missing", 12, 24),)


@pytest.mark.parametrize(("start", "first"), [(0, 0), (5, 5), (9, 5), (23, 20), (24, 20), (90, 20)])
def test_reading_begins_with_the_message_that_holds_a_frame(tmp_path, start, first):
    path = tmp_path / "a.scans"
    with Writer(path, LARGE) as writer:
        for part in split(WHOLE, 5):
            writer.add(part)

    [found] = recorded(path)

    assert next(found.batches(start)).start == first


def test_a_recording_does_not_grow_beyond_its_bound_and_says_so(tmp_path):
    path = tmp_path / "a.scans"
    parts = split(WHOLE, 5)
    with Writer(path, LARGE) as writer:
        writer.add(parts[0])
        bound = writer.size + 10

    with Writer(path, bound) as writer, pytest.raises(RecordingFull, match="raise max_bytes"):
        writer.add(parts[1])

    assert path.stat().st_size <= bound
    assert [one.covered for one in recorded(path)] == [5]


@pytest.mark.parametrize("content", [b"#!/bin/sh\nprecious\n", b"\x89HDF\r\n"])
def test_a_file_that_is_no_recording_is_left_as_it_is(tmp_path, content):
    path = tmp_path / "precious"
    path.write_bytes(content)

    with pytest.raises(InputError, match="is not a recording of scans: it is left as it is"):
        Writer(path, LARGE)
    with pytest.raises(InputError, match="is not a recording of scans"):
        recorded(path)

    assert path.read_bytes() == content


def test_places_nobody_can_record_into_are_named(tmp_path):
    with pytest.raises(InputError, match="no file to record into"):
        Writer(tmp_path, LARGE)
    with pytest.raises(InputError, match="cannot be opened: No such file"):
        Writer(tmp_path / "absent" / "a.scans", LARGE)
    with pytest.raises(InputError, match="cannot be opened: No such file"):
        recorded(tmp_path / "a.scans")


def test_two_processes_do_not_record_into_one_file(tmp_path):
    with Writer(tmp_path / "a.scans", LARGE), pytest.raises(InputError, match="another process"):
        Writer(tmp_path / "a.scans", LARGE)


def test_a_message_that_was_changed_is_not_replayed(tmp_path):
    path = tmp_path / "a.scans"
    first, second = split(WHOLE, 12)
    with Writer(path, LARGE) as writer:
        writer.add(first)
        middle = writer.size - 3
        writer.add(second)
    data = bytearray(path.read_bytes())
    data[middle] ^= 1
    path.write_bytes(data)

    found: list[Recorded] = recorded(path)

    with pytest.raises(InputError, match="a message was changed"):
        list(found[0].batches())
