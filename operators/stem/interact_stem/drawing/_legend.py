"""What explains the colours of a panel: a colour bar with its unit, or a wheel of directions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D

from interact_stem.drawing import _colours, _lengths
from interact_stem.drawing._canvas import FAINT, Canvas, label
from interact_stem.drawing._captions import printable
from interact_stem.drawing._colours import Bar, Wheel
from interact_stem.drawing._lengths import Place

BAR, WHEEL = 12, 62
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def legend(
    canvas: Canvas, shown: Bar | Wheel, left: int, bottom: int, where: Place
) -> BarLegend | WheelLegend:
    """The legend of a panel whose right edge and bottom are given in pixels."""
    if isinstance(shown, Bar):
        return BarLegend(canvas, shown, left, bottom, where)
    return WheelLegend(canvas, left, bottom, where)


class BarLegend:
    """A colour bar with round numbers at its right and the unit above it."""

    def __init__(self, canvas: Canvas, bar: Bar, left: int, bottom: int, where: Place) -> None:
        height = where.size[1]
        self.axes = canvas.axes(left, bottom, BAR, height)
        gradient = _colours.table(bar.table)[:256][::-1, None]
        self.axes.imshow(gradient, aspect="auto", extent=(0, 1, 0, 1), interpolation="bilinear")
        self.axes.set_xticks([])
        self.axes.set_yticks([])
        self._most = max(height // 70, 2)
        self._unit = label(self.axes, 0, 1, "", 5, color=FAINT, ha="left", va="bottom")
        self._ticks = [
            (
                self.axes.add_line(Line2D([1.0, 1.25], [0, 0], color=FAINT, lw=0.8, clip_on=False)),
                label(self.axes, 1.5, 0, "", va="center"),
            )
            for _ in range(self._most + 5)
        ]

    @property
    def moving(self) -> list[Artist]:
        """What changes with the values."""
        return [self._unit, *(artist for tick in self._ticks for artist in tick)]

    def update(self, bar: Bar | Wheel) -> None:
        """Move the ticks to the range of a bar."""
        if isinstance(bar, Wheel):
            return
        values = bar_ticks(bar, self._most)
        power = 0 if bar.log else _lengths.exponent(values)
        unit = f"10{str(power).translate(SUPERSCRIPT)} {bar.unit}" if power else bar.unit
        self._unit.set_text(printable(unit.strip()))
        for number, (line, said) in enumerate(self._ticks):
            shown = number < len(values)
            line.set_visible(shown)
            said.set_visible(shown)
            if shown:
                height = _height(values[number], bar)
                line.set_ydata([height, height])
                said.xy = (1.5, height)
                said.set_text(tick(values[number], power, bar))


def bar_ticks(bar: Bar, most: int) -> Sequence[float]:
    """Round numbers of a bar, about ``most`` of them."""
    choose = _lengths.log_ticks if bar.log else _lengths.ticks
    return choose(bar.low, bar.high, most)


def _height(value: float, bar: Bar) -> float:
    if bar.log:
        return float(np.log(value / bar.low) / np.log(bar.high / bar.low))
    return (value - bar.low) / (bar.high - bar.low)


def tick(value: float, power: int, bar: Bar) -> str:
    """A number beside a bar, in units of ten to the ``power``."""
    decade = np.log10(value) if bar.log else 0.5
    wide = bar.high >= 1e3 or bar.low <= 1e-3
    if wide and abs(decade - round(decade)) < 1e-9:
        return f"10{str(round(decade)).translate(SUPERSCRIPT)}"
    digits = 6 - min(int(np.log10((bar.high - bar.low) / max(abs(bar.low), abs(bar.high)))), 0)
    return f"{value / 10.0**power:.{3 if bar.log else digits}g}".replace("-", "−")


class WheelLegend:
    """The colour wheel of directions and the length at its rim."""

    def __init__(self, canvas: Canvas, left: int, bottom: int, where: Place) -> None:
        at = bottom + max(where.size[1] - WHEEL, 0)
        self.axes = canvas.axes(left, at, WHEEL, WHEEL)
        self.axes.imshow(_colours.wheel(WHEEL), interpolation="nearest")
        self.axes.set_axis_off()
        self._rim = label(self.axes, 0.5, 0, "", -4, ha="center", va="top")

    @property
    def moving(self) -> list[Artist]:
        """What changes with the values."""
        return [self._rim]

    def update(self, wheel: Bar | Wheel) -> None:
        """Say the length at the rim."""
        if isinstance(wheel, Wheel):
            self._rim.set_text("rim\n" + printable(f"{wheel.largest:.3g} {wheel.unit}".rstrip()))
