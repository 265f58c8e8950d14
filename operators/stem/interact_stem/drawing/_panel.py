"""One panel of a picture: an image or points, its axes, its colour bar or wheel, its marks."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse, Rectangle

from interact_stem.drawing import _legend, _lengths
from interact_stem.drawing._canvas import FAINT, INK, SMALL, Canvas, label
from interact_stem.drawing._captions import printable, wrapped
from interact_stem.drawing._colours import limits
from interact_stem.drawing._contents import Content, Marks
from interact_stem.drawing._lengths import Place

LEFT, RIGHT, ABOVE, BELOW = 62, 82, 24, 46
"""Pixels around the box of a panel: tick labels, colour bar, label, axis label."""

GAP = 8

ROUND_DOTS = 1500
"""Most points that are drawn as circles: each costs 40 µs."""

GROUND = "#e6e6e6"
"""Behind points; lighter than what is not there."""

Array = npt.NDArray[Any]


class Panel:
    """A panel at (left, bottom) of a figure, in pixels of its box.

    What stays for every picture of the same layout is drawn with the figure; `update` changes the
    rest, and `moving` lists it in drawing order.
    """

    def __init__(
        self, canvas: Canvas, where: Place, content: Content, left: int, bottom: int
    ) -> None:
        self.where = where
        self.axes = canvas.axes(left, bottom, *where.size)
        self._label = label(self.axes, 0, 1, "", 5, weight="bold", ha="left", va="bottom")
        self._body: AxesImage | PathCollection | None = None
        self._over = [*_marks(self.axes, content.marks), *_scale_bar(self.axes, where)]
        self._legend = _legend.legend(
            canvas, content.legend, left + where.size[0] + GAP, bottom, where
        )
        _dress(self.axes, where)
        for artist in self.moving:
            artist.set_animated(True)

    @property
    def moving(self) -> list[Artist]:
        """What differs from one picture to the next, in drawing order."""
        body = [] if self._body is None else [self._body]
        frame = list(self.axes.spines.values())
        return [*body, *self._over, *frame, self._label, *self._legend.moving]

    def update(self, content: Content, y: Array, x: Array) -> None:
        """Show new values; coordinates only count where values lie at points."""
        self._label.set_text(wrapped(content.label, self.where.size[0] // 6, 1))
        self._legend.update(content.legend)
        if self.where.points:
            self._scatter(content, y, x)
        else:
            self._paint(content.colours, _extent(self.where, content))

    def rename(self, text: str) -> None:
        """Say something else above the panel than what it was given."""
        self._label.set_text(text)

    def warn(self, text: str) -> None:
        """Say something inside the panel, at its top."""
        plate = {"fc": "black", "ec": "none", "alpha": 0.7, "pad": 3}
        style: dict[str, Any] = {"color": "white", "ha": "center", "va": "top", "bbox": plate}
        self._over.append(label(self.axes, 0.5, 1, text, -8, **style))

    def _paint(self, colours: Array, extent: _lengths.Extent) -> None:
        if isinstance(self._body, AxesImage):
            self._body.set_data(colours)
            return
        self._body = self.axes.imshow(
            colours, extent=extent, aspect="auto", interpolation="nearest", origin="upper"
        )
        self.axes.set_xlim(self.where.extent[:2])
        self.axes.set_ylim(self.where.extent[2:])
        self._body.set_animated(True)

    def _scatter(self, content: Content, y: Array, x: Array) -> None:
        if self.where.y.name == "value":
            values = content.values if content.values is not None else np.zeros(0)
            low, high = limits(values)
            y, x = (high - values) / (high - low), np.arange(len(values), dtype=np.float64)
        if len(x) > ROUND_DOTS:
            self._paint(_dotted(self.where, content.colours, y, x), self.where.extent)
            return
        if self._body is not None:
            self._body.remove()
        area = self.where.size[0] * self.where.size[1] / max(len(x), 1)
        self._body = self.axes.scatter(
            x, y, s=float(np.clip(0.22 * area, 2, 60)), c=content.colours / 255,
            lw=0.4, ec="#00000060", animated=True,
        )  # fmt: skip


def _extent(where: Place, content: Content) -> _lengths.Extent:
    """Where the edges of the drawn array lie; its last blocks may reach beyond the axes."""
    left, right, bottom, top = where.extent
    rows, columns = content.colours.shape[:2]
    samples_y, samples_x = content.samples
    down, across = rows * _lengths.block(samples_y), columns * _lengths.block(samples_x)
    return (
        left,
        left + (right - left) * across / samples_x,
        top + (bottom - top) * down / samples_y,
        top,
    )


def _dotted(where: Place, colours: Array, y: Array, x: Array) -> Array:
    """Many points as squares of pixels, shape (height, width, 4): a drawn circle costs too much."""
    left, right, bottom, top = where.extent
    width, height = where.size
    known = np.isfinite(y) & np.isfinite(x)
    column = (x[known] - left) / (right - left) * width
    row = (y[known] - top) / (bottom - top) * height
    edge = int(np.clip(np.sqrt(0.4 * width * height / max(len(x), 1)), 1, 6))
    raster = np.empty((height, width, 4), np.uint8)
    raster[:] = (*bytes.fromhex(GROUND[1:]), 255)
    for down, across in itertools.product(range(edge), repeat=2):
        at_row = np.clip((row + down - edge / 2).astype(np.int64), 0, height - 1)
        at_column = np.clip((column + across - edge / 2).astype(np.int64), 0, width - 1)
        raster[at_row, at_column] = colours[known]
    return raster


def _dress(axes: Axes, where: Place) -> None:
    left, right, bottom, top = where.extent
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_facecolor(GROUND if where.points else "white")
    axes.tick_params(labelsize=SMALL, length=3, color=FAINT, labelcolor=INK, pad=2)
    axes.set_xticks(_lengths.ticks(min(left, right), max(left, right), max(where.size[0] // 70, 2)))
    rows = [] if where.y.name == "value" else _lengths.ticks(min(top, bottom), max(top, bottom), 5)
    axes.set_yticks(rows)
    for name, axis in (("x", where.x), ("y", where.y)):
        said = printable(f"{axis.name} ({axis.unit})" if axis.unit else axis.name)
        getattr(axes, f"set_{name}label")(said, fontsize=SMALL, labelpad=2, parse_math=False)
    for spine in axes.spines.values():
        spine.set_color(FAINT)
        spine.set_linewidth(0.8)


def _marks(axes: Axes, marks: Marks) -> list[Artist]:
    artists: list[Artist] = []
    for circle in marks.circles:
        ellipse = Ellipse(
            (circle.x, circle.y), 2 * circle.radius_x, 2 * circle.radius_y,
            fill=False, lw=1.2, color="#40e0ff", ls="--" if circle.dashed else "-",
        )  # fmt: skip
        artists.append(axes.add_patch(ellipse))
    if marks.cross:
        y, x = marks.cross
        artists.append(axes.add_line(Line2D([x], [y], marker="+", ms=9, mew=1.2, color="#40e0ff")))
    return artists


def _scale_bar(axes: Axes, where: Place) -> list[Artist]:
    """A bar of a round length at the lower left, where the axis has a unit."""
    if not _lengths.calibrated(where.x):
        return []
    left, right, *_ = where.extent
    length = _lengths.scale_bar(right - left)
    part = length / abs(right - left)
    wide, high = where.size
    margin_x, margin_y = 10 / wide, 10 / high
    text = printable(f"{length:g} {where.x.unit}")
    plate = max(part, 6.5 * len(text) / wide) + 12 / wide
    center = margin_x + plate / 2
    box: dict[str, Any] = {"transform": axes.transAxes, "lw": 0}
    ground = Rectangle((margin_x, margin_y), plate, 30 / high, fc="black", alpha=0.55, **box)
    line = Rectangle((center - part / 2, margin_y + 6 / high), part, 4 / high, fc="white", **box)
    for patch in (ground, line):
        axes.add_artist(patch)
    style: dict[str, Any] = {"color": "white", "ha": "center", "va": "bottom"}
    return [ground, line, label(axes, center, margin_y + 12 / high, text, **style)]
