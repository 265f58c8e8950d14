"""Numbers to colours: lookup tables with grey for NaN, and the colour wheel of directions."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any, ClassVar

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Colours = npt.NDArray[np.uint8]

NOTHING = (158, 158, 158, 255)
"""The colour of a value that is not there; no table below has it."""

DECADES = 6
"""Longest logarithmic bar: what lies further below the maximum is no signal of a detector."""


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """What a colour bar shows: a table of colours from ``low`` to ``high`` in ``unit``."""

    table: str
    low: float
    high: float
    unit: str = ""
    log: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Wheel:
    """What a colour wheel shows: directions, black at zero and bright at ``largest``."""

    largest: float
    unit: str = ""
    table: ClassVar[str] = ""
    log: ClassVar[bool] = False


@cache
def table(name: str) -> Colours:
    """A lookup table, shape (257, 4): 256 colours, then the one for NaN."""
    colours = mpl.colormaps[name](np.arange(256), bytes=True)
    return np.concatenate((colours, np.array([NOTHING], np.uint8)))


def limits(values: Floats) -> tuple[float, float]:
    """The range of the finite values, widened if they are as good as equal; (0, 1) for none."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    largest = max(abs(low), abs(high))
    if high - low > max(1e-9 * largest, 1e-200):
        return low, high
    margin = 0.5 * largest if largest > 1e-200 else 0.5
    return low - margin, high + margin


def symmetric_limits(values: Floats, middle: float) -> tuple[float, float]:
    """The smallest range around ``middle`` that holds the finite values."""
    low, high = limits(values)
    reach = max(abs(low - middle), abs(high - middle))
    return middle - reach, middle + reach


def log_limits(values: Floats) -> tuple[float, float]:
    """From the smallest positive finite value to the largest, one to ``DECADES`` decades apart."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size:
        return 0.1, 1.0
    high = float(positive.max())
    return min(max(float(positive.min()), high / 10**DECADES), high / 10), high


def shade(values: Floats, bar: Bar) -> Colours:
    """Colours of an array by a bar.

    Args:
        values: Numbers of any shape; NaN becomes grey. On a logarithmic bar, zero and below take
            the lowest colour.
        bar: The table and its range.

    Returns:
        RGBA, shape (*values.shape, 4).
    """
    low, high = bar.low, bar.high
    number = np.asarray(values, np.float64)
    if bar.log:
        low, high = np.log(low), np.log(high)
        with np.errstate(divide="ignore", invalid="ignore"):
            number = np.where(number > 0, np.log(np.maximum(number, 0)), low + 0 * number)
    absent = np.isnan(number)
    scaled = np.clip((number - low) * (255 / (high - low)) + 0.5, 0, 255)
    scaled[absent] = 256
    return table(bar.table)[scaled.astype(np.int16)]


def directions(y: Floats, x: Floats, largest: float) -> Colours:
    """Colours of vectors: hue is the direction on the picture, brightness the length.

    Red points right (+x), and hue advances clockwise on the picture, where y runs down.

    Args:
        y: Components along rows, any shape; NaN becomes grey.
        x: Components along columns, same shape.
        largest: Length drawn at full brightness.

    Returns:
        RGBA, shape (*y.shape, 4).
    """
    scale = 1 / (largest or 1.0)
    y, x = (np.asarray(part * scale, np.float32) for part in (y, x))
    hue = np.arctan2(y, x) * np.float32(3 / np.pi)
    value = np.minimum(np.hypot(y, x), np.float32(1))
    absent = np.isnan(value)
    colours = np.empty((*np.shape(y), 4), np.uint8)
    for channel, shift in enumerate((0.0, 4.0, 2.0)):
        turned = hue + np.float32(shift)
        turned -= 6 * np.floor(turned / 6)
        part = np.clip(np.abs(turned - 3) - 1, 0, 1) * value
        colours[..., channel] = np.where(absent, 0, 255 * part)
    colours[..., 3] = 255
    colours[absent] = NOTHING
    return colours


@cache
def wheel(edge: int) -> Colours:
    """The legend of `directions`: a disk of RGBA, transparent outside, shape (edge, edge, 4)."""
    span = (np.arange(edge) - (edge - 1) / 2) / (edge / 2)
    y, x = np.meshgrid(span, span, indexing="ij")
    colours = directions(y, x, 1.0)
    colours[np.hypot(y, x) > 1, 3] = 0
    return colours
