"""Fields and phase from the centre of mass, against answers known beforehand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact_stem import phase
from interact_stem.errors import ShapeError

SHAPE = (40, 56)


def planted(step=(1.0, 1.0)):
    """A phase of two bumps, far from periodic, and its exact gradient (y, x)."""
    y, x = np.indices(SHAPE, float)
    y, x = y * step[0], x * step[1]
    total, down, across = np.zeros(SHAPE), np.zeros(SHAPE), np.zeros(SHAPE)
    for row, column, width, height in ((12, 17, 6, 3.0), (30, 45, 9, -2.0)):
        row, column = row * step[0], column * step[1]
        bump = height * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2))
        total += bump
        down -= bump * (y - row) / width**2
        across -= bump * (x - column) / width**2
    return total, down, across


def similar(a, b):
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def test_moments_divide_to_the_centre_and_empty_positions_have_none():
    moments = np.array([[[4, 10, 22], [0, 0, 0]]])

    y, x = phase.center_of_mass(moments)

    np.testing.assert_array_equal(y, [[2.5, np.nan]])
    np.testing.assert_array_equal(x, [[5.5, np.nan]])
    with pytest.raises(ShapeError):
        phase.center_of_mass(np.zeros((4, 2)))


@pytest.mark.parametrize(
    ("rotation", "flip", "expected"),
    [
        pytest.param(0, False, (1.08, 3.46), id="nothing"),
        pytest.param(90, False, (3.46, -1.08), id="a quarter, as LiberTEM turns"),
        pytest.param(180, False, (-1.08, -3.46), id="half: the sign of the phase"),
        pytest.param(0, True, (-1.08, 3.46), id="flip negates y"),
        pytest.param(90, True, (3.46, 1.08), id="flip comes before rotation"),
    ],
)
def test_vectors_turn_in_the_stated_sense(rotation, flip, expected):
    turned = phase.turned(1.08, 3.46, rotation, flip=flip)

    np.testing.assert_allclose(turned, expected, atol=1e-12)


def test_a_gradient_has_no_curl_and_its_laplacian_as_divergence():
    total, y, x = planted()

    inner = np.s_[1:-1, 1:-1]
    laplacian = np.gradient(np.gradient(total, axis=0), axis=0) + np.gradient(
        np.gradient(total, axis=1), axis=1
    )
    assert np.abs(phase.curl(y, x)[inner]).max() < 1e-3
    assert similar(phase.divergence(y, x)[inner], laplacian[inner]) > 0.999


def test_curl_and_divergence_have_the_stated_signs():
    rows, columns = np.indices((5, 7), float)

    np.testing.assert_allclose(phase.curl(columns, -rows), 2)
    np.testing.assert_allclose(phase.divergence(rows, columns), 2)


@given(rotation=st.floats(-180, 180), flip=st.booleans())
def test_the_rotation_of_least_curl_is_found_up_to_half_a_turn(rotation, flip):
    _, y, x = planted()
    # The detector's view: the inverse of turning by `rotation` after the flip.
    seen_y, seen_x = phase.turned(y, x, -rotation)
    seen_y = -seen_y if flip else seen_y

    found, left = phase.least_curl(seen_y, seen_x, flip=flip)
    _, wrong = phase.least_curl(seen_y, seen_x, flip=not flip)

    assert abs((found - rotation + 90) % 180 - 90) < 0.1
    assert left < 0.02 < wrong


def test_a_field_of_nothing_has_no_rotation():
    rotation, left = phase.least_curl(np.zeros((3, 4)), np.zeros((3, 4)))

    assert rotation == 0
    assert np.isnan(left)


@pytest.mark.parametrize("step", [(1.0, 1.0), (0.5, 0.8)], ids=["positions", "two step lengths"])
def test_the_planted_phase_comes_back_with_its_sign_and_scale(step):
    total, y, x = planted(step)

    result = phase.integrated(y, x, step=step)

    assert result.dtype == np.float32
    assert np.abs(result - (total - total.mean())).max() < 0.03
    assert abs(result.mean()) < 1e-5


def test_a_tilted_plane_is_exact_up_to_the_edges():
    y, x = np.full(SHAPE, 0.3), np.full(SHAPE, -0.2)
    rows, columns = np.indices(SHAPE)

    result = phase.integrated(y, x)

    expected = 0.3 * rows - 0.2 * columns
    np.testing.assert_allclose(result, expected - expected.mean(), atol=1e-4)


def test_swapped_axes_and_half_a_turn_do_not_pass_for_the_phase():
    total, y, x = planted()

    assert similar(phase.integrated(x, y), total) < 0.5
    assert similar(phase.integrated(*phase.turned(y, x, 180)), total) < -0.99


def test_positions_without_electrons_stay_without_phase():
    total, y, x = planted()
    y[5, 6] = x[5, 6] = y[20, 3] = np.nan

    result = phase.integrated(y, x)

    hole = np.isnan(result)
    assert np.argwhere(hole).tolist() == [[5, 6], [20, 3]]
    assert similar(result[~hole], total[~hole]) > 0.999
    assert np.isnan(phase.integrated(y * np.nan, x)).all()


def test_a_high_pass_halves_the_frequency_it_names():
    rows = np.arange(64)
    wave = np.cos(np.pi * 4 * (rows + 0.5) / 64)  # 2 cycles over the rows: 1/32 a position
    slope = np.repeat(-np.pi / 16 * np.sin(np.pi * 4 * (rows + 0.5) / 64)[:, None], 9, axis=1)

    whole = phase.integrated(slope, 0 * slope)
    half = phase.integrated(slope, 0 * slope, high_pass=1 / 32)

    np.testing.assert_allclose(whole[:, 4], wave, atol=0.02)
    np.testing.assert_allclose(half[:, 4], wave / 2, atol=0.02)


def test_descan_is_removed_and_the_sample_stays():
    _, y, x = planted()
    rows, columns = np.indices(SHAPE)
    drift = 0.02 * rows - 0.01 * columns + 3
    y[3, 4] = np.nan

    level_y, level_x = phase.without_descan(y + drift, x - drift, "plane")
    mean_y, _ = phase.without_descan(y + 3, x, "mean")

    expected_y, expected_x = phase.without_descan(y, x, "plane")
    np.testing.assert_allclose(level_y, expected_y, atol=1e-9)
    np.testing.assert_allclose(level_x, expected_x, atol=1e-9)
    assert abs(np.nanmean(mean_y)) < 1e-12
    assert np.isnan(level_y[3, 4])
    np.testing.assert_array_equal(phase.without_descan(y, x, "none")[0], y)


def test_descan_of_a_list_of_positions_is_its_mean_only():
    values = np.array([1.0, 2.0, np.nan, 3.0])

    assert phase.without_descan(values, values, "mean")[0].tolist()[:2] == [-1.0, 0.0]
    with pytest.raises(ShapeError, match="raster"):
        phase.without_descan(values, values, "plane")
    with pytest.raises(ShapeError, match="median"):
        phase.without_descan(values, values, "median")


@pytest.mark.parametrize(
    ("pixel", "unit", "energy", "expected"),
    [
        pytest.param(1.0, "mrad", 300, 2 * np.pi * 1e-3 / 0.0196875, id="an angle"),
        pytest.param(0.5, "1/Å", None, np.pi, id="a frequency"),
        pytest.param(5, "1/nm", None, np.pi, id="a frequency per nanometre"),
    ],
)
def test_a_pixel_becomes_a_slope_of_phase(pixel, unit, energy, expected):
    assert phase.radians_per_angstrom(pixel, unit, energy) == pytest.approx(expected, rel=1e-4)


def test_the_wavelength_is_relativistic():
    assert phase.wavelength(300) == pytest.approx(0.0196875, rel=1e-4)
    assert phase.wavelength(80) == pytest.approx(0.0417572, rel=1e-4)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda: phase.integrated(np.zeros(5), np.zeros(5)), id="a list of positions"),
        pytest.param(lambda: phase.curl(np.zeros((1, 5)), np.zeros((1, 5))), id="a single row"),
        pytest.param(lambda: phase.curl(np.zeros((3, 5)), np.zeros((5, 3))), id="unequal parts"),
        pytest.param(
            lambda: phase.integrated(np.zeros((3, 3)), np.zeros((3, 3)), step=(0, 1)), id="no step"
        ),
        pytest.param(lambda: phase.radians_per_angstrom(1, "mrad"), id="no energy"),
        pytest.param(lambda: phase.radians_per_angstrom(1, "px", 300), id="no unit"),
    ],
)
def test_what_has_no_phase_is_refused(call):
    with pytest.raises(ShapeError):
        call()
