"""Differential phase contrast, and the turning of the field before it."""

import numpy as np
import pytest
from interact import BatchError, Calibration, Image, Scan
from interact.testing import run
from interact_stem import phase

PHASE_SHAPE = (22, 34)
UNCALIBRATED = Calibration()


def bump():
    """A smooth phase on a raster that is neither square nor centred, and its gradient (y, x)."""
    y, x = np.mgrid[: PHASE_SHAPE[0], : PHASE_SHAPE[1]].astype(float)
    hill = 5 * np.exp(-((y - 8) ** 2 / 30 + (x - 23) ** 2 / 60))
    return hill, (-(y - 8) / 15 * hill, -(x - 23) / 30 * hill)


def field(y, x, calibration=UNCALIBRATED, **more):
    scan = Scan("bump", PHASE_SHAPE, calibration=calibration)
    n = scan.total
    return Image(scan=scan, start=0, stop=n, total=n, channels={"shift_y": y, "shift_x": x}, **more)


def correlation(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


def test_the_phase_of_a_gradient_comes_back(shipped):
    hill, (y, x) = bump()

    image = shipped("dpc")(field(y, x), descan="none")

    np.testing.assert_allclose(image.channels["phase"], hill - hill.mean(), atol=0.06)
    assert image.channels["phase"].dtype == np.float32
    assert image.units == {"phase": "px · position"}
    assert (image.start, image.stop) == (0, 22 * 34)


def test_exchanged_axes_do_not_pass(shipped):
    hill, (y, x) = bump()

    image = shipped("dpc")(field(x, y), descan="none")

    assert abs(correlation(image.channels["phase"], hill)) < 0.5


@pytest.mark.parametrize(
    ("pixel_unit", "pixel", "energy"),
    [("mrad", (0.5, 0.25), 300.0), ("1/Å", (0.02, 0.01), None)],
    ids=["angles", "spatial frequencies"],
)
def test_a_calibrated_phase_is_in_radians(shipped, pixel_unit, pixel, energy):
    hill, (y, x) = bump()
    known = Calibration(
        step=(0.02, 0.02), step_unit="nm", pixel=pixel, pixel_unit=pixel_unit, energy=energy
    )
    per_pixel = [phase.radians_per_angstrom(p, pixel_unit, energy) for p in pixel]

    image = shipped("dpc")(
        field(y / 0.2 / per_pixel[0], x / 0.2 / per_pixel[1], known), descan="none"
    )

    np.testing.assert_allclose(image.channels["phase"], hill - hill.mean(), atol=0.06)
    assert image.units == {"phase": "rad"}


@pytest.mark.parametrize(
    "known",
    [
        pytest.param(Calibration(step=(0.2, 0.2), step_unit="Å"), id="no pixel"),
        pytest.param(Calibration(pixel=(1, 1), pixel_unit="1/Å"), id="no step"),
        pytest.param(
            Calibration(step=(1, 1), step_unit="Å", pixel=(1, 1), pixel_unit="mrad"), id="no energy"
        ),
        pytest.param(
            Calibration(step=(1, 1), step_unit="inch", pixel=(1, 1), pixel_unit="1/Å"), id="inches"
        ),
    ],
)
def test_half_a_calibration_leaves_pixels_and_positions(shipped, known):
    image = shipped("dpc")(field(*bump()[1], known))

    assert image.units == {"phase": "px · position"}


def test_a_list_of_positions_has_no_phase(shipped, caplog):
    scan = Scan("list", (24,))
    values = np.ones(24)
    image = Image(scan=scan, start=0, stop=24, channels={"shift_y": values, "shift_x": values})

    assert shipped("dpc")(image) is None
    assert "neighbours in two directions" in caplog.text


def test_a_picture_without_a_field_is_refused(shipped):
    image = Image(scan=Scan("a", (4, 6)), start=0, stop=24, channels={"sum": np.ones((4, 6))})

    with pytest.raises(BatchError, match="the picture has sum"):
        shipped("dpc")(image)


def test_empty_positions_stay_empty(shipped):
    hill, (y, x) = bump()
    y[3, 30] = x[3, 30] = np.nan

    image = shipped("dpc")(field(y, x), descan="none")

    assert np.argwhere(np.isnan(image.channels["phase"])).tolist() == [[3, 30]]
    assert correlation(np.nan_to_num(image.channels["phase"]), hill) > 0.999


def moments_of(y, x, calibration=UNCALIBRATED, descan=(0.0, 0.0)):
    """Moments of a field as a detector at (y, x) around (40.25, 61.5) would give them."""
    scan = Scan("bump", PHASE_SHAPE, calibration=calibration)
    rows, columns = np.indices(PHASE_SHAPE)
    total = np.full(scan.total, 1000)
    center_y = 40.25 + y + descan[0] * rows + descan[1] * columns
    center_x = 61.5 + x - descan[1] * rows
    image = Image(scan=scan, start=0, stop=scan.total, channels={"any": np.ones(PHASE_SHAPE)})
    return image.values(
        total=total, moment_y=1000 * center_y.ravel(), moment_x=1000 * center_x.ravel()
    )


@pytest.mark.parametrize("flip", [False, True], ids=["upright", "flipped"])
@pytest.mark.parametrize("rotation", [0.0, 30.0, -75.0, 160.0])
def test_the_rotation_of_a_planted_field_is_undone(shipped, rotation, flip):
    _, (y, x) = bump()
    back_y, back_x = phase.turned(y, x, -rotation)  # as a detector turned by it would see
    seen = moments_of(
        -back_y if flip else back_y, back_x, Calibration(rotation=rotation, flip=flip)
    )

    image = run(shipped("center-of-mass-reduce"), seen, size=100)

    np.testing.assert_allclose(image.channels["shift_y"], y - y.mean(), atol=1e-5)
    np.testing.assert_allclose(image.channels["shift_x"], x - x.mean(), atol=1e-5)
    wrong = (image.attributes["curl_angle"] - rotation + 90) % 180 - 90
    assert abs(wrong) < 2  # up to 180°, which curl cannot tell
    assert image.attributes["curl_left"] < 0.1
    assert (image.attributes["rotation"], image.attributes["flip"]) == (rotation, flip)


def test_a_quarter_turn_takes_rows_to_columns(shipped):
    """The sign: 90° takes a shift (y, x) on the detector to (x, −y) in the scan."""
    seen = moments_of(*bump()[1])

    plain = run(shipped("center-of-mass-reduce"), seen, size=100).channels
    turned = run(shipped("center-of-mass-reduce"), seen, size=100, rotation=90.0).channels

    np.testing.assert_allclose(turned["shift_y"], plain["shift_x"], atol=1e-6)
    np.testing.assert_allclose(turned["shift_x"], -plain["shift_y"], atol=1e-6)


@pytest.mark.parametrize("given", [{"rotation": 12.0, "flip": True, "descan": "plane"}, {}])
def test_the_raw_centre_of_mass_is_never_touched(shipped, given):
    _, (y, x) = bump()

    image = run(shipped("center-of-mass-reduce"), moments_of(y, x), size=100, **given)

    np.testing.assert_allclose(image.channels["y"], 40.25 + y, rtol=0, atol=1e-9)
    np.testing.assert_allclose(image.channels["x"], 61.5 + x, rtol=0, atol=1e-9)


def test_a_plane_of_descan_is_removed_for_display(shipped):
    _, (y, x) = bump()
    reduce = shipped("center-of-mass-reduce")

    tilted = run(reduce, moments_of(y, x, descan=(0.3, -0.2)), size=100, descan="plane").channels
    level = run(reduce, moments_of(y, x), size=100, descan="plane").channels

    np.testing.assert_allclose(tilted["shift_y"], level["shift_y"], atol=1e-5)
    np.testing.assert_allclose(tilted["shift_x"], level["shift_x"], atol=1e-5)
    assert np.ptp(tilted["y"]) > 2 * np.ptp(level["y"])


def test_a_constant_deflection_makes_no_ramp(shipped):
    _, (y, x) = bump()

    image = shipped("dpc")(field(y + 3, x - 2))

    np.testing.assert_allclose(
        image.channels["phase"], shipped("dpc")(field(y, x)).channels["phase"], atol=1e-4
    )


def test_the_rest_of_the_beam_is_a_parameter(shipped):
    _, (y, x) = bump()
    rest = {"center_y": 40.25, "center_x": 61.5}

    image = run(shipped("center-of-mass-reduce"), moments_of(y, x), size=100, **rest)

    np.testing.assert_allclose(image.channels["shift_y"], y, atol=1e-6)
    assert image.attributes["center"] == [40.25, 61.5]


def test_a_list_of_positions_has_no_plane_and_no_curl(shipped, uneven, caplog):
    moments = run(shipped("center-of-mass-partial"), uneven.replace(scan=Scan("list", (24,))))

    image = run(shipped("center-of-mass-reduce"), moments, descan="plane")

    assert image.attributes["descan"] == "mean"
    assert "curl_angle" not in image.attributes
    assert "no plane" in caplog.text
