"""Where a picture lies: extents in units, boxes in pixels of the screen, scale bars, ticks."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from interact import Axis, Image

from interact_stem.drawing._colours import limits

Extent = tuple[float, float, float, float]
"""Left, right, bottom and top edge in units of the axes; the bottom is larger than the top."""

PANEL = 380
"""Longer edge of a panel, pixels of the screen, unless whole samples ask for another."""

ENDLESS = 1e100
"""Numbers from here on are drawn as not there."""

FAR = 1e6
"""No centre and no radius lies further away than this, in pixels."""

MOST = 640
"""Longest edge of a panel; more samples than this are averaged in blocks."""

UNCALIBRATED = frozenset({"", "px", "pixel", "pixels", "position", "positions"})


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """The axes of a picture: what they are called, where they run, how large they are drawn.

    ``size`` is (width, height) in pixels of the screen. ``points`` says that values lie at
    coordinates and not on a grid.
    """

    y: Axis
    x: Axis
    extent: Extent
    size: tuple[int, int]
    points: bool = False


def place(image: Image) -> Place:
    """Where a picture lies, from its axes, or from its coordinates if it is a list."""
    if len(image.shape) == 1:
        return _listed(image)
    rows, columns = image.shape
    y, x = _grid(image)
    left, right = x.origin - 0.5 * x.step, x.origin + (columns - 0.5) * x.step
    top, bottom = y.origin - 0.5 * y.step, y.origin + (rows - 0.5) * y.step
    width, height = box(abs(right - left), abs(bottom - top))
    size = _snapped(width, columns), _snapped(height, rows)
    return Place(y, x, (left, right, bottom, top), size)


def _grid(image: Image) -> tuple[Axis, Axis]:
    """The axes of a grid; angles of a pattern count from the centre of the beam."""
    y, x = image.axes if len(image.axes) == 2 else (Axis("y"), Axis("x"))
    if y.step == 0 or x.step == 0:
        y, x = Axis(y.name), Axis(x.name)  # nobody measured it
    center = pair(image.attributes.get("center"))
    if image.attributes.get("style") == "pattern" and center and calibrated(x):
        y = Axis(y.name, y.unit, y.step, -y.step * center[0])
        x = Axis(x.name, x.unit, x.step, -x.step * center[1])
    return y, x


def _listed(image: Image) -> Place:
    unit = image.scan.calibration.step_unit
    y, x = coordinates(image)
    known = np.isfinite(y) & np.isfinite(x)
    if not known.any():
        last = max(image.shape[0], 1) - 0.5
        axes = Axis("value", ""), Axis("position", "")
        return Place(*axes, (-0.5, last, 1.0, 0.0), (PANEL, PANEL // 2), points=True)
    (top, bottom), (left, right) = limits(y[known]), limits(x[known])
    margin = 0.04 * max(bottom - top, right - left)
    extent = left - margin, right + margin, bottom + margin, top - margin
    size = box(extent[1] - extent[0], extent[2] - extent[3])
    return Place(Axis("y", unit), Axis("x", unit), extent, size, points=True)


def coordinates(image: Image) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The (y, x) of a list of positions; NaN where nobody said."""
    if image.y is None or image.x is None:
        return np.full(image.shape, np.nan), np.full(image.shape, np.nan)
    y, x = (np.asarray(axis, np.float64) for axis in (image.y, image.x))
    far = ~((np.abs(y) < ENDLESS) & (np.abs(x) < ENDLESS))
    return np.where(far, np.nan, y), np.where(far, np.nan, x)


def box(width: float, height: float) -> tuple[int, int]:
    """Size on the screen with the ratio of the edges kept, up to 4 to 1."""
    ratio = min(max(height / width if width > 0 else 1.0, 0.25), 4.0)
    if ratio <= 1:
        return PANEL, max(round(PANEL * ratio), 1)
    return max(round(PANEL / ratio), 1), PANEL


def _snapped(size: int, samples: int) -> int:
    """A size near the wanted one at which every sample, or block of samples, is drawn equally large.

    >>> _snapped(380, 64), _snapped(380, 254), _snapped(380, 512), _snapped(380, 4096)
    (384, 508, 512, 586)
    """
    drawn = -(-samples // block(samples))
    times = round(size / drawn)
    times = times if times >= 2 else max(MOST // drawn, 1)
    return drawn * times if drawn * times >= PANEL // 4 else size


def block(samples: int) -> int:
    """How many samples along an edge are drawn as one."""
    return max(-(-samples // MOST), 1)


def calibrated(axis: Axis) -> bool:
    """Whether an axis has a unit of length or angle."""
    return axis.unit.lower() not in UNCALIBRATED


def scale_bar(width: float) -> float:
    """A length of 1, 2 or 5 times a power of ten, between a tenth and a third of ``width``.

    >>> scale_bar(7.8), scale_bar(129.0)
    (2.0, 20.0)
    """
    limit = abs(width) / 3
    power = 10.0 ** math.floor(math.log10(limit))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= limit)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers inside [low, high]: about ``count``, and two at least.

    >>> ticks(0.3, 2.2, 4), ticks(-2.4, 2.3, 1)
    ([0.5, 1.0, 1.5, 2.0], [-2.0, 0.0, 2.0])
    """
    found: list[float] = []
    for parts in range(max(count, 1), max(count, 1) + 4):
        found = _multiples(low, high, parts)
        if len(found) > 1:
            break
    return found


def _multiples(low: float, high: float, parts: int) -> list[float]:
    """Multiples inside [low, high] of the smallest round step that cuts it in at most ``parts``."""
    span = high - low
    power = 10.0 ** math.floor(math.log10(span / parts))
    step = next(f * power for f in (1, 2, 5, 10) if f * power * parts >= span * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def log_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Powers of ten inside [low, high], thinned to ``count``; with none inside, both ends."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    stride = max(1, math.ceil((last - first + 1) / count))
    powers = [10.0**power for power in range(first, last + 1, stride)]
    return powers if len(powers) > 1 else [low, high]


def exponent(values: Sequence[float]) -> int:
    """The power of ten to take out of tick labels: 0 for numbers people read at a glance."""
    largest = max((abs(value) for value in values), default=0.0)
    if largest == 0 or 1e-2 <= largest < 1e5:
        return 0
    return 3 * math.floor(math.log10(largest) / 3)


def pair(value: object) -> tuple[float, float] | None:
    """A (y, x) of an attribute in pixels, or None if it is none."""
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        return None
    y, x = (float(one) if isinstance(one, int | float) else math.nan for one in value)
    return (y, x) if abs(y) < FAR and abs(x) < FAR else None
