"""A picture as PNG; figures are kept by layout, and only what changed is drawn anew."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

import numpy as np
import numpy.typing as npt
from interact import Image
from matplotlib.artist import Artist
from matplotlib.text import Text

from interact_stem.drawing import _captions, _lengths
from interact_stem.drawing._canvas import FAINT, INK, SMALL, Canvas, encoded
from interact_stem.drawing._contents import MAX_PANELS, Content, contents
from interact_stem.drawing._lengths import Place
from interact_stem.drawing._panel import ABOVE, BELOW, LEFT, RIGHT, Panel

HEADER, FOOTER = 62, 30
ACROSS = 3
NARROWEST = 420
"""Pixels that the words around a narrow panel need."""
KEPT = 8


def png(image: Image) -> bytes:
    """Draw a picture.

    Args:
        image: Channels of shape (rows, columns), or (n,) for a list of positions; NaN is grey.

    Returns:
        A PNG file. Its size depends on the shape and style, not on the values.
    """
    panels = contents(image)
    with _lock:
        return encoded(_picture(image, panels).draw(image, panels))


def _picture(image: Image, panels: tuple[Content, ...]) -> Picture:
    """The kept figure of this layout, or a new one in place of the one least lately used."""
    where = _lengths.place(image)
    key = (where, image.shape, tuple((p.legend.table, p.legend.log, p.marks) for p in panels))
    picture = _pictures.pop(key, None) or Picture(where, panels)
    _pictures[key] = picture
    if len(_pictures) > KEPT:
        _pictures.popitem(last=False)
    return picture


class Picture:
    """Panels in rows between a header (title, completeness, counts) and a footer (facts)."""

    def __init__(self, where: Place, panels: tuple[Content, ...]) -> None:
        across = min(len(panels), ACROSS)
        down = -(-len(panels) // across)
        cell = where.size[0] + LEFT + RIGHT, where.size[1] + ABOVE + BELOW
        self.canvas = Canvas(max(across * cell[0], NARROWEST), HEADER + down * cell[1] + FOOTER)
        self.panels = []
        for number, content in enumerate(panels):
            row, column = divmod(number, across)
            bottom = FOOTER + (down - 1 - row) * cell[1] + BELOW
            self.panels.append(Panel(self.canvas, where, content, column * cell[0] + LEFT, bottom))
        self._title = self._line(8, 11.5, weight="bold", color=INK)
        self._status = self._line(28, 9.0, weight="bold")
        self._counts = self._line(44, 8.5, color=FAINT)
        self._footer = self._line(self.canvas.height - FOOTER, SMALL, color=FAINT)

    def _line(self, down: float, size: float, **style: str) -> Text:
        text = self.canvas.text(12, self.canvas.height - down, size=size, **style)
        text.set_animated(True)
        return text

    def draw(self, image: Image, panels: tuple[Content, ...]) -> npt.NDArray[np.uint8]:
        """RGBA of the picture, shape (height, width, 4); overwritten by the next."""
        y, x = _lengths.coordinates(image)
        for panel, content in zip(self.panels, panels, strict=True):
            panel.update(content, y, x)
        self._words(image)
        moving: list[Artist] = [self._title, self._status, self._counts, self._footer]
        return self.canvas.render(moving + [a for panel in self.panels for a in panel.moving])

    def _words(self, image: Image) -> None:
        width = self.canvas.width
        status, colour = _captions.completeness(image)
        self._title.set_text(_captions.wrapped(_captions.title(image), width // 9, 1))
        self._status.set_text(_captions.wrapped(status, width // 7, 1))
        self._status.set_color(colour)
        self._counts.set_text(_captions.wrapped(_captions.counts(image), width // 7, 1))
        more = len(image.channels) - MAX_PANELS
        parts = [
            _captions.facts(image),
            str(image.attributes.get("note", "")),
            f"{more} more channels are not drawn" if more > 0 else "",
        ]
        said = " · ".join(part for part in parts if part)
        self._footer.set_text(_captions.wrapped(said, int(width / 6.1), 2))


_pictures: OrderedDict[Hashable, Picture] = OrderedDict()
_lock = threading.Lock()
