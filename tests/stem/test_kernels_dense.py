"""Sums and moments of dense frames, against numpy, scipy and stempy."""

import os
import subprocess
import sys

import numpy as np
import pytest
import stempy.image
from hypothesis import given
from hypothesis import strategies as st
from interact_stem import geometry, kernels, phase
from interact_stem.errors import ShapeError
from interact_stem.kernels import _compile
from scipy import ndimage

DTYPES = ["u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8", "?", ">u2", ">f4", "f2", "u8"]


def frames_of(dtype, shape=(5, 7, 13), seed=1):
    """Random frames over the whole range of small types; off-centre and non-square."""
    random = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return random.random(shape).astype(kind)
    if kind.kind == "b":
        return random.random(shape) < 0.3
    info = np.iinfo(kind)
    return random.integers(max(info.min, -(2**31)), min(info.max, 2**32 - 1), shape).astype(kind)


def expected_moments(frames):
    wide = frames.astype(np.float64 if frames.dtype.kind == "f" else np.int64)
    y, x = np.indices(frames.shape[1:])
    return np.stack([wide.sum((1, 2)), (wide * y).sum((1, 2)), (wide * x).sum((1, 2))], axis=1)


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("dtype", DTYPES)
def test_moments_are_numpys_for_every_type_of_detector(dtype):
    frames = frames_of(dtype)

    result = kernels.moments(frames)

    assert result.dtype == (np.float64 if np.dtype(dtype).kind == "f" else np.int64)
    np.testing.assert_allclose(result, expected_moments(frames), rtol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums_inside_masks_are_numpys_for_every_type_of_detector(dtype):
    frames = frames_of(dtype)
    masks = np.random.default_rng(2).random((3, 7, 13)) < np.array([0.5, 0.0, 1.0])[:, None, None]

    result = kernels.sums(frames, masks)

    wide = frames.astype(np.float64 if frames.dtype.kind == "f" else np.int64)
    expected = np.stack([wide[:, mask].sum(axis=1) for mask in masks], axis=1)
    assert result.dtype == expected.dtype
    np.testing.assert_allclose(result, expected, rtol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_summed_patterns_saturation_and_blocks_take_every_type(dtype):
    frames = frames_of(dtype)
    wide = frames.astype(np.float64 if frames.dtype.kind == "f" else np.int64)

    pattern = kernels.frame_sum(frames, np.ones((7, 13), wide.dtype))
    level = float(np.median(wide))

    np.testing.assert_allclose(pattern, wide.sum(axis=0) + 1, rtol=1e-12)
    np.testing.assert_array_equal(kernels.saturated(frames, level), (wide >= level).sum((1, 2)))
    np.testing.assert_allclose(
        kernels.bin_dense(frames, 3),
        wide[:, :6, :12].reshape(5, 2, 3, 4, 3).sum(axis=(2, 4)),
        rtol=1e-3 if dtype == "f2" else 1e-6,
    )


@pytest.mark.parametrize("dtype", ["u2", "u4", "f4"])
def test_a_mask_leaves_pixels_out_of_the_moments(dtype):
    frames = frames_of(dtype)
    mask = np.random.default_rng(3).random((7, 13)) < 0.6

    result = kernels.moments(frames, mask)

    np.testing.assert_allclose(result, expected_moments(frames * mask), rtol=1e-12)


def test_arrays_that_are_read_only_strided_or_empty_are_taken_as_they_are():
    frames = read_only(frames_of("u2", (6, 7, 13)))

    assert kernels.moments(frames[::2, ::-1, 1:]).tolist() == (
        expected_moments(frames[::2, ::-1, 1:]).tolist()
    )
    assert kernels.moments(frames[:0]).shape == (0, 3)
    assert kernels.sums(frames[:0], np.ones((2, 7, 13), bool)).shape == (0, 2)
    assert kernels.bin_dense(frames[:0], 2).shape == (0, 3, 6)


def test_a_message_is_not_copied_before_a_kernel_reads_it():
    frames = np.frombuffer(bytes(2 * 3 * 4 * 2), np.uint16).reshape(2, 3, 4)

    assert np.shares_memory(_compile.native_frames(frames), frames)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        pytest.param((1, 2, 32767), np.uint16, id="the longest edge summed in 32 bits"),
        pytest.param((1, 2, 32768), np.uint16, id="one pixel more"),
        pytest.param((1, 32767, 2), np.uint16, id="as many rows"),
        pytest.param((1, 3, 70001), np.int16, id="signed and longer"),
        pytest.param((1, 300, 301), np.uint32, id="32-bit counters"),
    ],
)
def test_full_pixels_do_not_overflow(shape, dtype):
    frames = np.full(shape, np.iinfo(dtype).max, dtype)
    mask = np.ones((1, *shape[1:]), bool)

    assert kernels.moments(frames).tolist() == expected_moments(frames).tolist()
    assert kernels.moments(frames, mask[0]).tolist() == expected_moments(frames).tolist()
    assert kernels.sums(frames, mask).tolist() == [[int(frames.astype(np.int64).sum())]]


def test_negative_pixels_of_a_signed_detector_are_exact():
    frames = np.full((2, 5, 300), -32768, np.int16)

    assert kernels.moments(frames).tolist() == expected_moments(frames).tolist()


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(0, 3), st.integers(1, 9), st.integers(1, 9)),
    dtype=st.sampled_from(["u1", "u2", "i4", "f4"]),
)
def test_random_frames_of_any_shape_agree_with_numpy(seed, shape, dtype):
    frames = frames_of(dtype, shape, seed)

    np.testing.assert_allclose(kernels.moments(frames), expected_moments(frames), rtol=1e-9)


def test_the_centre_of_mass_is_scipys_and_empty_frames_have_none():
    frames = frames_of("f8", (4, 9, 20))
    frames[2] = 0

    y, x = phase.center_of_mass(kernels.moments(frames))

    expected = np.array(
        [ndimage.center_of_mass(f) if f.any() else (np.nan, np.nan) for f in frames]
    )
    np.testing.assert_allclose(np.stack([y, x], axis=1), expected, rtol=0, atol=1e-9)


def test_the_centre_of_mass_is_stempys():
    frames = np.random.default_rng(4).integers(0, 900, (6, 33, 48), dtype=np.uint16)

    y, x = phase.center_of_mass(kernels.moments(frames))

    np.testing.assert_allclose([x, y], stempy.image.com_dense(frames), rtol=0, atol=1e-9)


def test_virtual_images_are_stempys_where_no_pixel_lies_on_a_radius():
    frames = np.random.default_rng(5).integers(0, 900, (2, 3, 33, 48), dtype=np.uint16)
    center, radii = (14.25, 30.5), (6, 11)  # r² is never a whole number
    masks = np.stack(
        [
            geometry.disk((33, 48), *center, radii[0]),
            geometry.ring((33, 48), *center, *radii),
        ]
    )

    result = kernels.sums(frames.reshape(-1, 33, 48), masks)

    expected = stempy.image.create_stem_images(
        frames.reshape(-1, 33, 48),
        (0, radii[0]),
        (radii[0], radii[1]),
        scan_dimensions=(3, 2),
        center=center[::-1],
    )
    np.testing.assert_array_equal(result.T.reshape(2, 2, 3), expected)


def test_one_mask_needs_no_axis_of_its_own():
    frames = frames_of("u2")
    mask = geometry.disk((7, 13), 2, 9, 3)

    np.testing.assert_array_equal(kernels.sums(frames, mask), kernels.sums(frames, mask[None]))


def test_a_summed_pattern_grows_in_place_over_many_batches():
    frames = frames_of("u2", (12, 70, 130))
    pattern = np.zeros((70, 130), np.int64)

    results = [kernels.frame_sum(frames[i : i + 5], pattern) for i in (0, 5, 10)]

    assert all(result is pattern for result in results)
    np.testing.assert_array_equal(pattern, frames.sum(axis=0, dtype=np.int64))


@pytest.mark.parametrize(
    ("dtype", "factor", "expected"),
    [
        pytest.param("u1", 2, "u4", id="small unsigned widen to 4 bytes"),
        pytest.param("i2", 2, "i4", id="small signed stay signed"),
        pytest.param("u2", 257, "i8", id="large blocks widen to 8"),
        pytest.param("u4", 2, "i8", id="counters widen to 8"),
        pytest.param("f4", 2, "f4", id="floats stay"),
    ],
)
def test_blocks_widen_so_that_none_overflows(dtype, factor, expected):
    frames = np.full((1, 258, 514), 255 if dtype == "u1" else 32767, dtype)

    result = kernels.bin_dense(frames, factor)

    assert result.dtype == np.dtype(expected)
    assert (result == int(frames[0, 0, 0]) * factor**2).all()


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5])
def test_a_ragged_edge_is_dropped(factor):
    frames = frames_of("u2", (2, 11, 14))
    rows, columns = 11 // factor, 14 // factor

    result = kernels.bin_dense(frames, factor)

    kept = frames[:, : rows * factor, : columns * factor].astype(np.int64)
    blocks = kept.reshape(2, rows, factor, columns, factor)
    np.testing.assert_array_equal(result, blocks.sum(axis=(2, 4)))


def test_crop_and_bin_move_the_centre_as_geometry_says():
    frames = np.zeros((1, 24, 36), np.uint16)
    frames[0, 9, 22] = 3
    point = (9.0, 22.0)

    small = kernels.bin_dense(kernels.crop_dense(frames, (3, 23), (10, 34)), 2)

    y, x = phase.center_of_mass(kernels.moments(small))
    moved = geometry.binned(geometry.cropped(point, 3, 10), 2)
    assert abs(y[0] - moved[0]) <= 0.25
    assert abs(x[0] - moved[1]) <= 0.25
    assert small.shape == (1, 10, 12)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        pytest.param(lambda f: kernels.moments(f[0]), "(n, rows, columns)", id="one frame alone"),
        pytest.param(lambda f: kernels.moments(f, np.ones((13, 7))), "(13, 7)", id="turned mask"),
        pytest.param(lambda f: kernels.moments(f * 1j), "complex", id="complex pixels"),
        pytest.param(lambda f: kernels.sums(f, np.ones((1, 7, 12))), "12", id="short mask"),
        pytest.param(lambda f: kernels.bin_dense(f, 8), "8", id="block larger than the frame"),
        pytest.param(lambda f: kernels.bin_dense(f, 0), "0", id="block of nothing"),
        pytest.param(lambda f: kernels.crop_dense(f, (0, 8), (0, 13)), "[0, 8)", id="crop too far"),
        pytest.param(lambda f: kernels.crop_dense(f, (3, 3), (0, 13)), "[3, 3)", id="empty crop"),
        pytest.param(
            lambda f: kernels.frame_sum(f, np.zeros((7, 13), np.int32)), "int32", id="narrow sum"
        ),
        pytest.param(
            lambda f: kernels.frame_sum(f * 0.5, np.zeros((7, 13), np.int64)),
            "float64",
            id="floats into integers",
        ),
    ],
)
def test_arrays_that_do_not_fit_are_refused_with_what_came(call, said):
    with pytest.raises(ShapeError) as caught:
        call(frames_of("u2"))

    assert said in str(caught.value)


def test_kernels_work_where_no_folder_takes_their_cache(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(blocked / "cache"),
        "NUMBA_CACHE_LOCATOR_CLASSES": "UserProvidedCacheLocator",
    }
    program = "import numpy, interact_stem.kernels as k; print(k.moments(numpy.ones((1, 2, 3))))"

    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "[[6. 3. 6.]]\n", done.stderr
