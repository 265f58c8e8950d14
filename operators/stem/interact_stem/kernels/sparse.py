"""Sums and moments of counted events, and smaller detectors from larger ones."""

from typing import Any

import numpy as np
import numpy.typing as npt

from interact_stem.errors import ShapeError
from interact_stem.events import SparseEvents, coordinate_dtype
from interact_stem.kernels._compile import Array, compiled, native, native_mask
from interact_stem.kernels.dense import check_factor, check_ranges

_BLOCK = 32768
"""Events summed in 32 bits at a time: 32768 coordinates below 2¹⁵ stay below 2³⁰."""


def sparse_moments(
    rows: npt.ArrayLike,
    columns: npt.ArrayLike,
    counts: npt.ArrayLike | None,
    offsets: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
) -> npt.NDArray[np.int64]:
    """Events, and events weighted by row and by column, of each frame.

    Args:
        rows: Detector row of each event, signed integers, shape (events,).
        columns: Detector column of each event, likewise.
        counts: How often each event counts, shape (events,); None for once.
        offsets: Event k of frame i is k in [offsets[i], offsets[i + 1]), shape (n + 1,).
        mask: Pixels to use, bool, shape (rows, columns) of the detector; None for all.

    Returns:
        [Σ, Σ y, Σ x] per frame, int64, shape (n, 3), from pixel (0, 0).

    Raises:
        ShapeError: If the arrays do not fit, or an event lies outside the mask.

    >>> sparse_moments(np.int16([0, 2]), np.int16([1, 5]), None, np.array([0, 2, 2]))
    array([[2, 2, 6],
           [0, 0, 0]])
    """
    y, x, times, ends = _arrays(rows, columns, counts, offsets)
    out = np.zeros((len(ends) - 1, 3), np.int64)
    if mask is not None:
        used = native_mask(mask, np.shape(mask))
        _check_inside(y, x, used.shape)
        _moments_masked(y, x, times, ends, used, out)
    elif counts is not None:
        _moments_counted(y, x, times, ends, out)
    elif y.dtype.itemsize <= 2 and x.dtype.itemsize <= 2:
        _moments_narrow(y, x, ends, out)
    else:
        _moments_wide(y, x, ends, out)
    return out


def sparse_sums(
    rows: npt.ArrayLike,
    columns: npt.ArrayLike,
    counts: npt.ArrayLike | None,
    offsets: npt.ArrayLike,
    masks: npt.ArrayLike,
) -> npt.NDArray[np.int64]:
    """Events of each frame inside each mask: virtual detectors.

    Args:
        rows: Detector row of each event; the other event arrays as in `sparse_moments`.
        columns: Detector column of each event.
        counts: How often each event counts; None for once.
        offsets: Where each frame's events begin and end.
        masks: bool, shape (k, rows, columns) of the detector, or (rows, columns) for one.

    Returns:
        int64, shape (n, k).

    Raises:
        ShapeError: If the arrays do not fit, or an event lies outside the detector.
    """
    y, x, times, ends = _arrays(rows, columns, counts, offsets)
    stack = np.asarray(masks)
    stack = stack[None] if stack.ndim == 2 else stack
    used = native_mask(stack, stack.shape)
    out = np.zeros((len(ends) - 1, len(used)), np.int64)
    _check_inside(y, x, used.shape[1:])
    _sums(y, x, times, ends, used, out)
    return out


def sparse_frame_sum(
    rows: npt.ArrayLike,
    columns: npt.ArrayLike,
    counts: npt.ArrayLike | None,
    offsets: npt.ArrayLike,
    out: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Add every event to a summed pattern, in place.

    Args:
        rows: Detector row of each event; the other event arrays as in `sparse_moments`.
        columns: Detector column of each event.
        counts: How often each event counts; None for once.
        offsets: Where each frame's events begin and end.
        out: Pattern so far, int64, shape (rows, columns) of the detector.

    Returns:
        ``out``.

    Raises:
        ShapeError: If the arrays do not fit, or an event lies outside ``out``; nothing is added.
    """
    y, x, times, _ = _arrays(rows, columns, counts, offsets)
    if out.ndim != 2 or out.dtype != np.int64:
        raise ShapeError(
            f"out is {out.dtype} of shape {out.shape}, expected int64 of (rows, columns)"
        )
    _check_inside(y, x, out.shape)
    _scatter(y, x, times, out)
    return out


def bin_sparse(
    rows: npt.ArrayLike,
    columns: npt.ArrayLike,
    counts: npt.ArrayLike | None,
    offsets: npt.ArrayLike,
    shape: tuple[int, int],
    factor: int,
) -> SparseEvents:
    """Move events to a detector with larger pixels; a ragged edge is dropped.

    Args:
        rows: Detector row of each event; the other event arrays as in `sparse_moments`.
        columns: Detector column of each event.
        counts: How often each event counts; None for once.
        offsets: Where each frame's events begin and end.
        shape: Edges of the detector (rows, columns).
        factor: Edge of a new pixel in old ones.

    Returns:
        Events on a detector of (rows // factor, columns // factor). Events of a frame that fall
        into one pixel are merged and their counts added (uint16; uint32 if one is larger), in
        the order of first appearance; counts are None where every one is 1.

    Raises:
        ShapeError: If the factor or the arrays do not fit, or an event lies outside the detector.
    """
    check_factor(factor, shape)
    events = _arrays(rows, columns, counts, offsets)
    _check_inside(events[0], events[1], shape)
    binned = (shape[0] // factor, shape[1] // factor)
    made = _room(events, binned, np.dtype(np.int64))
    places = (_blocks(shape[0], factor), _blocks(shape[1], factor))
    _bin(events, places, np.full(binned, -1, np.int64), made)
    used = int(made[3][-1])
    return SparseEvents(made[0][:used], made[1][:used], _narrowed(made[2][:used]), made[3], binned)


def crop_sparse(
    rows: npt.ArrayLike,
    columns: npt.ArrayLike,
    counts: npt.ArrayLike | None,
    offsets: npt.ArrayLike,
    row_range: tuple[int, int],
    column_range: tuple[int, int],
) -> SparseEvents:
    """Keep the events inside a rectangle of the detector.

    Args:
        rows: Detector row of each event; the other event arrays as in `sparse_moments`.
        columns: Detector column of each event.
        counts: How often each event counts; None for once.
        offsets: Where each frame's events begin and end.
        row_range: Half-open range [start, stop) of rows to keep.
        column_range: The same of columns. Pixel c lies at c − start of the result.

    Returns:
        Events on a detector of the rectangle's size, in their order.

    Raises:
        ShapeError: If a range is empty or starts below 0, or the arrays do not fit.
    """
    check_ranges(row_range, column_range, (row_range[1], column_range[1]))
    events = _arrays(rows, columns, counts, offsets)
    shape = (row_range[1] - row_range[0], column_range[1] - column_range[0])
    made = _room(events, shape, events[2].dtype)
    _crop(events, row_range, column_range, made)
    used = int(made[3][-1])
    times = None if counts is None else made[2][:used]
    return SparseEvents(made[0][:used], made[1][:used], times, made[3], shape)


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


def _arrays(
    rows: npt.ArrayLike,
    columns: npt.ArrayLike,
    counts: npt.ArrayLike | None,
    offsets: npt.ArrayLike,
) -> tuple[Array, Array, Array, Array]:
    """The event arrays as kernels take them; no counts become an empty array."""
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


_NONE = np.empty(0, np.uint16)


def _check_inside(rows: Array, columns: Array, shape: tuple[int, ...]) -> None:
    if len(shape) != 2:
        raise ShapeError(f"the detector has shape (rows, columns), not {shape}")
    if not (_inside(rows, shape[0]) and _inside(columns, shape[1])):
        raise ShapeError(f"an event lies outside the detector of {shape[0]} × {shape[1]} pixels")


def _room(
    events: tuple[Array, Array, Array, Array], shape: tuple[int, int], counts: np.dtype[Any]
) -> tuple[Array, Array, Array, Array]:
    """Arrays that hold as many events on a detector of this shape, offsets from 0."""
    dtype = coordinate_dtype(shape)
    size = len(events[0])
    return (
        np.empty(size, dtype),
        np.empty(size, dtype),
        np.empty(size, counts),
        np.zeros(len(events[3]), np.int64),
    )


def _blocks(edge: int, factor: int) -> npt.NDArray[np.int32]:
    """New coordinate of each old one, −1 on the ragged edge."""
    old = np.arange(edge, dtype=np.int32)
    return native(np.where(old < edge // factor * factor, old // factor, np.int32(-1)))


def _narrowed(counts: npt.NDArray[np.int64]) -> Array | None:
    largest = int(counts.max(initial=0))
    if largest <= 1 and bool((counts == 1).all()):
        return None
    return counts.astype(np.uint16 if largest <= 0xFFFF else np.uint32)


@compiled
def _ascending(offsets: Array, size: int) -> bool:
    last = np.int64(0)
    ok = offsets[0] == 0
    for i in range(len(offsets)):
        ok &= offsets[i] >= last
        last = np.int64(offsets[i])
    return bool(ok and last == size)


@compiled
def _moments_narrow(rows: Array, columns: Array, offsets: Array, out: Array) -> None:
    for i in range(len(offsets) - 1):
        for start in range(offsets[i], offsets[i + 1], _BLOCK):
            stop = min(start + _BLOCK, offsets[i + 1])
            down, across = rows[start:stop], columns[start:stop]
            y = np.int32(0)
            x = np.int32(0)
            for k in range(len(down)):
                y = np.int32(y + down[k])
                x = np.int32(x + across[k])
            out[i, 1] += y
            out[i, 2] += x
        out[i, 0] = offsets[i + 1] - offsets[i]


@compiled
def _moments_wide(rows: Array, columns: Array, offsets: Array, out: Array) -> None:
    for i in range(len(offsets) - 1):
        y = x = np.int64(0)
        for k in range(offsets[i], offsets[i + 1]):
            y += rows[k]
            x += columns[k]
        out[i, 0], out[i, 1], out[i, 2] = offsets[i + 1] - offsets[i], y, x


@compiled
def _moments_counted(
    rows: Array, columns: Array, counts: Array, offsets: Array, out: Array
) -> None:
    for i in range(len(offsets) - 1):
        n = y = x = np.int64(0)
        for k in range(offsets[i], offsets[i + 1]):
            count = np.int64(counts[k])
            n += count
            y += rows[k] * count
            x += columns[k] * count
        out[i, 0], out[i, 1], out[i, 2] = n, y, x


@compiled
def _moments_masked(
    rows: Array, columns: Array, counts: Array, offsets: Array, mask: Array, out: Array
) -> None:
    for i in range(len(offsets) - 1):
        n = y = x = np.int64(0)
        for k in range(offsets[i], offsets[i + 1]):
            r, c = np.uint32(rows[k]), np.uint32(columns[k])
            count = np.int64(mask[r, c])
            if counts.size:
                count *= np.int64(counts[k])
            n += count
            y += np.int64(r) * count
            x += np.int64(c) * count
        out[i, 0], out[i, 1], out[i, 2] = n, y, x


@compiled
def _sums(
    rows: Array, columns: Array, counts: Array, offsets: Array, masks: Array, out: Array
) -> None:
    for i in range(len(offsets) - 1):
        start, stop = offsets[i], offsets[i + 1]
        down, across, times = rows[start:stop], columns[start:stop], counts[start:stop]
        for m in range(len(masks)):
            mask = masks[m]
            total = np.int64(0)
            if counts.size:
                for k in range(len(down)):
                    inside = np.int64(mask[np.uint32(down[k]), np.uint32(across[k])])
                    total += inside * np.int64(times[k])
            else:
                for k in range(len(down)):
                    total += mask[np.uint32(down[k]), np.uint32(across[k])]
            out[i, m] = total


@compiled
def _scatter(rows: Array, columns: Array, counts: Array, out: Array) -> None:
    if counts.size:
        for k in range(len(rows)):
            out[np.uint32(rows[k]), np.uint32(columns[k])] += np.int64(counts[k])
    else:
        for k in range(len(rows)):
            out[np.uint32(rows[k]), np.uint32(columns[k])] += 1


@compiled
def _bin(
    events: tuple[Array, Array, Array, Array],
    places: tuple[Array, Array],
    where: Array,
    binned: tuple[Array, Array, Array, Array],
) -> None:
    rows, columns, counts, offsets = events
    new_row, new_column = places
    new_rows, new_columns, new_counts, new_offsets = binned
    used = 0
    for i in range(len(offsets) - 1):
        first = used
        for k in range(offsets[i], offsets[i + 1]):
            r, c = new_row[np.uint32(rows[k])], new_column[np.uint32(columns[k])]
            if r < 0 or c < 0:
                continue
            count = np.int64(counts[k]) if counts.size else np.int64(1)
            at = where[np.uint32(r), np.uint32(c)]
            if at >= first:
                new_counts[at] += count
            else:
                where[np.uint32(r), np.uint32(c)] = used
                new_rows[used], new_columns[used], new_counts[used] = r, c, count
                used += 1
        new_offsets[i + 1] = used


@compiled
def _crop(
    events: tuple[Array, Array, Array, Array],
    row_range: tuple[int, int],
    column_range: tuple[int, int],
    cropped: tuple[Array, Array, Array, Array],
) -> None:
    rows, columns, counts, offsets = events
    new_rows, new_columns, new_counts, new_offsets = cropped
    used = 0
    for i in range(len(offsets) - 1):
        for k in range(offsets[i], offsets[i + 1]):
            r, c = np.int64(rows[k]), np.int64(columns[k])
            new_rows[used], new_columns[used] = r - row_range[0], c - column_range[0]
            if counts.size:
                new_counts[used] = counts[k]
            down = (r >= row_range[0]) & (r < row_range[1])
            used += int(down & (c >= column_range[0]) & (c < column_range[1]))
        new_offsets[i + 1] = used


@compiled
def _inside(index: Array, edge: int) -> bool:
    """Whether every number lies in [0, edge)."""
    outside = False
    for k in range(len(index)):
        outside |= (index[k] < 0) | (index[k] >= edge)
    return not outside


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
