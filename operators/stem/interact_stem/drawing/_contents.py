"""What each panel of a picture shows, by the picture's style: colours, legend, marks."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
from interact import Image

from interact_stem.drawing import _colours, _lengths
from interact_stem.drawing._colours import Bar, Colours, Wheel

Array = npt.NDArray[Any]

MAX_PANELS = 6


@dataclasses.dataclass(frozen=True, slots=True)
class Circle:
    """A circle drawn on a pattern, in units of the axes."""

    y: float
    x: float
    radius_y: float
    radius_x: float
    dashed: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Marks:
    """What is drawn on a panel: a cross at the centre, circles around it."""

    cross: tuple[float, float] | None = None
    circles: tuple[Circle, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Content:
    """One panel: RGBA of shape (rows, columns, 4) or (n, 4), and what explains it.

    ``samples`` is the picture's own (rows, columns), which blocks stand for; (n, 1) for a list.
    """

    label: str
    colours: Colours
    legend: Bar | Wheel
    marks: Marks = Marks()
    values: Array | None = None
    samples: tuple[int, int] = (1, 1)


def contents(image: Image) -> tuple[Content, ...]:
    """The panels of a picture, by `attributes["style"]`."""
    rows, columns = (*image.shape, 1)[:2]
    return tuple(dataclasses.replace(panel, samples=(rows, columns)) for panel in _styled(image))


def _styled(image: Image) -> tuple[Content, ...]:
    style = image.attributes.get("style", "scalar")
    if style == "vector" and {"y", "x"} <= set(image.channels):
        return _vector(image)
    if style == "pattern" and len(image.shape) == 2:
        return (_pattern(image),)
    return tuple(_scalar(image, name) for name in list(image.channels)[:MAX_PANELS])


def numbers(channel: Array) -> Array:
    """A channel as float64, averaged in blocks where it has more samples than a panel has pixels.

    The last block of a row or column may be smaller. What is not finite, or as good as, becomes
    NaN.

    >>> numbers(np.arange(4)).dtype
    dtype('float64')
    """
    values = np.asarray(channel, np.float64)
    if channel.dtype.kind == "f":
        values = np.where(np.abs(values) < _lengths.ENDLESS, values, np.nan)
    if values.ndim != 2 or max(values.shape) <= _lengths.MOST:
        return values
    down, across = (_lengths.block(edge) for edge in values.shape)
    shape = -(-values.shape[0] // down), -(-values.shape[1] // across)
    sums, known = np.zeros(shape), np.zeros(shape, np.int32)
    for y, x in itertools.product(range(down), range(across)):
        part = values[y::down, x::across]
        there = np.isfinite(part)
        rows, columns = part.shape
        sums[:rows, :columns] += np.where(there, part, 0)
        known[:rows, :columns] += there
    means: Array = np.divide(sums, known, out=np.full(shape, np.nan), where=known > 0)
    return means


def _scalar(image: Image, name: str) -> Content:
    values = numbers(image.channels[name])
    low, high = _colours.limits(values)
    bar = Bar("viridis", low, high, image.units.get(name, ""))
    return Content(name, _colours.shade(values, bar), bar, values=values)


def _vector(image: Image) -> tuple[Content, ...]:
    """Both components around zero, and the direction."""
    shifted = {"shift_y", "shift_x"} <= set(image.channels)
    names, said = (("shift_y", "shift_x"), "deflection") if shifted else (("y", "x"), "component")
    y, x = (numbers(image.channels[name]) for name in names)
    unit = image.units.get(names[0], "")
    middle = (0.0, 0.0) if shifted else _lengths.pair(image.attributes.get("center"))
    middle = middle or (_mean(y), _mean(x))
    panels = []
    for name, values, zero in zip("yx", (y, x), middle, strict=True):
        bar = Bar("RdBu_r", *_colours.symmetric_limits(values, zero), unit)
        panels.append(Content(f"{name} {said}", _colours.shade(values, bar), bar, values=values))
    away = y - middle[0], x - middle[1]
    lengths = np.hypot(*away)
    largest = float(lengths[np.isfinite(lengths)].max(initial=0.0)) or 1.0
    colours = _colours.directions(*away, largest)
    return (*panels, Content("direction", colours, Wheel(largest, unit), values=lengths))


def _mean(values: Array) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else 0.0


def _pattern(image: Image) -> Content:
    name = next((n for n in ("mean", "sum") if n in image.channels), next(iter(image.channels)))
    values = numbers(image.channels[name])
    unit = image.units.get(name, "")
    if image.attributes.get("log", True):
        bar = Bar("inferno", *_colours.log_limits(values), unit, log=True)
    else:
        bar = Bar("inferno", *_colours.limits(values), unit)
    label = f"{name} pattern" + (", log" if bar.log else "")
    return Content(label, _colours.shade(values, bar), bar, marks(image), values)


def marks(image: Image) -> Marks:
    """The centre and aperture of a pattern, from pixels of the detector to units of its axes."""
    center = _lengths.pair(image.attributes.get("center"))
    if center is None:
        return Marks()
    where = _lengths.place(image)
    y = where.y.origin + where.y.step * center[0]
    x = where.x.origin + where.x.step * center[1]
    circles = []
    for key in ("radius", "inner", "outer"):
        radius = image.attributes.get(key)
        if isinstance(radius, int | float) and 0 < radius < _lengths.FAR:
            edges = radius * abs(where.y.step), radius * abs(where.x.step)
            circles.append(Circle(y, x, *edges, dashed=key != "radius"))
    return Marks((y, x), tuple(circles))
