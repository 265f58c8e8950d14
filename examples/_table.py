"""The comparison with references, as rows that pass or fail and as aligned text."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One quantity against its reference.

    Attributes:
        quantity: What is compared.
        reference: What it is compared with.
        error: The largest error, or how far a measure is from its ideal; never negative.
        tolerance: The largest error that passes; 0 asks for equality.
        unit: Unit of both.
    """

    quantity: str
    reference: str
    error: float
    tolerance: float
    unit: str = ""

    @property
    def passed(self) -> bool:
        """Whether the error is a number within the tolerance."""
        return math.isfinite(self.error) and 0 <= self.error <= self.tolerance


HEADINGS = ("quantity", "reference", "largest error", "tolerance", "")


def table(rows: Sequence[Row]) -> str:
    """Rows as lines whose columns line up, under a line of headings."""
    cells = [HEADINGS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADINGS))]
    lines = ["  ".join(_aligned(line, widths)).rstrip() for line in cells]
    return "\n".join([lines[0], "─" * max(map(len, lines)), *lines[1:]])


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.quantity,
        row.reference,
        _number(row.error, row.unit),
        "exact" if row.tolerance == 0 else _number(row.tolerance, row.unit),
        "pass" if row.passed else "FAIL",
    )


def _aligned(line: tuple[str, ...], widths: Sequence[int]) -> list[str]:
    """Words to the left, numbers to the right."""
    return [
        cell.rjust(width) if column in {2, 3} else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]


def _number(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}".rstrip()


def verdict(rows: Sequence[Row]) -> str:
    """All rows in one sentence."""
    failed = [row.quantity for row in rows if not row.passed]
    if not rows:
        return "nothing was compared"
    if failed:
        return f"{len(failed)} of {len(rows)} comparisons FAILED: {', '.join(failed)}"
    return f"all {len(rows)} comparisons pass"


def exit_code(rows: Sequence[Row]) -> int:
    """0 if something was compared and all of it passed, else 1."""
    return 0 if rows and all(row.passed for row in rows) else 1
