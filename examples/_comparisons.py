"""The saved pictures of each example against their references, as rows of one table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from interact import Image

from examples import _oracles
from examples._saved import saved
from examples._table import Row

Array = npt.NDArray[Any]

COM_PX = 1e-4
"""What independent float32 libraries reach; ours divides in float64."""

CENTER, RADIUS, INNER, OUTER = (67.0, 62.0), 22.0, 40.0, 90.0
"""The apertures of srtio3/pipeline.yaml, pixels."""


def largest_error(picture: Array, reference: Array) -> float:
    """The largest absolute difference; infinite where one is NaN and the other is not.

    >>> largest_error(np.array([1.0, np.nan]), np.array([1.5, np.nan]))
    0.5
    >>> largest_error(np.array([1.0, np.nan]), np.array([1.5, 2.0]))
    inf
    """
    a, b = np.asarray(picture, np.float64).ravel(), np.asarray(reference, np.float64).ravel()
    if a.shape != b.shape or not np.array_equal(np.isnan(a), np.isnan(b)):
        return float("inf")
    there = ~np.isnan(a)
    return float(np.abs(a[there] - b[there]).max(initial=0.0)) if there.any() else float("inf")


def measured(name: str, example: Path, pictures: Path) -> list[Row]:
    """Rows of an example with a reference.npz.

    Args:
        name: What the example is called in the table.
        example: Its folder.
        pictures: Where its run saved the pictures.
    """
    with np.load(example / "reference.npz") as reference:
        com, disk, ring = reference["com_yx"], reference["vbf"], reference["ring"]
        total = reference["frame_sum"].sum()
    moments, fields = saved(pictures, "com").channels, saved(pictures, "fields").channels
    pattern = saved(pictures, "pattern").channels["sum"]
    said = "float64 reference, " + name
    return [
        Row(
            f"{name}: centre of mass, y",
            said,
            largest_error(moments["y"], com[..., 0]),
            COM_PX,
            "px",
        ),
        Row(
            f"{name}: centre of mass, x",
            said,
            largest_error(moments["x"], com[..., 1]),
            COM_PX,
            "px",
        ),
        Row(f"{name}: disk sum", said, largest_error(fields["bright"], disk), 0),
        Row(f"{name}: ring sum", said, largest_error(fields["dark"], ring), 0),
        Row(f"{name}: counts of the pattern", said, abs(float(pattern.sum() - total)), 0),
    ]


def simulated(example: Path, pictures: Path) -> list[Row]:
    """Rows of the simulated SrTiO3 scan."""
    events = _oracles.counted(example / "simulated.h5", CENTER, RADIUS, INNER, OUTER)
    with np.load(example / "expected.npz") as archive:
        expected = archive["com_yx"]
    com, fields = saved(pictures, "com"), saved(pictures, "fields").channels
    pattern = saved(pictures, "pattern").channels["sum"]
    numpy = "numpy on the file's events"
    exact = [
        ("centre of mass, y", com.channels["y"], events.com_y, "px"),
        ("centre of mass, x", com.channels["x"], events.com_x, "px"),
        ("bright field", fields["bright"], events.bright, "e⁻"),
        ("dark field", fields["dark"], events.dark, "e⁻"),
        ("summed pattern", pattern, events.pattern, "e⁻"),
    ]
    rows = [
        Row(f"SrTiO₃: {what}", numpy, largest_error(a, b), 0, unit) for what, a, b, unit in exact
    ]
    return [*rows, *_noise(com, expected), *_fields(saved(pictures, "dpc"), expected)]


def _noise(com: Image, expected: Array) -> list[Row]:
    """The centre of mass against the field without counting noise."""
    rows = []
    for axis, name in enumerate("yx"):
        residual = np.asarray(com.channels[name]).reshape(expected.shape[:2]) - expected[..., axis]
        said = f"SrTiO₃: residual of {name}"
        rows += [
            Row(
                f"{said}, mean", "simulation without noise", abs(float(residual.mean())), 0.05, "px"
            ),
            Row(f"{said}, sd", "counting limit 0.78 px", float(residual.std()), 0.85, "px"),
        ]
    return rows


def _fields(dpc: Image, expected: Array) -> list[Row]:
    """The phase against the noise-free field, and whether that field is one of a phase."""
    y, x = expected[..., 0] - expected[..., 0].mean(), expected[..., 1] - expected[..., 1].mean()
    phase = next(iter(dpc.channels.values()))
    agreement = _oracles.correlation(phase, _oracles.periodic_phase(y, x))
    curl = _oracles.curl_to_divergence(y, x)
    return [
        Row("SrTiO₃: DPC phase, 1 − correlation", "noise-free field, Fourier", 1 - agreement, 0.01),
        Row("SrTiO₃: curl / divergence, rms", "a gradient has no curl", curl, 0.1),
    ]
