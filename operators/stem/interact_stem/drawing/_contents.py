"""What each panel of a picture shows, by the picture's style: colours, legend, marks."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from interact import Image

from interact_stem.drawing import _colours, _lengths
from interact_stem.drawing._colours import Bar, Colours, Wheel

Array = npt.NDArray[Any]

MAX_PANELS = 6
MAX_EDGE = 1024
"""Longest edge that is drawn sample by sample; longer ones are averaged in blocks."""


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
    """One panel: RGBA of shape (rows, columns, 4) or (n, 4), and what explains it."""

    label: str
    colours: Colours
    legend: Bar | Wheel
    marks: Marks = Marks()
    values: Array | None = None


def contents(image: Image) -> tuple[Content, ...]:
    """The panels of a picture, by `attributes["style"]`."""
    style = image.attributes.get("style", "scalar")
    if style == "vector" and {"y", "x"} <= set(image.channels):
        return _vector(image)
    if style == "pattern" and len(image.shape) == 2:
        return (_pattern(image),)
    names = list(image.channels)[:MAX_PANELS]
    return tuple(_scalar(image, name) for name in names)


def numbers(channel: Array) -> Array:
    """A channel as float64, averaged in blocks where it is larger than any screen.

    >>> numbers(np.arange(4)).dtype
    dtype('float64')
    """
    values = np.asarray(channel, np.float64)
    if values.ndim != 2 or max(values.shape) <= MAX_EDGE:
        return values
    blocks = [-(-edge // MAX_EDGE) for edge in values.shape]
    padding = [(0, -edge % block) for edge, block in zip(values.shape, blocks, strict=True)]
    padded = np.pad(values, padding, constant_values=np.nan)
    rows, columns = (edge // block for edge, block in zip(padded.shape, blocks, strict=True))
    split = padded.reshape(rows, blocks[0], columns, blocks[1])
    there = np.isfinite(split)
    sums, known = np.where(there, split, 0).sum(axis=(1, 3)), there.sum(axis=(1, 3))
    means: Array = np.divide(sums, known, out=np.full(known.shape, np.nan), where=known > 0)
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
    largest = float(np.nanmax(lengths)) if np.isfinite(lengths).any() else 1.0
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
        if isinstance(radius, int | float) and radius > 0:
            edges = radius * abs(where.y.step), radius * abs(where.x.step)
            circles.append(Circle(y, x, *edges, dashed=key != "radius"))
    return Marks((y, x), tuple(circles))
