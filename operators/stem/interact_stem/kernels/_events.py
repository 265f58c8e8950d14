"""Event arrays as kernels take them, checked once so that the loops need no checks."""

import numpy as np
import numpy.typing as npt

from interact_stem.errors import ShapeError
from interact_stem.kernels._compile import Array, compiled, native

_NONE = np.empty(0, np.uint16)


def event_arrays(
    rows: npt.ArrayLike,
    columns: npt.ArrayLike,
    counts: npt.ArrayLike | None,
    offsets: npt.ArrayLike,
) -> tuple[Array, Array, Array, Array]:
    """The event arrays as kernels take them; no counts become an empty array.

    Raises:
        ShapeError: If they do not fit each other.
    """
    y, x, ends = native(rows), native(columns), native(offsets)
    times = native(_NONE if counts is None else counts)
    whole = y.shape == x.shape == (y.size,) and times.shape in ((y.size,), (0,))
    if not whole or (counts is not None and times.size != y.size):
        raise ShapeError(
            f"rows, columns and counts have shapes {y.shape}, {x.shape}, {times.shape}"
        )
    if any(a.dtype.kind == "f" for a in (y, x, times, ends)):
        raise ShapeError("events are integers, not floats")
    if ends.ndim != 1 or not len(ends) or not _ascending(ends, y.size):
        raise ShapeError(f"offsets do not rise from 0 to the number of events, {y.size}")
    return y, x, times, ends


def check_inside(rows: Array, columns: Array, shape: tuple[int, ...]) -> None:
    """Refuse events outside a detector of this shape.

    Raises:
        ShapeError: If there is one, or the shape is not (rows, columns).
    """
    if len(shape) != 2:
        raise ShapeError(f"the detector has shape (rows, columns), not {shape}")
    if not (_inside(rows, shape[0]) and _inside(columns, shape[1])):
        raise ShapeError(f"an event lies outside the detector of {shape[0]} × {shape[1]} pixels")


@compiled
def _ascending(offsets: Array, size: int) -> bool:
    last = np.int64(0)
    ok = offsets[0] == 0
    for i in range(len(offsets)):
        ok &= offsets[i] >= last
        last = np.int64(offsets[i])
    return bool(ok and last == size)


@compiled
def _inside(index: Array, edge: int) -> bool:
    """Whether every number lies in [0, edge)."""
    outside = False
    for k in range(len(index)):
        outside |= (index[k] < 0) | (index[k] >= edge)
    return not outside
