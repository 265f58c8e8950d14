"""The sum of all frames of a scan."""

import numpy as np
import pytest
from interact import Axis, Calibration, Scan
from interact.testing import run, sparse
from scipy import ndimage

NAME = "diffraction-pattern-accumulator"


@pytest.mark.parametrize("convert", [lambda s: s, sparse], ids=["dense", "sparse"])
def test_counts_are_summed_exactly(shipped, uneven, convert):
    image = run(shipped(NAME), convert(uneven))

    expected = uneven.data.sum(axis=0, dtype=np.int64)
    assert image.channels["sum"].dtype == np.int64
    np.testing.assert_array_equal(image.channels["sum"], expected)
    np.testing.assert_allclose(image.attributes["center"], ndimage.center_of_mass(expected))
    assert image.attributes["frames"] == 24
    assert (image.completeness, image.final) == (1.0, False)  # the SDK covers the final one


@pytest.mark.parametrize("seed", range(4))
def test_floats_are_the_same_to_the_bit_in_any_order(shipped, uneven, seed):
    scan = uneven.dense(uneven.data * np.float32(0.1))

    image = run(shipped(NAME), scan, seed=seed)

    reference = run(shipped(NAME), scan, seed=99).channels["sum"]
    assert image.channels["sum"].tobytes() == reference.tobytes()
    np.testing.assert_allclose(reference, scan.data.sum(axis=0, dtype=np.float64), rtol=1e-12)


def test_masked_pixels_are_missing_and_do_not_pull_the_centre(shipped, uneven, tmp_path):
    use = np.ones((18, 30), bool)
    use[16, 2] = False
    np.save(tmp_path / "mask.npy", use)
    hot = uneven.data.copy()
    hot[:, 16, 2] = 60_000

    image = run(shipped(NAME), uneven.dense(hot), mask=tmp_path / "mask.npy")

    assert np.argwhere(np.isnan(image.channels["sum"])).tolist() == [[16, 2]]
    expected = ndimage.center_of_mass(uneven.data.sum(axis=0) * use)
    np.testing.assert_allclose(image.attributes["center"], expected)


def test_the_aperture_and_the_axes_are_those_given(shipped, uneven):
    known = Calibration(pixel=(0.5, 0.25), pixel_unit="mrad")
    scan = uneven.replace(scan=Scan("uneven", (4, 6), calibration=known))

    image = run(shipped(NAME), scan, center_y=6, center_x=20.5, radius=7, log=False)

    assert image.attributes == {
        "title": "Summed diffraction pattern",
        "style": "pattern",
        "log": False,
        "frames": 24,
        "center": [6, 20.5],
        "radius": 7,
    }
    assert image.axes == (Axis("y", "mrad", 0.5), Axis("x", "mrad", 0.25))


def test_a_scan_without_frames_has_no_pattern(shipped, uneven):
    assert run(shipped(NAME), uneven.select(np.zeros(24, bool))) is None


def test_a_pattern_without_counts_has_no_centre(shipped, uneven):
    image = run(shipped(NAME), uneven.dense(np.zeros_like(uneven.data)))

    assert "center" not in image.attributes


def test_the_centre_of_the_pattern_so_far_is_told_on_demand(shipped, uneven):
    operator = shipped(NAME)
    [trigger] = operator.triggers
    reducer = operator.function()
    reducer.mask = None
    state, empty = reducer.zero(uneven.scan), reducer.zero(uneven.scan)
    reducer.add(state, uneven)

    told = trigger.function(reducer, {"first": state, "second": empty})

    y, x = ndimage.center_of_mass(uneven.data.sum(axis=0, dtype=np.int64))
    assert told == {
        "first": {"center_y": pytest.approx(y), "center_x": pytest.approx(x), "frames": 24}
    }
