"""From the centre of mass to fields and phase: differential phase contrast on a raster.

Conventions (all vectors are (y, x), rows down and columns to the right):

========================  ==================================================================
rotation θ, degrees       turns the detector's vectors into the scan's, clockwise as displayed:
                          y' = y cos θ + x sin θ, x' = x cos θ − y sin θ; 90° takes (y, x) to
                          (x, −y). The same sense as LiberTEM's ``scan_rotation``.
flip                      negates the detector's y, before the rotation
curl                      ∂y/∂x − ∂x/∂y, 0 for the gradient of a phase
divergence                ∂y/∂y + ∂x/∂x, of a field whose components are called y and x
phase                     rises where the centre of mass moves towards; (y, x) = ∇φ
========================  ==================================================================

A position without electrons is NaN everywhere.
"""

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from interact_stem.errors import ShapeError

Array = npt.NDArray[np.float64]
Field = tuple[Array, Array]
Descan = Literal["none", "mean", "plane"]

_PLANCK_LIGHT = 12.398419843320026
"""h · c in keV · Å (CODATA 2018: exact)."""
_REST_ENERGY = 510.99895
"""Electron rest energy in keV (CODATA 2018)."""


def center_of_mass(moments: npt.ArrayLike) -> Field:
    """Divide the moments: the last step, so that sums over frames stay exact.

    Args:
        moments: [Σ, Σy, Σx] along the last axis, shape (…, 3).

    Returns:
        (y, x) in pixels from pixel (0, 0), shape (…) each; NaN where Σ is not above 0.
    """
    array = np.asarray(moments)
    if array.ndim < 1 or array.shape[-1] != 3:
        raise ShapeError(f"moments have shape (…, 3), not {array.shape}")
    total = array[..., 0].astype(np.float64)
    total[total <= 0] = np.nan
    return array[..., 1] / total, array[..., 2] / total


def turned(
    y: npt.ArrayLike, x: npt.ArrayLike, rotation: float = 0.0, *, flip: bool = False
) -> Field:
    """Bring vectors of the detector to the axes of the scan.

    Args:
        y: Row component.
        x: Column component, of the same shape.
        rotation: Degrees, see the module's table.
        flip: Whether y is negated first.

    >>> [float(component.round(6)) for component in turned(1.0, 3.0, 90)]
    [3.0, -1.0]
    """
    down, across = np.asarray(y, np.float64), np.asarray(x, np.float64)
    down = -down if flip else down
    cos, sin = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    return down * cos + across * sin, across * cos - down * sin


def without_descan(y: npt.ArrayLike, x: npt.ArrayLike, descan: Descan = "mean") -> Field:
    """Remove what the scan itself does to the beam; for display, as a sample may tilt it too.

    Args:
        y: Row component, shape (rows, columns) of the scan; (n,) too unless a plane is removed.
        x: Column component.
        descan: ``none``, the ``mean``, or the best ``plane`` over the positions with electrons.

    Returns:
        The same shapes, NaN where the input is.

    Raises:
        ShapeError: If a plane is asked for and the field is no raster.
    """
    if descan not in {"none", "mean", "plane"}:
        raise ShapeError(f"descan is {descan!r}, expected 'none', 'mean' or 'plane'")
    components = (np.asarray(y, np.float64), np.asarray(x, np.float64))
    return _without(components[0], descan), _without(components[1], descan)


def curl(y: npt.ArrayLike, x: npt.ArrayLike) -> Array:
    """∂y/∂x − ∂x/∂y per position: central differences, one-sided on the edges."""
    down, across = _raster(y, x)
    result: Array = np.gradient(down, axis=1) - np.gradient(across, axis=0)
    return result


def divergence(y: npt.ArrayLike, x: npt.ArrayLike) -> Array:
    """∂y/∂y + ∂x/∂x per position: central differences, one-sided on the edges."""
    down, across = _raster(y, x)
    result: Array = np.gradient(down, axis=0) + np.gradient(across, axis=1)
    return result


def least_curl(y: npt.ArrayLike, x: npt.ArrayLike, *, flip: bool = False) -> tuple[float, float]:
    """The rotation that leaves the least curl.

    Curl cannot tell a rotation from the same plus 180°: that inverts the phase. Which of the two
    holds must come from elsewhere, for example atoms that should be bright.

    Args:
        y: Row component of the field as the detector gives it, shape (rows, columns).
        x: Column component.
        flip: Whether y is negated first; try both, the smaller curl is right.

    Returns:
        The rotation in degrees, in [0, 180), to pass to `turned`; and what curl is left over,
        rms curl / rms divergence (NaN where the field has neither).
    """
    down, across = turned(y, x, flip=flip)
    # Turned by θ the curl is curl · cos θ + divergence · sin θ, wherever it is finite.
    turning, spreading = curl(down, across), divergence(down, across)
    seen = np.isfinite(turning) & np.isfinite(spreading)
    c, d = turning[seen], spreading[seen]
    doubled = math.atan2(-2 * float(c @ d), float(d @ d - c @ c))
    rotation = math.degrees(doubled / 2) % 180.0
    cos, sin = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    left, kept = float(np.sum((c * cos + d * sin) ** 2)), float(np.sum((d * cos - c * sin) ** 2))
    return rotation, math.sqrt(left / kept) if kept else math.nan


def integrated(
    y: npt.ArrayLike,
    x: npt.ArrayLike,
    *,
    step: tuple[float, float] = (1.0, 1.0),
    high_pass: float = 0.0,
) -> npt.NDArray[np.float32]:
    """The phase whose gradient is nearest to a field, in the least-squares sense.

    Between neighbours the phase rises by the mean of their slopes times the step; the scan is
    mirrored at its edges, so that nothing wraps around (Southwell 1980, solved by cosine
    transforms). Positions without electrons are taken as the field's mean and are NaN again in
    the result.

    Args:
        y: ∂φ/∂y, shape (rows, columns) of the scan, at least 2 × 2.
        x: ∂φ/∂x.
        step: Distance of neighbouring positions (y, x).
        high_pass: Spatial frequency, cycles per unit of ``step``, at which a phase is halved:
            damps slow variations, which noise makes large. 0 for none.

    Returns:
        Phase of mean 0, float32, in the field's unit times the step's: radians where the field
        is in rad/Å (see `radians_per_angstrom`) and the step in Å; else px · positions.

    Raises:
        ShapeError: If the field is no raster (a list of positions has no neighbours), or a
            parameter is out of its range.
    """
    down, across = _raster(y, x)
    if not (min(step) > 0 and high_pass >= 0):
        raise ShapeError(f"step {step} must be above 0 and high_pass {high_pass} not below")
    hole = ~(np.isfinite(down) & np.isfinite(across))
    if hole.all():
        return np.full(down.shape, np.nan, np.float32)
    down, across = (np.where(hole, np.mean(part[~hole]), part) for part in (down, across))
    phase = _solved(_sources(down, across, step), step, high_pass)
    phase -= np.mean(phase[~hole])
    phase[hole] = np.nan
    return phase.astype(np.float32)


def radians_per_angstrom(pixel: float, unit: str, energy: float | None = None) -> float:
    """Slope of the phase for a shift of the beam by one detector pixel.

    Args:
        pixel: Size of a detector pixel in ``unit``.
        unit: ``mrad``, ``rad``, ``1/Å`` (or ``1/A``) or ``1/nm``.
        energy: keV; needed for angles.

    Raises:
        ShapeError: If the unit is another, or the energy is missing.

    >>> round(radians_per_angstrom(1.0, "mrad", 300), 4)
    0.3191
    """
    per_angstrom = {"1/Å": 1.0, "1/A": 1.0, "1/nm": 0.1}
    if unit in per_angstrom:
        return 2 * math.pi * pixel * per_angstrom[unit]
    angles = {"mrad": 1e-3, "rad": 1.0}
    if unit not in angles:
        raise ShapeError(f"detector pixel unit is {unit!r}, expected mrad, rad, 1/Å or 1/nm")
    if energy is None or energy <= 0:
        raise ShapeError(f"energy is {energy} keV; angles need it to become a phase")
    return 2 * math.pi * pixel * angles[unit] / wavelength(energy)


def wavelength(energy: float) -> float:
    """Wavelength of an electron in Å, relativistic, for an energy in keV."""
    return _PLANCK_LIGHT / math.sqrt(energy * (energy + 2 * _REST_ENERGY))


def _raster(y: npt.ArrayLike, x: npt.ArrayLike) -> Field:
    down, across = np.asarray(y, np.float64), np.asarray(x, np.float64)
    if down.ndim != 2 or down.shape != across.shape or min(down.shape) < 2:
        raise ShapeError(
            f"a field on a raster has two equal shapes (rows, columns) of at least 2 × 2, not "
            f"{down.shape} and {across.shape}; a list of positions has no neighbours"
        )
    return down, across


def _without(values: Array, descan: Descan) -> Array:
    seen = np.isfinite(values)
    if descan == "none" or not seen.any():
        return values
    if descan == "mean":
        return values - float(values[seen].mean())
    if values.ndim != 2:
        raise ShapeError(f"a plane is removed from a raster, not from shape {values.shape}")
    rows, columns = np.indices(values.shape, np.float64)
    base = np.stack([np.ones(values.shape), rows, columns], axis=-1)
    plane, *_ = np.linalg.lstsq(base[seen], values[seen], rcond=None)
    level: Array = values - base @ plane
    return level


def _sources(down: Array, across: Array, step: tuple[float, float]) -> Array:
    """The right side of Poisson's equation: differences of the slopes midway between positions."""
    midway_y = (down[1:] + down[:-1]) / (2 * step[0])
    midway_x = (across[:, 1:] + across[:, :-1]) / (2 * step[1])
    sources: Array = np.diff(midway_y, axis=0, prepend=0, append=0)
    sources += np.diff(midway_x, axis=1, prepend=0, append=0)
    return sources


def _solved(sources: Array, step: tuple[float, float], high_pass: float) -> Array:
    """Invert the five-point Laplacian with mirrored edges."""
    rows, columns = sources.shape
    mirrored = np.concatenate([sources, sources[::-1]])
    mirrored = np.concatenate([mirrored, mirrored[:, ::-1]], axis=1)
    spectrum: npt.NDArray[Any] = np.fft.rfft2(mirrored)
    frequency_y = np.fft.fftfreq(2 * rows)[:, None]
    frequency_x = np.fft.rfftfreq(2 * columns)[None, :]
    curvature = (2 * np.sin(np.pi * frequency_y) / step[0]) ** 2
    curvature = curvature + (2 * np.sin(np.pi * frequency_x) / step[1]) ** 2
    spectrum /= -(curvature + (2 * np.pi * high_pass) ** 2 + (curvature == 0))
    spectrum[0, 0] = 0
    phase: Array = np.fft.irfft2(spectrum, mirrored.shape)[:rows, :columns]
    return phase
