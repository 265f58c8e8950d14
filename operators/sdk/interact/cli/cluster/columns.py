"""Rows in columns, and values as people read them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
GAP: Final = "   "
"""Between two columns, as kubectl has it."""


def aligned(rows: Sequence[Sequence[str]], widths: Sequence[int] = ()) -> list[str]:
    """Rows in columns, each as wide as its widest cell, or as ``widths`` if that is more.

    >>> aligned([("NAME", "READY"), ("demo", "True")])
    ['NAME   READY', 'demo   True']
    """
    if not rows:
        return []
    least = [*widths, *[0] * len(rows[0])]
    wide = [max(least[i], *(len(row[i]) for row in rows)) for i in range(len(rows[0]))]
    return [
        GAP.join(cell.ljust(width) for cell, width in zip(row, wide, strict=True)).rstrip()
        for row in rows
    ]


def widths(rows: Sequence[Sequence[str]]) -> list[int]:
    """How wide each column is."""
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def indented(lines: Sequence[str], by: int = 2) -> list[str]:
    """Lines with spaces before them."""
    return [" " * by + line if line else "" for line in lines]


def age(time: str, now: datetime) -> str:
    """How long ago a time (RFC 3339) was, in its largest unit; ``?`` if it is none.

    >>> age("2026-01-01T00:00:00Z", datetime(2026, 1, 1, 0, 5, 30, tzinfo=UTC))
    '5m'
    """
    try:
        seconds = (now - datetime.fromisoformat(time).astimezone(UTC)).total_seconds()
    except ValueError:
        return "?"
    return next((f"{int(seconds // size)}{unit}" for size, unit in _UNITS if seconds >= size), "0s")
