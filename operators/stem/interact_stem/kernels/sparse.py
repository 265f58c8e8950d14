"""Sums and moments of counted events."""

import numpy as np
import numpy.typing as npt

from interact_stem.errors import ShapeError
from interact_stem.kernels._compile import Array, compiled, native_mask
from interact_stem.kernels._events import check_inside, event_arrays

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
    y, x, times, ends = event_arrays(rows, columns, counts, offsets)
    out = np.zeros((len(ends) - 1, 3), np.int64)
    if mask is not None:
        used = native_mask(mask, np.shape(mask))
        check_inside(y, x, used.shape)
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
    y, x, times, ends = event_arrays(rows, columns, counts, offsets)
    stack = np.asarray(masks)
    stack = stack[None] if stack.ndim == 2 else stack
    used = native_mask(stack, stack.shape)
    out = np.zeros((len(ends) - 1, len(used)), np.int64)
    check_inside(y, x, used.shape[1:])
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
    y, x, times, _ = event_arrays(rows, columns, counts, offsets)
    if out.ndim != 2 or out.dtype != np.int64:
        raise ShapeError(
            f"out is {out.dtype} of shape {out.shape}, expected int64 of (rows, columns)"
        )
    check_inside(y, x, out.shape)
    _scatter(y, x, times, out)
    return out


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
