"""Measured and simulated scans: our readers and kernels against references made without them."""

import numpy as np
import pytest
from interact_stem import geometry, kernels, phase
from interact_stem.readers import open_scan
from scipy import ndimage

SCANS = {
    "merlin_4x2": ("001_4x2_6bit.mib", {"scan_shape": (2, 4)}),
    "ebsd_ni_3x3": ("patterns.h5", {"dataset": "Scan 1/EBSD/Data/patterns", "scan_shape": (3, 3)}),
    "xray_ptycho_516": (
        "siemens-star-small.npz.bz2",
        {"scan_shape": (516,), "detector_order": "fft", "coordinates": "scan"},
    ),
}


@pytest.fixture(scope="module", params=SCANS)
def measured(request, measured_data):
    """Frames as our reader gives them, and the reference of the same scan."""
    name, options = SCANS[request.param]
    folder = measured_data / request.param
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    with open_scan(folder / name, **options) as scan:
        parts = [scan.read(at, min(at + 100, scan.present)) for at in range(0, scan.present, 100)]
    with np.load(folder / "reference.npz") as reference:
        return np.concatenate(parts), dict(reference)


def test_the_centre_of_mass_is_the_references(measured):
    frames, reference = measured
    expected = reference["com_yx"].reshape(-1, 2).T

    exact = phase.center_of_mass(kernels.moments(frames.astype(np.float64)))
    as_read = phase.center_of_mass(kernels.moments(frames))

    np.testing.assert_allclose(exact, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(as_read, expected, rtol=0, atol=1e-4)


def test_disk_and_ring_sums_are_the_references_exactly(measured):
    frames, reference = measured
    center_y, center_x, radius = (int(value) for value in reference["params"])
    shape = frames.shape[1:]
    masks = np.stack(
        [
            geometry.disk(shape, center_y, center_x, radius),
            geometry.ring(shape, center_y, center_x, radius, 2 * radius),
        ]
    )

    result = kernels.sums(frames, masks)

    np.testing.assert_array_equal(result[:, 0], reference["vbf"].ravel())
    np.testing.assert_array_equal(result[:, 1], reference["ring"].ravel())


def test_the_mean_pattern_and_totals_are_the_references(measured):
    frames, reference = measured
    dtype = np.float64 if frames.dtype.kind == "f" else np.int64

    pattern = kernels.frame_sum(frames, np.zeros(frames.shape[1:], dtype))

    np.testing.assert_allclose(pattern / len(frames), reference["mean_pattern"], rtol=1e-6)
    np.testing.assert_array_equal(kernels.moments(frames)[:, 0], reference["frame_sum"].ravel())


def test_merlin_frames_are_those_saved_beside_them(measured_data):
    folder = measured_data / "merlin_4x2"

    with open_scan(folder / "001_4x2_6bit.mib", scan_shape=(2, 4)) as scan:
        frames, level = scan.read(0, scan.present), scan.metadata["saturation"]

    saved = np.load(folder / "frames.npy").reshape(-1, 256, 256)
    np.testing.assert_array_equal(frames, saved)
    assert level == 63
    assert kernels.saturated(frames, level).sum() == (saved == 63).sum() > 10_000


def test_the_part_of_a_merlin_chip_agrees_with_scipy(measured_data):
    path = measured_data / "merlin_4x2" / "002_4x2_6bit_roi128.mib"
    payload = np.fromfile(path, np.uint8).reshape(8, -1)[:, 384:].reshape(8, 128, 256)[:, ::-1]

    with open_scan(path, scan_shape=(2, 4)) as scan:
        y, x = phase.center_of_mass(kernels.moments(scan.read(0, 8)))

    expected = np.array([ndimage.center_of_mass(frame.astype(float)) for frame in payload])
    np.testing.assert_allclose(np.stack([y, x], axis=1), expected, rtol=0, atol=1e-9)


def test_x_ray_frames_come_with_their_positions(measured_data):
    path = measured_data / "xray_ptycho_516" / "siemens-star-small.npz.bz2"

    with open_scan(path, scan_shape=(516,), coordinates="scan") as scan:
        y, x = scan.coordinates

    assert y.shape == x.shape == (516,)
    assert (y[0], x[0]) == pytest.approx((167.57964, -159.73396))


def test_a_tilt_series_without_the_formats_mark_is_read(measured_data):
    path = measured_data / "haadf_tilt_77" / "HAADF.mrc"

    with open_scan(path, scan_shape=(77,)) as scan:
        frames = scan.read(70, 77)

    stored = np.fromfile(path, "<i2", offset=1024 + 131072).reshape(77, 256, 256)
    np.testing.assert_array_equal(frames, stored[70:])


@pytest.fixture(scope="module")
def simulated(measured_data):
    """Moments of the simulated counted scan, its raw pixel numbers, and the noise-free answer."""
    h5py = pytest.importorskip("h5py")
    path = measured_data / "simulated" / "counted_stempy_v3.h5"
    with open_scan(path) as scan:
        assert (scan.kind, scan.scan_shape, scan.detector_shape) == ("sparse", (64, 64), (128, 128))
        parts = [scan.read(at, at + 512) for at in range(0, scan.present, 512)]
    moments = np.concatenate([kernels.sparse_moments(*part[:4]) for part in parts])
    with h5py.File(path) as file:
        flat = file["electron_events/frames"][:]
    with np.load(path.parent / "expected.npz") as expected:
        return moments, parts, flat, dict(expected)


def test_counted_moments_equal_numpys_on_the_same_events(simulated):
    moments, _, flat, _ = simulated

    expected = [[len(f), (f // 128).sum(), (f % 128).sum()] for f in flat]

    np.testing.assert_array_equal(moments, expected)


def test_the_counted_centre_of_mass_meets_the_noise_free_one_within_counting_noise(simulated):
    moments, _, _, expected = simulated

    y, x = phase.center_of_mass(moments)
    residual = np.stack([y, x], axis=1) - expected["com_yx"].reshape(-1, 2)

    assert np.abs(residual.mean(axis=0)).max() < 0.05
    assert residual.std(axis=0).max() < 0.85


def test_counted_sums_equal_those_of_dense_frames(simulated):
    _, parts, flat, _ = simulated
    frames = np.zeros((64, 128 * 128), np.uint16)
    for frame, pixels in zip(frames, flat, strict=False):
        frame[pixels] = 1
    masks = np.stack(
        [geometry.disk((128, 128), 67, 62, 22), geometry.ring((128, 128), 67, 62, 40, 90)]
    )

    sparse = kernels.sparse_sums(*parts[0][:4], masks)[:64]

    np.testing.assert_array_equal(sparse, kernels.sums(frames.reshape(-1, 128, 128), masks))


def test_the_phase_of_counted_electrons_is_that_of_the_noise_free_field(simulated):
    moments, _, _, expected = simulated
    y, x = phase.center_of_mass(moments.reshape(64, 64, 3))
    true_y, true_x = np.moveaxis(expected["com_yx"], -1, 0)

    counted = phase.integrated(*phase.without_descan(y, x, "mean"))
    true = phase.integrated(*phase.without_descan(true_y, true_x, "mean"))
    swapped = phase.integrated(*phase.without_descan(x, y, "mean"))

    assert np.corrcoef(counted.ravel(), true.ravel())[0, 1] >= 0.99
    assert abs(np.corrcoef(swapped.ravel(), true.ravel())[0, 1]) < 0.1


def test_the_noise_free_field_has_next_to_no_curl_without_rotation_or_flip(simulated):
    y, x = np.moveaxis(simulated[3]["com_yx"], -1, 0)

    rotation, left = phase.least_curl(y, x)

    ratio = np.std(phase.curl(y, x)) / np.std(phase.divergence(y, x))
    assert ratio < 0.1
    assert abs((rotation + 90) % 180 - 90) < 1
    assert left < 0.1 < phase.least_curl(y, x, flip=True)[1]
