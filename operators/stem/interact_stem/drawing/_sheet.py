"""Several pictures on one sheet, with a column of facts; drawn once, at the end of a run."""

from __future__ import annotations

from collections.abc import Sequence

from interact import Image

from interact_stem.drawing import _captions, _lengths
from interact_stem.drawing._canvas import FAINT, INK, Canvas, encoded
from interact_stem.drawing._contents import Content, contents
from interact_stem.drawing._lengths import Place
from interact_stem.drawing._panel import ABOVE, BELOW, LEFT, RIGHT, Panel

HEADER, MARGIN, ROW = 76, 16, 22
VALUES = 150
"""Pixels from the name of a fact to its value."""


def sheet(
    images: Sequence[Image],
    *,
    title: str,
    subtitle: str = "",
    facts: Sequence[tuple[str, str]] = (),
    across: int = 4,
) -> bytes:
    """Draw every panel of several pictures in a grid, and a table of facts in its last cell.

    Args:
        images: Pictures in reading order; each gives as many panels as its style has.
        title: First line.
        subtitle: Second line; how complete a picture is stands at its panels.
        facts: Names and values, in reading order.
        across: Panels in a row.

    Returns:
        A PNG file.
    """
    shown = [
        (image, _lengths.place(image), content) for image in images for content in contents(image)
    ]
    wide = max((place.size[0] for _, place, _ in shown), default=_lengths.PANEL) + LEFT + RIGHT
    high = max((place.size[1] for _, place, _ in shown), default=_lengths.PANEL) + ABOVE + BELOW
    cells = len(shown) + bool(facts)
    down = -(-cells // across)
    canvas = Canvas(min(across, cells) * wide + 2 * MARGIN, HEADER + down * high + MARGIN)
    top = canvas.height - HEADER
    _heading(canvas, title, subtitle)
    corners = [(MARGIN + n % across * wide, top - n // across * high) for n in range(cells)]
    panels = [_panel(canvas, *each) for each in zip(corners, shown, strict=False)]
    if facts:
        _table(canvas, corners[-1], facts)
    return encoded(canvas.render([artist for panel in panels for artist in panel.moving]))


def _heading(canvas: Canvas, title: str, subtitle: str) -> None:
    canvas.text(
        MARGIN + 12,
        canvas.height - 14,
        _captions.printable(title),
        size=15,
        weight="bold",
        color=INK,
    )
    canvas.text(
        MARGIN + 12, canvas.height - 44, _captions.printable(subtitle), size=10, color=FAINT
    )


def _panel(canvas: Canvas, corner: tuple[int, int], shown: tuple[Image, Place, Content]) -> Panel:
    """One panel whose cell has its upper left corner at ``corner``."""
    (left, top), (image, place, content) = corner, shown
    panel = Panel(canvas, place, content, left + LEFT, top - ABOVE - place.size[1])
    panel.update(content, *_lengths.coordinates(image))
    status, _ = _captions.completeness(image)
    title = _captions.title(image)
    label = title if content.label.lower() in title.lower() else f"{title}: {content.label}"
    panel.rename(_captions.wrapped(label, 58, 1))
    if status != "complete":
        panel.warn(_captions.wrapped(status, 56, 2))
    return panel


def _table(canvas: Canvas, corner: tuple[int, int], facts: Sequence[tuple[str, str]]) -> None:
    left, top = corner
    for number, (name, value) in enumerate(facts):
        y = top - ABOVE - ROW * number
        canvas.text(left + 24, y, _captions.printable(name), size=9, color=FAINT)
        canvas.text(left + 24 + VALUES, y, _captions.printable(value), size=9, color=INK)
