"""What a bench found: figures of both sides from interleaved runs, their ratio, and the goal."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Compare = Literal["quotient", "difference", "first"]


@dataclass(frozen=True)
class Goal:
    """A bound on a figure; ``at_least`` for rates, otherwise at most."""

    bound: float
    at_least: bool = True

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"

    def reached(self, value: float) -> bool:
        """Whether a value lies on the right side."""
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True)
class Side:
    """One side of a comparison: its name and its value in each run, in order."""

    name: str
    values: tuple[float, ...]

    def __str__(self) -> str:
        low, high = min(self.values), max(self.values)
        middle = number(statistics.median(self.values))
        return f"{middle} ({number(low)}–{number(high)})" if high > low else middle


@dataclass(frozen=True)
class Figure:
    """One line of a bench's table.

    Attributes:
        what: What is measured.
        unit: Unit of both sides.
        first: The side of interest.
        other: What it is compared with in the same runs, if anything.
        compare: What the goal is about: first / other, first − other, or the first alone.
        goal: The bound, where there is one.
    """

    what: str
    unit: str
    first: Side
    other: Side | None = None
    compare: Compare = "first"
    goal: Goal | None = None

    @property
    def value(self) -> float:
        """Median over the runs of what the goal is about; each run is compared with itself."""
        if self.other is None or self.compare == "first":
            return statistics.median(self.first.values)
        pairs = zip(self.first.values, self.other.values, strict=True)
        return statistics.median(a / b if self.compare == "quotient" else a - b for a, b in pairs)

    @property
    def verdict(self) -> str:
        """Whether the goal is reached, in words; empty without one."""
        if self.goal is None:
            return ""
        return "reached" if self.goal.reached(self.value) else "falls short"


@dataclass(frozen=True)
class Table:
    """What one bench prints."""

    name: str
    title: str
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()

    def json(self) -> dict[str, object]:
        """The table as plain data, with what follows from it."""
        figures = [
            {**asdict(figure), "value": figure.value, "verdict": figure.verdict}
            for figure in self.figures
        ]
        return {**asdict(self), "figures": figures}

    def __str__(self) -> str:
        rows = [("", "this", "other", "compared", "goal", "")]
        for figure in self.figures:
            other = "" if figure.other is None else f"{figure.other.name} {figure.other}"
            sign = {"quotient": "×", "difference": f" {figure.unit} more", "first": ""}
            compared = "" if figure.other is None else number(figure.value) + sign[figure.compare]
            rows.append(
                (
                    f"{figure.what}, {figure.unit}",
                    f"{figure.first.name} {figure.first}",
                    other,
                    compared if figure.compare != "first" else "",
                    str(figure.goal or ""),
                    figure.verdict,
                )
            )
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        ]
        return "\n".join(
            (
                f"{self.name}: {self.title}",
                *(line.rstrip() for line in lines),
                *(f"  {note}" for note in self.notes),
            )
        )


def number(value: float) -> str:
    """A number with three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def interleaved(runs: int, *sides: Callable[[], float]) -> list[tuple[float, ...]]:
    """The values of each side, measured in turns: A, B, A, B, …"""
    found: list[list[float]] = [[] for _ in sides]
    for _ in range(runs):
        for values, side in zip(found, sides, strict=True):
            values.append(side())
    return [tuple(values) for values in found]


def per_run(values: Sequence[float]) -> tuple[float, ...]:
    """Values as a side holds them."""
    return tuple(values)
