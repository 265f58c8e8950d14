"""Sums and moments of counted events, against dense frames and stempy."""

import numpy as np
import pytest
import stempy.image
from hypothesis import given
from hypothesis import strategies as st
from interact_stem import kernels, phase
from interact_stem.errors import ShapeError
from interact_stem.events import SparseEvents
from stempy.io.sparse_array import SparseArray

SHAPE = (19, 31)


def events_of(lengths, shape=SHAPE, *, dtype=np.int16, counted=False, seed=1):
    """Random events; pixels may repeat within a frame."""
    random = np.random.default_rng(seed)
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    rows = random.integers(0, shape[0], offsets[-1]).astype(dtype)
    columns = random.integers(0, shape[1], offsets[-1]).astype(dtype)
    counts = random.integers(0, 9, offsets[-1]).astype(np.uint16) if counted else None
    for array in (rows, columns, offsets):
        array.flags.writeable = False
    return SparseEvents(rows, columns, counts, offsets, shape)


def dense(events):
    """The same as images, int64."""
    frames = np.zeros((len(events.offsets) - 1, *events.shape), np.int64)
    number = np.repeat(np.arange(len(frames)), np.diff(events.offsets))
    counts = 1 if events.counts is None else events.counts.astype(np.int64)
    np.add.at(frames, (number, events.rows, events.columns), counts)
    return frames


LENGTHS = [40, 0, 1, 300, 0]
CASES = pytest.mark.parametrize(
    "events",
    [
        pytest.param(events_of(LENGTHS), id="16-bit coordinates"),
        pytest.param(events_of(LENGTHS, dtype=np.int32), id="32-bit coordinates"),
        pytest.param(events_of(LENGTHS, counted=True), id="events that count more than once"),
        pytest.param(events_of([]), id="no frames"),
        pytest.param(events_of([0, 0]), id="no events"),
    ],
)


@CASES
def test_moments_are_those_of_the_dense_frames(events):
    result = kernels.sparse_moments(*events[:4])

    np.testing.assert_array_equal(result, kernels.moments(dense(events)))


@CASES
def test_masked_moments_and_sums_are_those_of_the_dense_frames(events):
    masks = np.random.default_rng(2).random((3, *SHAPE)) < 0.4

    np.testing.assert_array_equal(
        kernels.sparse_moments(*events[:4], masks[0]), kernels.moments(dense(events), masks[0])
    )
    np.testing.assert_array_equal(
        kernels.sparse_sums(*events[:4], masks), kernels.sums(dense(events), masks)
    )
    np.testing.assert_array_equal(
        kernels.sparse_sums(*events[:4], masks[1]), kernels.sums(dense(events), masks[1])
    )


@CASES
def test_the_summed_pattern_is_that_of_the_dense_frames(events):
    pattern = np.full(SHAPE, 7, np.int64)

    result = kernels.sparse_frame_sum(*events[:4], pattern)

    assert result is pattern
    np.testing.assert_array_equal(pattern, dense(events).sum(axis=0) + 7)


@CASES
@pytest.mark.parametrize("factor", [1, 2, 3, 5, 19])
def test_binned_events_are_the_binned_frames_without_repeats(events, factor):
    result = kernels.bin_sparse(*events[:4], SHAPE, factor)

    np.testing.assert_array_equal(dense(result), kernels.bin_dense(dense(events), factor))
    number = np.repeat(np.arange(len(result.offsets) - 1), np.diff(result.offsets))
    pixels = set(zip(number.tolist(), result.rows.tolist(), result.columns.tolist(), strict=True))
    assert len(pixels) == len(result.rows)
    assert result.shape == (SHAPE[0] // factor, SHAPE[1] // factor)


@CASES
def test_cropped_events_are_the_cropped_frames(events):
    result = kernels.crop_sparse(*events[:4], (4, 15), (9, 31))

    expected = kernels.crop_dense(dense(events), (4, 15), (9, 31))
    np.testing.assert_array_equal(dense(result), expected)
    assert result.shape == (11, 22)
    assert (result.counts is None) == (events.counts is None)


def test_merged_counts_stay_exact_beyond_16_bits():
    counts = np.array([65535, 65535, 1], np.uint16)

    result = kernels.bin_sparse(
        np.int16([2, 3, 0]), np.int16([5, 4, 0]), counts, np.array([0, 2, 3]), SHAPE, 2
    )

    assert result.counts is not None
    assert result.counts.tolist() == [131070, 1]
    assert result.rows.tolist() == [1, 0]
    assert result.columns.tolist() == [2, 0]


def test_events_that_nothing_merged_need_no_counts():
    result = kernels.bin_sparse(
        np.int16([0, 4]), np.int16([0, 9]), None, np.array([0, 2]), SHAPE, 2
    )

    assert result.counts is None


def test_many_events_at_the_far_corner_do_not_overflow():
    n = 3 * 32768 + 5
    far = np.full(n, 32767, np.int16)

    result = kernels.sparse_moments(far, far, None, np.array([0, n]))

    assert result.tolist() == [[n, n * 32767, n * 32767]]


@pytest.mark.parametrize("shape", [(40, 40), (48, 64)], ids=["square", "not square"])
def test_the_centre_of_mass_is_stempys_and_empty_frames_have_none(shape):
    random = np.random.default_rng(6)
    flat = [np.sort(random.choice(shape[0] * shape[1], n, replace=False)) for n in (50, 0, 9, 200)]
    data = np.empty((4, 1), object)
    data[:, 0] = [part.astype(np.uint32) for part in flat]
    offsets = np.concatenate(([0], np.cumsum([len(part) for part in flat])))

    rows, columns = kernels.flat_to_rows_columns(np.concatenate(flat), shape[1], shape[0])
    y, x = phase.center_of_mass(kernels.sparse_moments(rows, columns, None, offsets))

    sparse = SparseArray(data=data, scan_shape=(2, 2), frame_shape=shape)
    expected = stempy.image.com_sparse(sparse, replace_nans=False).reshape(2, 4)
    np.testing.assert_allclose([x, y], expected, rtol=0, atol=1e-4)
    assert np.isnan(y[1])


@given(
    columns=st.integers(1, 70000),
    numbers=st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=20),
    dtype=st.sampled_from([np.uint32, np.int64]),
)
def test_flat_numbers_split_exactly_for_every_width(columns, numbers, dtype):
    limit = min(columns * 65536, 2**31)
    flat = np.array([number % limit for number in [*numbers, limit - 1]], dtype)

    rows, across = kernels.flat_to_rows_columns(flat, columns)

    np.testing.assert_array_equal(
        np.stack([rows, across]), np.divmod(flat.astype(np.int64), columns)
    )


def test_every_pixel_of_a_detector_splits_exactly():
    rows, columns = kernels.flat_to_rows_columns(np.arange(576 * 577, dtype=np.uint32), 577, 576)

    np.testing.assert_array_equal(np.stack([rows, columns]), np.indices((576, 577)).reshape(2, -1))
    assert rows.dtype == columns.dtype == np.int16


def test_long_edges_take_32_bits():
    assert kernels.flat_to_rows_columns(np.array([5]), 40000)[0].dtype == np.int32
    assert kernels.flat_to_rows_columns(np.array([5]), 4, 40000)[0].dtype == np.int32
    assert kernels.flat_to_rows_columns(np.array([], np.uint32), 4)[0].dtype == np.int16


EVENTS = events_of([3, 2])
MASK = np.ones(SHAPE, bool)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        pytest.param(
            lambda: kernels.sparse_sums(*EVENTS[:4], MASK[:2, :2]), "outside", id="small mask"
        ),
        pytest.param(
            lambda: kernels.sparse_moments(np.int16([-1]), np.int16([0]), None, [0, 1], MASK),
            "outside",
            id="negative row",
        ),
        pytest.param(
            lambda: kernels.sparse_moments(np.int16([0]), np.int16([31]), None, [0, 1], MASK),
            "outside",
            id="one column too far",
        ),
        pytest.param(
            lambda: kernels.bin_sparse(np.int16([19]), np.int16([0]), None, [0, 1], SHAPE, 2),
            "outside",
            id="one row too far to bin",
        ),
        pytest.param(
            lambda: kernels.sparse_moments(EVENTS.rows, EVENTS.columns, None, [0, 4, 3, 5]),
            "offsets",
            id="offsets that fall",
        ),
        pytest.param(
            lambda: kernels.sparse_moments(EVENTS.rows, EVENTS.columns, None, [0, 99]),
            "offsets",
            id="offsets past the events",
        ),
        pytest.param(
            lambda: kernels.sparse_moments(EVENTS.rows, EVENTS.columns[1:], None, [0, 5]),
            "shapes",
            id="a column missing",
        ),
        pytest.param(
            lambda: kernels.sparse_moments(*EVENTS[:2], np.ones(4, np.uint16), [0, 5]),
            "shapes",
            id="a count missing",
        ),
        pytest.param(
            lambda: kernels.sparse_moments(EVENTS.rows * 0.5, EVENTS.columns, None, [0, 5]),
            "floats",
            id="fractions of pixels",
        ),
        pytest.param(
            lambda: kernels.flat_to_rows_columns(np.array([20]), 5, 4),
            "20",
            id="pixel past the end",
        ),
        pytest.param(
            lambda: kernels.flat_to_rows_columns(np.array([3, -1]), 5), "-1", id="negative pixel"
        ),
        pytest.param(
            lambda: kernels.crop_sparse(*EVENTS[:4], (-1, 3), (0, 3)), "[-1, 3)", id="crop before 0"
        ),
    ],
)
def test_events_that_do_not_fit_are_refused(call, said):
    with pytest.raises(ShapeError) as caught:
        call()

    assert said in str(caught.value)


def test_a_refused_batch_leaves_the_summed_pattern_alone():
    pattern = np.zeros(SHAPE, np.int64)

    with pytest.raises(ShapeError):
        kernels.sparse_frame_sum(np.int16([1, 19]), np.int16([1, 0]), None, [0, 2], pattern)

    assert not pattern.any()
