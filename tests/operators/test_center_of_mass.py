"""Centre of mass: moments in replicas, divided last."""

import numpy as np
import pytest
from interact import Calibration, Scan
from interact.testing import run, sparse
from interact_stem.errors import ReaderError, ShapeError
from interact_stem.planted import Planted
from scipy import ndimage


def numpy_center(images):
    """(n, 2) by scipy; NaN for an empty frame."""
    found = [ndimage.center_of_mass(image) if image.any() else (np.nan, np.nan) for image in images]
    return np.array(found)


def chain(shipped, scan, *, size=5, seed=0, partial=None, reduce=None):
    moments = run(shipped("center-of-mass-partial"), scan, size=size, **(partial or {}))
    return run(shipped("center-of-mass-reduce"), moments, size=size, seed=seed, **(reduce or {}))


@pytest.mark.parametrize("convert", [lambda s: s, sparse], ids=["dense", "sparse"])
def test_the_centre_of_mass_is_that_of_scipy(shipped, uneven, convert):
    image = chain(shipped, convert(uneven))

    expected = numpy_center(uneven.data)
    np.testing.assert_allclose(image.channels["y"].ravel(), expected[:, 0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(image.channels["x"].ravel(), expected[:, 1], rtol=0, atol=1e-9)
    assert image.shape == (4, 6)
    assert image.attributes["empty"] == 2
    assert (image.units["y"], image.completeness) == ("px", 1.0)


def test_moments_are_exact_integers_of_counts(shipped, uneven):
    moments = run(shipped("center-of-mass-partial"), uneven)

    y, x = np.ogrid[:18, :30]
    wide = uneven.data.astype(np.int64)
    expected = {"total": wide, "moment_y": wide * y, "moment_x": wide * x}
    for name, values in expected.items():
        assert moments.columns[name].dtype == np.int64
        np.testing.assert_array_equal(moments.columns[name], values.sum(axis=(1, 2)))


def test_float_frames_reach_the_precision_of_float64(shipped, uneven):
    image = chain(shipped, uneven.dense(uneven.data * 0.37))

    expected = numpy_center(uneven.data * 0.37)
    np.testing.assert_allclose(image.channels["x"].ravel(), expected[:, 1], rtol=0, atol=1e-9)


@pytest.mark.parametrize(("size", "seed"), [(1, 1), (1, 2), (7, 3), (24, 4)])
def test_the_result_is_the_same_to_the_bit_whatever_the_messages(shipped, uneven, size, seed):
    scan = uneven.dense(uneven.data * 0.37)

    image = chain(shipped, scan, size=size, seed=seed)

    whole = chain(shipped, scan, size=24)
    for name in ("y", "x"):
        assert image.channels[name].tobytes() == whole.channels[name].tobytes()


def test_several_frames_of_a_position_are_added_before_the_division(shipped, uneven):
    scan = uneven.replace(scan=Scan("double", (4, 3), frames_per_position=2))

    image = chain(shipped, scan)

    added = uneven.data.reshape(12, 2, 18, 30).sum(axis=1)
    expected = numpy_center(added)[:, 0].reshape(4, 3)
    np.testing.assert_allclose(image.channels["y"], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "scan",
    [
        pytest.param(Scan("s", (4, 6), order="snake"), id="snake"),
        pytest.param(Scan("f", (4, 5), flyback=1), id="flyback"),
        pytest.param(Scan("o", (4, 5), offset=4), id="offset"),
        pytest.param(Scan("all", (3, 5), order="snake", flyback=2, offset=3), id="all of them"),
    ],
)
def test_every_frame_lands_in_its_place(shipped, uneven, scan):
    image = chain(shipped, uneven.replace(scan=scan))

    expected = np.full(scan.shape, np.nan)
    centers = numpy_center(uneven.data)[:, 1]
    for index in range(24):
        row, column = divmod(index - scan.offset, scan.shape[1] + scan.flyback)
        if index >= scan.offset and column < scan.shape[1]:
            reverse = scan.order == "snake" and row % 2
            expected[row, scan.shape[1] - 1 - column if reverse else column] = centers[index]
    np.testing.assert_allclose(image.channels["x"], expected, rtol=0, atol=1e-9)


def test_a_list_of_positions_keeps_its_coordinates(shipped, uneven):
    y, x = np.linspace(3, 1, 24), np.linspace(-5, 7, 24)
    scan = uneven.replace(scan=Scan("list", (24,)), y=y, x=x)

    image = chain(shipped, scan)

    assert image.shape == (24,)
    np.testing.assert_array_equal((image.y, image.x), (y, x))
    np.testing.assert_allclose(image.channels["y"], numpy_center(uneven.data)[:, 0], atol=1e-9)


def test_masked_pixels_do_not_pull_the_centre(shipped, uneven, tmp_path):
    use = np.ones((18, 30), bool)
    use[16, 2] = False
    np.save(tmp_path / "mask.npy", use)
    hot = uneven.data.copy()
    hot[:, 16, 2] = 60_000

    for scan in (uneven.dense(hot), sparse(uneven.dense(hot))):
        image = chain(shipped, scan, partial={"mask": tmp_path / "mask.npy"})

        expected = numpy_center(uneven.data * use)
        np.testing.assert_allclose(image.channels["y"].ravel(), expected[:, 0], atol=1e-9)


def test_a_mask_of_another_detector_is_refused(shipped, uneven, tmp_path):
    np.save(tmp_path / "mask.npy", np.ones((30, 18), bool))

    with pytest.raises(ReaderError, match="mask shape"):
        run(shipped("center-of-mass-partial"), uneven, mask=tmp_path / "mask.npy")


@pytest.mark.parametrize("convert", [lambda s: s, sparse], ids=["dense", "sparse"])
def test_only_pixels_inside_the_disk_count(shipped, uneven, convert):
    disk = {"center_y": 5, "center_x": 21, "radius": 4}

    moments = run(shipped("center-of-mass-partial"), convert(uneven), **disk)

    y, x = np.ogrid[:18, :30]
    inside = (y - 5) ** 2 + (x - 21) ** 2 <= 16
    np.testing.assert_array_equal(moments.columns["total"], (uneven.data * inside).sum(axis=(1, 2)))


def test_a_radius_without_a_centre_is_refused(shipped, uneven):
    with pytest.raises(ShapeError, match="without a centre"):
        run(shipped("center-of-mass-partial"), uneven, radius=4)


def test_saturated_pixels_are_counted_and_warned_about(shipped, uneven, caplog):
    data = uneven.data.copy()
    data[3, 5, 7] = data[3, 6, 7] = data[9, 0, 0] = 65535

    image = chain(shipped, uneven.dense(data))

    assert image.attributes["saturated"] == 3
    assert "3 saturated pixels" in caplog.text


def test_the_saturation_level_is_a_parameter(shipped, uneven):
    moments = run(shipped("center-of-mass-partial"), uneven, saturation=8)

    np.testing.assert_array_equal(moments.saturated, (uneven.data >= 8).sum(axis=(1, 2)))


def test_positions_nobody_saw_are_nan_and_incomplete_but_not_empty(shipped, uneven):
    keep = np.arange(24) != 11

    image = chain(shipped, uneven.select(keep))

    assert np.isnan(image.channels["y"][1, 5])
    assert image.attributes["empty"] == 2
    assert image.missing == {"filtered": 1}


def test_the_planted_field_comes_back_exactly(shipped):
    planted = Planted((6, 10), (40, 64), 100, per_message=60)
    (scan,) = planted.batches(Scan("planted", (6, 10), calibration=Calibration(step=(2.0, 2.0))))

    image = chain(shipped, scan, size=7)

    shift_y, shift_x = planted.shifts(scan.index)
    np.testing.assert_array_equal(image.channels["y"].ravel(), planted.center[0] + shift_y)
    np.testing.assert_array_equal(image.channels["x"].ravel(), planted.center[1] + shift_x)


@pytest.mark.parametrize("descan", ["none", "mean", "plane"])
def test_a_scan_without_counts_is_empty_and_no_error(shipped, uneven, descan):
    image = chain(shipped, uneven.dense(np.zeros_like(uneven.data)), reduce={"descan": descan})

    assert all(np.isnan(channel).all() for channel in image.channels.values())
    assert image.attributes["empty"] == 24


def test_a_scan_without_frames_is_missing_and_not_empty(shipped, uneven):
    image = chain(shipped, uneven.select(np.zeros(24, bool)))

    assert np.isnan(image.channels["y"]).all()
    assert image.attributes["empty"] == 0
    assert (image.completeness, image.missing) == (0.0, {"filtered": 24})


def test_a_scan_of_one_row_has_no_curl(shipped, uneven):
    image = chain(shipped, uneven.replace(scan=Scan("line", (1, 24))))

    assert image.shape == (1, 24)
    assert "curl_angle" not in image.attributes
