"""Smaller frames from larger ones: binned and cropped, dense and sparse alike."""

from typing import Any

import numpy as np
import numpy.typing as npt

from interact_stem.errors import ShapeError
from interact_stem.events import SparseEvents, coordinate_dtype
from interact_stem.kernels._compile import Array, compiled, native, native_frames
from interact_stem.kernels._events import check_inside, event_arrays


def bin_dense(frames: npt.ArrayLike, factor: int) -> Array:
    """Sum square blocks of pixels; a ragged edge is dropped.

    Args:
        frames: Shape (n, rows, columns).
        factor: Block edge in pixels, at least 1 and at most the shorter edge.

    Returns:
        Shape (n, rows // factor, columns // factor). Integers widen so that no block overflows
        (1 and 2 bytes to 4, or 8 from factor 257 on; 4 to 8); floats keep their type. Pixel c of
        the frame lies at (c + 0.5) / factor − 0.5 of the result.

    Raises:
        ShapeError: If the factor does not fit.

    >>> bin_dense(np.ones((1, 2, 5), np.uint8), 2)
    array([[[4, 4]]], dtype=uint32)
    """
    array = native_frames(frames)
    n, rows, columns = array.shape
    _check_factor(factor, (rows, columns))
    out = np.zeros((n, rows // factor, columns // factor), _block_dtype(array.dtype, factor))
    _bin_dense(array, factor, np.empty(out.shape[2] * factor, _line_dtype(out.dtype)), out)
    return out


def crop_dense(frames: npt.ArrayLike, rows: tuple[int, int], columns: tuple[int, int]) -> Array:
    """Cut a rectangle out of every frame.

    Args:
        frames: Shape (n, rows, columns).
        rows: Half-open range [start, stop) of rows to keep.
        columns: The same of columns. Pixel c of the frame lies at c − start of the result.

    Returns:
        A contiguous copy of the same type.

    Raises:
        ShapeError: If a range is empty or reaches past the detector.
    """
    array = np.asarray(frames)
    if array.ndim != 3:
        raise ShapeError(f"frames have shape (n, rows, columns), not {array.shape}")
    _check_ranges(rows, columns, (array.shape[1], array.shape[2]))
    return np.ascontiguousarray(array[:, rows[0] : rows[1], columns[0] : columns[1]])


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
    _check_factor(factor, shape)
    events = event_arrays(rows, columns, counts, offsets)
    check_inside(events[0], events[1], shape)
    binned = (shape[0] // factor, shape[1] // factor)
    made = _room(events, binned, np.dtype(np.int64))
    places = (_blocks(shape[0], factor), _blocks(shape[1], factor))
    _bin_sparse(events, places, np.full(binned, -1, np.int64), made)
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
    _check_ranges(row_range, column_range, (row_range[1], column_range[1]))
    events = event_arrays(rows, columns, counts, offsets)
    shape = (row_range[1] - row_range[0], column_range[1] - column_range[0])
    made = _room(events, shape, events[2].dtype)
    _crop_sparse(events, row_range, column_range, made)
    used = int(made[3][-1])
    times = None if counts is None else made[2][:used]
    return SparseEvents(made[0][:used], made[1][:used], times, made[3], shape)


def _check_factor(factor: int, shape: tuple[int, int]) -> None:
    """Refuse a bin factor that leaves no pixel."""
    if not 1 <= factor <= min(shape):
        raise ShapeError(f"bin factor {factor} is not between 1 and the shorter edge of {shape}")


def _check_ranges(rows: tuple[int, int], columns: tuple[int, int], shape: tuple[int, int]) -> None:
    """Refuse a crop that is empty or reaches past the detector."""
    for name, (start, stop), edge in zip(("rows", "columns"), (rows, columns), shape, strict=True):
        if not 0 <= start < stop <= edge:
            raise ShapeError(f"crop of {name} [{start}, {stop}) does not fit in [0, {edge})")


def _block_dtype(dtype: np.dtype[Any], factor: int) -> np.dtype[Any]:
    if dtype.kind == "f":
        return dtype
    size = 8 if dtype.itemsize > 2 or factor > 256 else 4
    return np.dtype(f"{'i' if size == 8 else dtype.kind}{size}")


def _line_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float64) if dtype.kind == "f" else dtype


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
def _bin_dense(frames: Array, factor: int, line: Array, out: Array) -> None:
    n, rows, columns = out.shape
    for i in range(n):
        for y in range(rows):
            line[:] = 0
            for below in range(factor):
                values = frames[i, y * factor + below]
                for x in range(len(line)):
                    line[x] += values[x]
            if factor == 2:  # a constant step is what lets the compiler use vector instructions
                for x in range(columns):
                    out[i, y, x] = line[2 * x] + line[2 * x + 1]
            elif factor == 4:
                for x in range(columns):
                    left = line[4 * x] + line[4 * x + 1]
                    out[i, y, x] = left + (line[4 * x + 2] + line[4 * x + 3])
            else:
                for x in range(columns):
                    total = line[x * factor]
                    for right in range(1, factor):
                        total += line[x * factor + right]
                    out[i, y, x] = total


@compiled
def _bin_sparse(
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
def _crop_sparse(
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
