"""Counting electrons in raw frames."""

import numpy as np
import pytest
from interact import DenseFrames, Scan
from interact.testing import run
from interact_stem.errors import ReaderError
from scipy import ndimage

RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], bool)


@pytest.fixture
def raw():
    """Nine frames of 20 × 33 pixels: a pedestal with noise, and hits of 200 and 5000."""
    generator = np.random.default_rng(5)
    data = generator.normal(100, 4, (9, 20, 33))
    data[generator.random(data.shape) < 0.03] += 200
    data[4, 7, 30] = 5000
    data[6] = 100
    data = data.round().astype(np.uint16)
    return DenseFrames(scan=Scan("raw", (3, 3)), start=0, stop=9, total=9, data=data)


def counted(frames, dark, gain, background, xray):
    """Where the events are, by scipy, bool, shape (n, rows, columns)."""
    g = (frames.astype(np.float32) - np.float32(dark)) * (1 / np.float32(gain))
    g[(g <= background) | (g >= xray)] = 0
    around = [ndimage.maximum_filter(f, footprint=RING, mode="constant", cval=0) for f in g]
    return g > np.array(around)


def images(batch):
    out = np.zeros((len(batch), *batch.shape), bool)
    frame = np.repeat(np.arange(len(batch)), batch.events)
    out[frame, batch.rows, batch.columns] = True
    return out


def test_events_are_the_local_maxima_between_the_thresholds(shipped, raw, tmp_path):
    dark = np.full((20, 33), 101.5, np.float32)  # above some pixels: unsigned values would wrap
    gain = np.linspace(0.9, 1.1, 33, dtype=np.float32) * np.ones((20, 1), np.float32)
    np.save(tmp_path / "dark.npy", dark)
    np.save(tmp_path / "gain.npy", gain)

    events = run(
        shipped("electron-count"),
        raw,
        background=40,
        xray=2000,
        dark=tmp_path / "dark.npy",
        gain=tmp_path / "gain.npy",
    )

    expected = counted(raw.data, dark, gain, 40, 2000)
    assert expected.sum() > 100
    assert not expected[4, 7, 30]
    assert events.events[6] == 0
    np.testing.assert_array_equal(images(events), expected)


def test_without_files_the_raw_values_are_compared(shipped, raw):
    events = run(shipped("electron-count"), raw, background=140)

    np.testing.assert_array_equal(images(events), counted(raw.data, 0, 1, 140, np.inf))


def test_events_on_masked_pixels_are_dropped(shipped, raw, tmp_path):
    use = np.random.default_rng(0).random((20, 33)) > 0.5
    np.save(tmp_path / "mask.npy", use)

    events = run(shipped("electron-count"), raw, background=140, mask=tmp_path / "mask.npy")

    np.testing.assert_array_equal(images(events), counted(raw.data, 0, 1, 140, np.inf) & use)


def test_a_dark_frame_of_another_detector_is_refused(shipped, raw, tmp_path):
    np.save(tmp_path / "dark.npy", np.zeros((33, 20)))

    with pytest.raises(ReaderError, match=r"the detector has \(20, 33\)"):
        run(shipped("electron-count"), raw, background=40, dark=tmp_path / "dark.npy")


def test_a_dark_frame_that_is_no_array_is_refused(shipped, raw, tmp_path):
    (tmp_path / "dark.npy").write_text("dark")

    with pytest.raises(ReaderError, match=r"save it with numpy\.save"):
        run(shipped("electron-count"), raw, background=40, dark=tmp_path / "dark.npy")
