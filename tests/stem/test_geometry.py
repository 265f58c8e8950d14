"""Where pixels and positions lie."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact import Scan
from interact._scan import positions as sdk_positions
from interact_stem import geometry
from interact_stem.errors import ReaderError, ShapeError

SHAPE = (24, 36)


def distance(shape, center_y, center_x):
    y, x = np.indices(shape)
    return np.hypot(y - center_y, x - center_x)


@given(
    center=st.tuples(st.floats(-5, 30), st.floats(-5, 40)),
    radius=st.floats(0, 50),
)
def test_a_disk_holds_the_pixels_within_its_radius(center, radius):
    disk = geometry.disk(SHAPE, *center, radius)

    r = distance(SHAPE, *center)
    unsure = np.abs(r - radius) < 1e-9
    np.testing.assert_array_equal(disk[~unsure], (r <= radius)[~unsure])


def test_pixels_on_the_radius_belong_to_the_disk_and_not_to_the_ring_around_it():
    disk = geometry.disk(SHAPE, 10, 20, 5)
    ring = geometry.ring(SHAPE, 10, 20, 5, 10)

    assert disk[13, 24]  # 3² + 4² = 5²
    assert not ring[13, 24]
    assert ring[16, 28]  # 6² + 8² = 10²
    np.testing.assert_array_equal(disk | ring, geometry.disk(SHAPE, 10, 20, 10))
    assert not (disk & ring).any()


def test_a_ring_from_nothing_lacks_the_pixel_at_its_centre():
    ring = geometry.ring(SHAPE, 10, 20, 0, 3)

    assert not ring[10, 20]
    assert ring.sum() == geometry.disk(SHAPE, 10, 20, 3).sum() - 1


def test_a_ring_without_an_outer_edge_reaches_the_corners():
    ring = geometry.ring(SHAPE, 10, 20, 5, np.inf)

    np.testing.assert_array_equal(ring, ~geometry.disk(SHAPE, 10, 20, 5))


def test_a_centre_that_is_no_point_is_refused():
    with pytest.raises(ShapeError, match="nan"):
        geometry.disk(SHAPE, np.nan, 3, 4)


@pytest.mark.parametrize("dtype", [bool, np.uint8])
def test_true_marks_a_pixel_to_use(tmp_path, dtype):
    used = np.ones(SHAPE, bool)
    used[3, 30] = False
    np.save(tmp_path / "mask.npy", np.where(used, 255, 0).astype(dtype))

    np.testing.assert_array_equal(geometry.read_mask(tmp_path / "mask.npy", SHAPE), used)


@pytest.mark.parametrize(
    ("array", "field"),
    [
        pytest.param(np.ones((36, 24), bool), "mask shape", id="turned"),
        pytest.param(np.ones(SHAPE), "mask dtype", id="floats"),
        pytest.param(np.zeros(SHAPE, bool), "mask", id="no pixel to use"),
        pytest.param(np.array([None]), "mask", id="objects"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(tmp_path, array, field):
    np.save(tmp_path / "mask.npy", array, allow_pickle=True)

    with pytest.raises(ReaderError) as caught:
        geometry.read_mask(tmp_path / "mask.npy", SHAPE)

    assert caught.value.field == field


def test_a_mask_file_that_is_not_there_or_no_array_is_refused(tmp_path):
    (tmp_path / "text.npy").write_text("hot pixels: 3")

    for name in ("none.npy", "text.npy"):
        with pytest.raises(ReaderError):
            geometry.read_mask(tmp_path / name, SHAPE)


@given(
    point=st.tuples(st.floats(-100, 100), st.floats(-100, 100)),
    factor=st.integers(1, 16),
)
def test_binning_a_point_has_an_inverse(point, factor):
    back = geometry.unbinned(geometry.binned(point, factor), factor)

    np.testing.assert_allclose(back, point, atol=1e-9)


def test_the_middle_of_a_block_becomes_its_pixel():
    assert geometry.binned((3.5, 7.5), 4) == (0.5, 1.5)
    assert geometry.binned(geometry.cropped((13.5, 27.5), 10, 20), 4) == (0.5, 1.5)


def test_snake_turns_every_second_row_and_flyback_is_dropped():
    index = np.arange(14)

    result = geometry.positions(index, (3, 3), order="snake", flyback=1, offset=2)

    assert result.tolist() == [-1, -1, 0, 1, 2, -1, 5, 4, 3, -1, 6, 7, 8, -1]


def test_several_frames_share_a_position():
    result = geometry.positions([0, 1, 2, 3, 4], (1, 2), frames_per_position=2)

    assert result.tolist() == [0, 0, 1, 1, -1]


def test_a_list_of_positions_has_no_rows():
    assert geometry.positions([0, 4, 5], (5,), order="snake", flyback=3).tolist() == [0, 4, -1]


def test_frames_lost_at_the_start_shift_the_scan():
    assert geometry.positions([0, 1, 2], (2, 2), offset=-2).tolist() == [2, 3, -1]


@given(
    shape=st.one_of(st.tuples(st.integers(1, 6), st.integers(1, 6)), st.tuples(st.integers(1, 9))),
    order=st.sampled_from(["raster", "snake"]),
    flyback=st.integers(0, 3),
    repeats=st.integers(1, 3),
    offset=st.integers(0, 4),
)
def test_every_position_is_met_as_often_as_it_has_frames(shape, order, flyback, repeats, offset):
    flyback = 0 if len(shape) == 1 else flyback
    total = geometry.total_frames(
        shape, flyback=flyback, frames_per_position=repeats, offset=offset
    )
    options = {"order": order, "flyback": flyback, "frames_per_position": repeats, "offset": offset}

    result = geometry.positions(np.arange(total + 5), shape, **options)

    met = np.bincount(result[result >= 0], minlength=np.prod(shape))
    assert (met == repeats).all()
    assert (result[total:] == -1).all()
    scan = Scan("s", shape, **options)
    assert scan.total == total
    np.testing.assert_array_equal(result, sdk_positions(scan, np.arange(total + 5)))


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"shape": (2, 3, 4)}, id="three axes"),
        pytest.param({"shape": (0, 3)}, id="no rows"),
        pytest.param({"shape": (2, 3), "order": "spiral"}, id="an order we do not know"),
        pytest.param({"shape": (2, 3), "flyback": -1}, id="negative flyback"),
        pytest.param({"shape": (2, 3), "frames_per_position": 0}, id="no frames"),
    ],
)
def test_a_scan_that_cannot_be_is_refused(options):
    with pytest.raises(ShapeError):
        geometry.positions([0], **options)


@pytest.mark.parametrize("shape", [(4, 6), (5, 7)], ids=["even", "odd"])
def test_fft_order_brings_the_beam_from_the_corner_to_the_middle(shape):
    frames = np.zeros((1, *shape))
    frames[0, 0, 0] = 1

    moved = geometry.in_centred_order(frames, "fft")

    assert moved[0, shape[0] // 2, shape[1] // 2] == 1
    assert geometry.in_centred_order(frames, "centred") is frames
    with pytest.raises(ShapeError):
        geometry.in_centred_order(frames, "corner")
