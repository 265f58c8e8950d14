"""Flat pixel numbers as rows and columns."""

from typing import Any

import numpy as np
import numpy.typing as npt

from interact_stem.errors import ShapeError
from interact_stem.events import coordinate_dtype
from interact_stem.kernels._compile import Array, compiled, native


def flat_to_rows_columns(
    index: npt.ArrayLike, columns: int, rows: int | None = None
) -> tuple[Array, Array]:
    """Split flat pixel numbers (row * columns + column) into rows and columns.

    Args:
        index: Pixel numbers, integers below 2³¹, shape (events,).
        columns: Columns of the detector.
        rows: Rows of the detector, to check against; None takes what is found.

    Returns:
        Rows and columns, int16 where both edges are at most 32767, else int32.

    Raises:
        ShapeError: If a number is negative or lies past the detector.

    >>> flat_to_rows_columns(np.uint32([5, 12]), 6)
    (array([0, 2], dtype=int16), array([5, 0], dtype=int16))
    """
    flat = native(index).reshape(-1)
    if flat.dtype.kind == "f" or columns < 1:
        raise ShapeError(f"pixel numbers are {flat.dtype} for {columns} columns, expected integers")
    last = _last(flat) if len(flat) else 0
    limit = 1 << 31 if rows is None else min(rows * columns, 1 << 31)
    if not 0 <= last < limit:
        raise ShapeError(f"a pixel number is {last}, the detector has pixels 0 to {limit - 1}")
    edge = last // columns + 1 if rows is None else rows
    dtype = coordinate_dtype((edge, columns))
    y, x = np.empty(len(flat), dtype), np.empty(len(flat), dtype)
    shift = (columns - 1).bit_length()
    _split(
        flat, np.uint32(columns), np.uint32(-(-(1 << (31 + shift)) // columns)), 31 + shift, y, x
    )
    return y, x


@compiled
def _last(index: Array) -> int:
    """The largest number, or the smallest if that is negative."""
    low = high = np.int64(index[0])
    for k in range(len(index)):
        low = min(low, np.int64(index[k]))
        high = max(high, np.int64(index[k]))
    return int(low if low < 0 else high)


@compiled
def _split(
    index: Array, width: Any, multiplier: Any, shift: int, rows: Array, columns: Array
) -> None:
    """Divide by multiplying: exact for numbers below 2³¹ (Granlund and Montgomery, 1994)."""
    for k in range(len(index)):
        flat = np.uint32(index[k])
        row = np.uint32((np.uint64(flat) * np.uint64(multiplier)) >> np.uint64(shift))
        rows[k] = row
        columns[k] = np.uint32(flat - np.uint32(row * width))
