"""The scan generator: planted fields whose sums are known exactly."""

import asyncio
import contextlib

import numpy as np
import pytest
from interact import Resume
from interact.testing import concatenate
from interact_stem.errors import ShapeError
from interact_stem.planted import Planted

SMALL = {"scan_rows": 6, "scan_columns": 10, "detector_rows": 40, "detector_columns": 64}


def numpy_moments(images):
    y, x = np.ogrid[: images.shape[1], : images.shape[2]]
    wide = images.astype(np.int64)
    sums = [wide, wide * y, wide * x]
    return np.stack([s.sum(axis=(1, 2)) for s in sums], axis=1)


def numpy_images(batch):
    images = np.zeros((len(batch), *batch.shape), np.int64)
    frame = np.repeat(np.arange(len(batch)), batch.events)
    np.add.at(images, (frame, batch.rows, batch.columns), 1)
    return images


@pytest.mark.parametrize("dose", [0, 1, 100, 101])
@pytest.mark.parametrize("sparse", [True, False], ids=["sparse", "dense"])
def test_the_moments_of_every_frame_are_those_planted(shipped, drain, sparse, dose):
    parts = drain(shipped("scan-generator"), **SMALL, sparse=sparse, dose=dose, empty_every=7)

    scan = concatenate(parts)
    images = numpy_images(scan) if sparse else scan.data
    planted = Planted((6, 10), (40, 64), dose, sparse, len(parts[0]), empty_every=7)
    assert images.shape == (60, 40, 64)
    np.testing.assert_array_equal(numpy_moments(images), planted.moments(scan.index))


def test_all_events_lie_inside_the_moving_disk():
    planted = Planted((6, 10), (40, 64), 500, per_message=60)

    (scan,) = planted.batches(None)
    shift_y, shift_x = planted.shifts(scan.index)
    y = scan.rows - np.repeat(planted.center[0] + shift_y, scan.events)
    x = scan.columns - np.repeat(planted.center[1] + shift_x, scan.events)

    assert (y**2 + x**2).max() <= planted.radius**2
    assert (shift_y.max(), shift_x.max()) == (6, 3)  # one and a half waves of x: both its signs


def test_frames_repeat_after_the_period_and_their_answer_with_them():
    planted = Planted((64, 300), (2048, 1024), 100_000, per_message=8)
    index = np.arange(planted.total)

    again = planted.moments(index)[planted.period :]

    assert planted.period < planted.total
    assert planted.period % planted.per_message == 0
    np.testing.assert_array_equal(again, planted.moments(index)[: -planted.period])


def test_repeats_are_fresh_scans_of_equal_frames(shipped, drain):
    parts = drain(shipped("scan-generator"), **SMALL, repeats=2, frames_per_message=32)

    assert [(p.scan.id, p.start, p.stop) for p in parts] == [
        ("planted-0", 0, 32),
        ("planted-0", 32, 60),
        ("planted-1", 0, 32),
        ("planted-1", 32, 60),
    ]
    np.testing.assert_array_equal(parts[0].rows, parts[2].rows)


@pytest.mark.parametrize(
    ("resume", "expected"),
    [
        pytest.param(Resume(0, 32), [(0, 32), (1, 0), (1, 32)], id="in the middle of a scan"),
        pytest.param(Resume(0, 60), [(0, 32), (1, 0), (1, 32)], id="after the last frame of one"),
        pytest.param(Resume(1, 0), [(1, 0), (1, 32)], id="between two scans"),
    ],
)
def test_a_restarted_source_makes_the_same_batches(shipped, drain, resume, expected):
    parts = drain(shipped("scan-generator"), resume, **SMALL, repeats=2, frames_per_message=32)

    assert [(int(p.scan.id[-1]), p.start) for p in parts] == expected


def test_a_detector_too_small_for_a_disk_is_refused():
    with pytest.raises(ShapeError, match="each edge is at least 8"):
        Planted((4, 4), (7, 64))


def test_arrays_are_made_once_and_read_only():
    planted = Planted((4, 6), (40, 64), 10, per_message=12)

    first, second = (next(planted.batches(None)) for _ in range(2))

    assert np.shares_memory(first.rows, second.rows)
    assert not first.rows.flags.writeable


def test_an_endless_generator_goes_on_until_it_is_stopped(shipped):
    async def first(count):
        parts = shipped("scan-generator")(
            resume=Resume(), **SMALL, repeats=0, frames_per_message=60
        )
        async with contextlib.aclosing(parts):
            return [(await anext(parts)).scan.id for _ in range(count)]

    assert asyncio.run(first(5))[-1] == "planted-4"
