"""Shipped operators on files of instruments, against references made elsewhere.

The files lie beside the project; without them these tests are skipped.
"""

import numpy as np
import pytest
from interact.testing import concatenate, run

FILES = [
    pytest.param("merlin_4x2", "001_4x2_6bit.mib", {"scan_shape": "2,4"}, id="Merlin"),
    pytest.param(
        "ebsd_ni_3x3",
        "patterns.h5",
        {"dataset": "Scan 1/EBSD/Data/patterns", "scan_shape": "3,3"},
        id="EBSD",
    ),
    pytest.param(
        "xray_ptycho_516",
        "siemens-star-small.npz.bz2",
        {
            "dataset": "data",
            "coordinates": "scan",
            "scan_shape": "516",
            "detector_order": "fft",
        },
        id="X-ray, a list of positions",
    ),
]


def centers(image):
    return np.stack([image.channels["y"], image.channels["x"]], axis=-1)


def center_of_mass(shipped, scan, **parameters):
    moments = run(shipped("center-of-mass-partial"), scan, size=64)
    return run(shipped("center-of-mass-reduce"), moments, size=64, **parameters)


@pytest.mark.parametrize(("folder", "name", "facts"), FILES)
def test_a_measured_file_gives_its_reference(shipped, drain, measured_data, folder, name, facts):
    reference = np.load(measured_data / folder / "reference.npz")
    y, x, radius = (float(value) for value in reference["params"])
    beam = {"center_y": y, "center_x": x, "radius": radius, "outer": 2 * radius}

    scan = concatenate(drain(shipped("scan-reader"), path=measured_data / folder / name, **facts))
    image = center_of_mass(shipped, scan)
    fields = run(shipped("virtual-bfdf-partial"), scan, size=64, **beam)
    pattern = run(shipped("diffraction-pattern-accumulator"), scan, size=64)

    expected = reference["com_yx"].reshape(*image.shape, 2)
    np.testing.assert_allclose(centers(image), expected, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(fields.bright, reference["vbf"].ravel())
    np.testing.assert_array_equal(fields.dark, reference["ring"].ravel())
    mean = pattern.channels["sum"] / len(scan)
    np.testing.assert_allclose(mean, reference["mean_pattern"], rtol=1e-5, atol=1e-3)


def test_the_simulated_scan_matches_numpy_on_its_own_events(shipped, drain, measured_data):
    path = measured_data / "simulated" / "counted_stempy_v3.h5"

    parts = drain(shipped("scan-reader"), path=path)

    scan = concatenate(parts)
    moments = run(shipped("center-of-mass-partial"), scan, size=500).columns
    rows = np.bincount(np.repeat(np.arange(4096), scan.events), scan.rows, 4096)
    assert (scan.scan.shape, scan.shape, len(parts)) == ((64, 64), (128, 128), 32)
    np.testing.assert_array_equal(moments["total"], scan.events)
    np.testing.assert_array_equal(moments["moment_y"], rows)


def test_the_simulated_scan_agrees_with_theory_within_its_noise(shipped, drain, measured_data):
    folder = measured_data / "simulated"
    expected = np.load(folder / "expected.npz")["com_yx"]

    parts = drain(shipped("scan-reader"), path=folder / "counted_stempy_v3.h5")
    image = center_of_mass(shipped, concatenate(parts))
    phase = shipped("dpc")(image).channels["phase"]
    bare = {"shift_y": expected[..., 0], "shift_x": expected[..., 1]}
    ideal = shipped("dpc")(image.image(bare)).channels["phase"]
    swapped = {"shift_y": bare["shift_x"], "shift_x": bare["shift_y"]}
    wrong = shipped("dpc")(image.image(swapped)).channels["phase"]

    residual = centers(image) - expected
    assert np.abs(residual.mean(axis=(0, 1))).max() < 0.05
    assert residual.std(axis=(0, 1)).max() < 0.85  # the counting limit is 0.78
    assert np.corrcoef(phase.ravel(), ideal.ravel())[0, 1] > 0.99
    assert abs(np.corrcoef(phase.ravel(), wrong.ravel())[0, 1]) < 0.2
