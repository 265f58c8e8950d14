"""A figure measured in pixels of the screen that keeps what does not move."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from PIL import Image as Raster

DPI = 100
INK, FAINT = "#1a1a1a", "#5a5a5a"
SMALL = 8.0
_RUNS = 3
"""zlib's Z_RLE: pictures are runs of equal pixels, and noise costs a third less time."""


def label(
    axes: Axes,
    x: float,
    y: float,
    text: str = "",
    up: float = 0,
    **style: Any,
) -> Annotation:
    """A text at (x, y) in parts of a box, moved up by pixels; it may lie outside the box."""
    options: dict[str, Any] = {"fontsize": SMALL, "color": INK, "parse_math": False, **style}
    return axes.annotate(
        text, (x, y), (0, up), xycoords="axes fraction", textcoords="offset pixels",
        annotation_clip=False, **options,
    )  # fmt: skip


class Canvas:
    """A white figure of ``width`` × ``height`` pixels; places count from the lower left."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._figure = Figure((width / DPI, height / DPI), dpi=DPI, facecolor="white")
        self._agg: Any = FigureCanvasAgg(self._figure)  # its drawing methods have no types
        self._ground: Any = None

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """New axes with a box of this size."""
        w, h = self.width, self.height
        return self._figure.add_axes((left / w, bottom / h, width / w, height / h))

    def text(self, left: float, top: float, text: str = "", *, size: float, **style: Any) -> Text:
        """A text whose upper left corner lies at (left, top), with every sign taken as it is."""
        return self._figure.text(
            left / self.width, top / self.height, text, fontsize=size, va="top", parse_math=False, **style
        )  # fmt: skip

    def render(self, moving: Iterable[Artist]) -> npt.NDArray[np.uint8]:
        """Draw ``moving`` artists over the others, which are drawn the first time only.

        Returns:
            RGBA, shape (height, width, 4); a view that the next call overwrites.
        """
        if self._ground is None:
            self._agg.draw()
            self._ground = self._agg.copy_from_bbox(self._figure.bbox)
        self._agg.restore_region(self._ground)
        renderer = self._agg.get_renderer()
        for artist in moving:
            artist.draw(renderer)
        return np.asarray(self._agg.buffer_rgba())


def encoded(pixels: npt.NDArray[np.uint8]) -> bytes:
    """RGBA of shape (height, width, 4) as a PNG file without transparency."""
    buffer = io.BytesIO()
    raster = Raster.fromarray(np.ascontiguousarray(pixels[..., :3]))
    raster.save(buffer, "PNG", compress_level=1, compress_type=_RUNS)
    return buffer.getvalue()
