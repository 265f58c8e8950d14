"""The scan reader: files as batches that never depend on where one starts."""

import asyncio
import contextlib
import time

import numpy as np
import pytest
from interact import Calibration, Resume
from interact.testing import concatenate
from interact_stem import scans
from interact_stem.errors import ReaderError


@pytest.fixture
def stack(tmp_path, uneven):
    """A file of 24 frames that does not say its scan shape."""
    path = tmp_path / "stack.npy"
    np.save(path, uneven.data)
    return path


def test_frames_come_in_the_order_of_acquisition(shipped, drain, stack, uneven):
    parts = drain(shipped("scan-reader"), path=stack, scan_shape="4,6", frames_per_message=7)

    assert [(part.start, part.stop) for part in parts] == [(0, 7), (7, 14), (14, 21), (21, 24)]
    assert {part.total for part in parts} == {24}
    assert parts[0].scan.shape == (4, 6)
    np.testing.assert_array_equal(concatenate(parts).data, uneven.data)


def test_the_scan_carries_its_order_and_calibration(shipped, drain, stack):
    parts = drain(
        shipped("scan-reader"),
        path=stack,
        scan_shape="3,5",
        order="snake",
        flyback=2,
        offset=3,
        step_y=0.2,
        step_unit="Å",
        pixel_y=1.5,
        pixel_x=1.25,
        pixel_unit="mrad",
        rotation=-12.5,
        flip=True,
        energy=300.0,
        dose=200.0,
    )

    scan = parts[0].scan
    assert (scan.shape, scan.order, scan.flyback, scan.offset) == ((3, 5), "snake", 2, 3)
    assert scan.total == 24
    assert scan.calibration == Calibration(
        step=(0.2, 0.2),
        step_unit="Å",
        pixel=(1.5, 1.25),
        pixel_unit="mrad",
        rotation=-12.5,
        flip=True,
        energy=300.0,
        dose=200.0,
    )


def test_a_short_file_ends_early_and_says_so(shipped, drain, stack, caplog):
    parts = drain(shipped("scan-reader"), path=stack, scan_shape="5,6", frames_per_message=10)

    assert parts[-1].stop == 24
    assert parts[-1].total == 30
    assert "holds 24 of 30 frames" in caplog.text


def test_frames_too_many_are_not_read_and_said(shipped, drain, stack, caplog):
    parts = drain(shipped("scan-reader"), path=stack, scan_shape="4,5")

    assert parts[-1].stop == 20
    assert "holds 4 frames more than the scan" in caplog.text


def test_every_repeat_is_a_scan_of_its_own(shipped, drain, stack):
    parts = drain(
        shipped("scan-reader"), path=stack, scan_shape="24", repeats=3, frames_per_message=24
    )

    assert [part.scan.id for part in parts] == ["scan-0", "scan-1", "scan-2"]


@pytest.mark.parametrize(
    ("resume", "expected"),
    [
        pytest.param(
            Resume(0, 14), [(0, 14), (0, 21), (1, 0), (1, 7), (1, 14), (1, 21)], id="amid"
        ),
        pytest.param(Resume(1, 21), [(1, 21)], id="before the last batch"),
        pytest.param(Resume(1, 24), [(1, 21)], id="after the last batch, which comes again"),
        pytest.param(Resume(1, 30), [(1, 21)], id="after frames that were missing"),
    ],
)
def test_a_restarted_source_cuts_the_same_batches(shipped, drain, stack, resume, expected):
    parts = drain(
        shipped("scan-reader"),
        resume,
        path=stack,
        scan_shape="5,6",
        repeats=2,
        frames_per_message=7,
    )

    assert [(int(part.scan.id[-1]), part.start) for part in parts] == expected


def test_a_file_without_frames_still_names_its_scan(shipped, drain, tmp_path):
    np.save(tmp_path / "none.npy", np.empty((0, 18, 30), np.uint16))

    (part,) = drain(shipped("scan-reader"), path=tmp_path / "none.npy", scan_shape="4,6")

    assert (len(part), part.start, part.stop, part.total) == (0, 0, 0, 24)


def test_a_list_of_positions_brings_its_coordinates(shipped, drain, tmp_path, uneven):
    points = np.random.default_rng(1).random((24, 2))
    np.savez(tmp_path / "list.npz", frames=uneven.data, points=points)

    parts = drain(
        shipped("scan-reader"),
        path=tmp_path / "list.npz",
        dataset="frames",
        coordinates="points",
        scan_shape="24",
        frames_per_message=5,
    )

    whole = concatenate(parts)
    assert whole.scan.listed
    np.testing.assert_array_equal((whole.y, whole.x), points.T)


def test_frames_in_fft_order_are_centred(shipped, drain, tmp_path, uneven):
    np.save(tmp_path / "fft.npy", np.fft.ifftshift(uneven.data, axes=(1, 2)))

    parts = drain(
        shipped("scan-reader"), path=tmp_path / "fft.npy", scan_shape="4,6", detector_order="fft"
    )

    np.testing.assert_array_equal(concatenate(parts).data, uneven.data)


def test_the_rate_is_kept(shipped, drain, stack):
    began = time.monotonic()

    drain(shipped("scan-reader"), path=stack, scan_shape="4,6", rate=240.0, frames_per_message=4)

    assert time.monotonic() - began >= 0.1


def test_a_file_without_shape_asks_for_it(shipped, drain, stack):
    with pytest.raises(ReaderError, match="scan_shape"):
        drain(shipped("scan-reader"), path=stack)


@pytest.mark.parametrize("text", ["4,6,2", "four,six", "0,6", "-4,6", "4;6", "²,3", "4,", "9" * 40])
def test_a_text_that_is_no_shape_is_refused(text):
    with pytest.raises(scans.ShapeTextError, match="write rows and columns"):
        scans.parsed_shape(text)


@pytest.mark.parametrize(
    ("text", "shape"),
    [("", None), (" ", None), ("64,48", (64, 48)), ("64 x 48", (64, 48)), (" 516 ", (516,))],
)
def test_a_shape_is_read_from_its_text(text, shape):
    assert scans.parsed_shape(text) == shape


@pytest.mark.parametrize(
    ("frame_bytes", "total", "expected"),
    [
        pytest.param(663_552, 10_000, 1, id="a frame of 576 by 576"),
        pytest.param(1024, 1_000_000, 1024, id="a mebibyte"),
        pytest.param(760, 4096, 128, id="a small scan grows in 32 steps"),
        pytest.param(0, 5, 1, id="fewer frames than steps"),
    ],
)
def test_a_message_has_about_a_mebibyte(frame_bytes, total, expected):
    assert scans.frames_per_message(frame_bytes, total) == expected


def test_an_endless_source_goes_on_until_it_is_stopped(shipped, stack):
    async def first(count):
        parts = shipped("scan-reader")(
            resume=Resume(), path=stack, scan_shape="24", repeats=0, frames_per_message=24
        )
        async with contextlib.aclosing(parts):
            return [(await anext(parts)).scan.id for _ in range(count)]

    assert asyncio.run(first(5))[-1] == "scan-4"
