"""Counting electrons by stempy's rule, against numpy and stempy."""

import numpy as np
import pytest
import stempy.image
from interact_stem import kernels
from interact_stem.errors import ShapeError
from scipy import ndimage


def detector_frames(n=4, shape=(40, 64), seed=3):
    """Frames of a charge-integrating detector: pedestal, noise and electrons that share charge."""
    random = np.random.default_rng(seed)
    frames = random.normal(120, 3, (n, *shape))
    for frame in frames:
        for y, x in zip(*(random.integers(0, edge, 60) for edge in shape), strict=True):
            charge = random.gamma(8, 12)
            frame[y, x] += charge
            for down, across in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                if 0 <= y + down < shape[0] and 0 <= x + across < shape[1]:
                    frame[y + down, x + across] += 0.1 * charge
    return frames.round().astype(np.uint16)


def by_numpy(frames, dark, gain, background, xray):
    """The rule in the words of numpy: a strict local maximum of what lies between thresholds."""
    g = ((frames.astype(np.float32) - dark) * np.float32(1) / gain).astype(np.float32)
    g[(g <= background) | (g >= xray)] = 0
    around = np.ones((3, 3), bool)
    around[1, 1] = False
    highest = np.stack(
        [ndimage.maximum_filter(f, footprint=around, mode="constant", cval=-np.inf) for f in g]
    )
    return np.argwhere(g > highest)


def as_table(rows, columns, offsets):
    number = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return np.stack([number, rows, columns], axis=1)


@pytest.mark.parametrize(
    ("dark", "background"),
    [
        pytest.param(0, 140.0, id="no dark frame"),
        pytest.param(120, 15.0, id="pixels below the dark frame"),
        pytest.param(120, 0.0, id="no background threshold"),
        pytest.param(120, -20.0, id="a negative threshold"),
    ],
)
def test_events_are_strict_local_maxima_between_the_thresholds(dark, background):
    frames = detector_frames()

    found = kernels.count_electrons(frames, dark, None, background, 180.0)

    expected = by_numpy(frames, np.float32(dark), np.float32(1), background, 180.0)
    np.testing.assert_array_equal(as_table(*found), expected)
    assert len(expected) > 40


@pytest.mark.parametrize("whole", [True, False], ids=["whole dark values", "an averaged dark"])
def test_events_are_stempys_pixel_for_pixel(whole):
    frames = detector_frames()
    dark = np.random.default_rng(7).uniform(80, 100, frames.shape[1:]).astype(np.float32)
    dark = dark.round() if whole else dark

    rows, columns, offsets = kernels.count_electrons(frames, dark, None, 45.0, 170.0)

    for number, frame in enumerate(frames):
        part = slice(offsets[number], offsets[number + 1])
        counted = stempy.image.electron_count_frame(
            frame, darkreference=dark, background_threshold=45.0, xray_threshold=170.0
        )
        expected = np.sort(counted.data[0, 0])
        np.testing.assert_array_equal(rows[part] * 64 + columns[part].astype(int), expected)


def test_events_with_a_gain_are_stempys_pixel_for_pixel():
    frames = detector_frames()
    dark = np.full(frames.shape[1:], 90, np.float32)
    gain = np.random.default_rng(8).uniform(0.8, 1.25, frames.shape[1:]).astype(np.float32)

    rows, columns, offsets = kernels.count_electrons(frames, dark, gain, 45.0, 170.0)

    for number, frame in enumerate(frames):
        part = slice(offsets[number], offsets[number + 1])
        counted = stempy.image.electron_count_frame(
            frame, darkreference=dark, background_threshold=45.0, xray_threshold=170.0, gain=gain
        )
        expected = np.sort(counted.data[0, 0])
        np.testing.assert_array_equal(rows[part] * 64 + columns[part].astype(int), expected)


def test_a_pixel_below_the_dark_frame_is_no_electron():
    frames = np.full((1, 5, 6), 10, np.uint16)
    frames[0, 2, 3] = 9

    rows, _, offsets = kernels.count_electrons(frames, 12, background=1.0)

    assert rows.size == 0
    assert offsets.tolist() == [0, 0]


def test_edges_and_corners_need_only_exceed_the_neighbours_they_have():
    frames = np.zeros((1, 5, 7), np.uint16)
    frames[0, 0, 0] = frames[0, 4, 6] = frames[0, 0, 4] = 50

    rows, columns, _ = kernels.count_electrons(frames, background=10.0)

    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 0), (0, 4), (4, 6)]


def test_two_equal_neighbours_give_no_event():
    frames = np.zeros((1, 5, 7), np.uint16)
    frames[0, 2, 2] = frames[0, 3, 3] = 50

    assert kernels.count_electrons(frames, background=10.0)[0].size == 0


def test_an_x_ray_is_left_out_and_its_neighbour_may_count():
    frames = np.zeros((1, 5, 7), np.uint16)
    frames[0, 2, 2], frames[0, 2, 3] = 900, 60

    rows, columns, _ = kernels.count_electrons(frames, background=10.0, xray=500.0)

    assert (rows.tolist(), columns.tolist()) == ([2], [3])


@pytest.mark.parametrize(
    ("background", "xray", "events"),
    [
        pytest.param(0.1, 1.0, 1, id="0.1 in 32 bits lies above 0.1"),
        pytest.param(0.0, 0.1, 0, id="and so reaches an X-ray threshold of 0.1"),
        pytest.param(0.7, 1e300, 0, id="0.7 in 32 bits lies below 0.7"),
        pytest.param(1e300, np.inf, 0, id="a threshold beyond 32 bits"),
    ],
)
def test_thresholds_are_compared_in_full_precision(background, xray, events):
    frames = np.zeros((1, 5, 7), np.float32)
    frames[0, 2, 3] = 0.7 if background == 0.7 else 0.1

    rows, _, _ = kernels.count_electrons(frames, background=background, xray=xray)

    assert rows.size == events


def test_no_frames_give_no_events():
    rows, columns, offsets = kernels.count_electrons(np.zeros((0, 5, 7), np.uint16))

    assert (rows.size, columns.size, offsets.tolist(), rows.dtype) == (0, 0, [0], np.int16)


@pytest.mark.parametrize(
    ("dark", "gain", "said"),
    [
        pytest.param(np.zeros((7, 5)), None, "dark", id="a turned dark frame"),
        pytest.param(None, np.ones((5, 6)), "gain", id="a narrow gain"),
        pytest.param(None, np.zeros((5, 7)), "above 0", id="a gain of nothing"),
    ],
)
def test_corrections_that_do_not_fit_are_refused(dark, gain, said):
    with pytest.raises(ShapeError) as caught:
        kernels.count_electrons(np.zeros((1, 5, 7), np.uint16), dark, gain)

    assert said in str(caught.value)
