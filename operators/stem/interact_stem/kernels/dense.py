"""Sums and moments of dense frames."""

from typing import Any

import numpy as np
import numpy.typing as npt

from interact_stem.errors import ShapeError
from interact_stem.kernels._compile import Array, compiled, native, native_frames, native_mask

_NARROW_EDGE = 32767
"""Up to this edge a row or a column of 16-bit pixels sums in 32 bits: 65535 · 32767 < 2³¹."""
_TILE = 4096
"""Pixels summed at a time over all frames: 32 KiB of int64, the size of a first-level cache."""


def moments(frames: npt.ArrayLike, mask: npt.ArrayLike | None = None) -> Array:
    """Sum, and sums weighted by row and by column, of each frame.

    Args:
        frames: Shape (n, rows, columns), integers or floats.
        mask: Pixels to use, bool, shape (rows, columns); None for all.

    Returns:
        [Σ v, Σ y·v, Σ x·v] per frame, shape (n, 3), in counts and counts · px from pixel (0, 0):
        int64 for integers, float64 for floats. The centre of mass is the ratio.

    Raises:
        ShapeError: If the shapes do not fit.

    >>> moments(np.array([[[0, 0, 2], [0, 0, 1]]], np.uint16))
    array([[3, 1, 6]])
    """
    array = native_frames(frames)
    _, rows, columns = array.shape
    if mask is not None:
        used = native_mask(mask, (rows, columns))
    else:
        used = np.empty((0, 0), np.uint8)
        used.flags.writeable = False
    out = np.zeros((array.shape[0], 3), _sum_dtype(array))
    if _narrow(array):
        _moments_narrow(array, used, out)
    else:
        _moments_wide(array, used, out.dtype.type(0), out)
    return out


def sums(frames: npt.ArrayLike, masks: npt.ArrayLike) -> Array:
    """Sum of each frame inside each mask: virtual detectors.

    Args:
        frames: Shape (n, rows, columns).
        masks: bool, shape (k, rows, columns), or (rows, columns) for one.

    Returns:
        Shape (n, k), int64 and exact for integers, float64 for floats.

    Raises:
        ShapeError: If the shapes do not fit.
    """
    array = native_frames(frames)
    stack = np.asarray(masks)
    stack = stack[None] if stack.ndim == 2 else stack
    used = native_mask(stack, (stack.shape[0], *array.shape[1:]))
    out = np.zeros((array.shape[0], len(used)), _sum_dtype(array))
    first, last = _extent(used)
    if _narrow(array):
        _sums_narrow(array, used, first, last, out)
    else:
        _sums_wide(array, used, first, last, out.dtype.type(0), out)
    return out


def frame_sum(frames: npt.ArrayLike, out: Array) -> Array:
    """Add every frame to a summed pattern, in place.

    Args:
        frames: Shape (n, rows, columns).
        out: Pattern so far, shape (rows, columns), int64 or (for float frames) float64.

    Returns:
        ``out``.

    Raises:
        ShapeError: If ``out`` has another shape, or is not of the type or layout for it.
    """
    array = native_frames(frames)
    wanted = (np.float64,) if array.dtype.kind == "f" else (np.int64, np.float64)
    if out.shape != array.shape[1:] or out.dtype.type not in wanted or not out.flags.c_contiguous:
        raise ShapeError(
            f"out is {out.dtype} of shape {out.shape}, expected contiguous "
            f"{wanted[0].__name__} of shape {array.shape[1:]}"
        )
    _frame_sum(array.reshape(len(array), -1), out.reshape(-1))
    return out


def saturated(frames: npt.ArrayLike, level: float) -> npt.NDArray[np.int64]:
    """Number of pixels of each frame at or above the detector's last value, shape (n,)."""
    array = native_frames(frames)
    out = np.zeros(len(array), np.int64)
    limit: Any = float(level) if array.dtype.kind == "f" else int(np.ceil(level))
    _saturated(array.reshape(len(array), -1), limit, out)
    return out


def _sum_dtype(array: Array) -> np.dtype[Any]:
    return np.dtype(np.float64 if array.dtype.kind == "f" else np.int64)


def _narrow(array: Array) -> bool:
    small = array.dtype.kind != "f" and array.dtype.itemsize <= 2
    return small and max(array.shape[1:]) <= _NARROW_EDGE


def _extent(masks: npt.NDArray[np.uint8]) -> tuple[Array, Array]:
    """First used column and one past the last, for each mask and row; equal where none is."""
    columns = masks.shape[2]
    used = masks.any(axis=2)
    first = np.where(used, masks.argmax(axis=2), 0)
    last = np.where(used, columns - masks[:, :, ::-1].argmax(axis=2), 0)
    return native(first), native(last)


@compiled
def _moments_narrow(frames: Array, mask: Array, out: Array) -> None:
    n, rows, columns = frames.shape
    below = np.empty(columns, np.int32)
    for i in range(n):
        below[:] = 0
        total = weighted = np.int64(0)
        for y in range(rows):
            row = np.int32(0)
            if mask.size:
                for x in range(columns):
                    v = np.int32(frames[i, y, x]) * np.int32(mask[y, x])
                    row = np.int32(row + v)
                    below[x] += v
            else:
                for x in range(columns):
                    row = np.int32(row + np.int32(frames[i, y, x]))
                    below[x] += frames[i, y, x]
            total += row
            weighted += y * np.int64(row)
        across = np.int64(0)
        for x in range(columns):
            across += x * np.int64(below[x])
        out[i, 0], out[i, 1], out[i, 2] = total, weighted, across


@compiled
def _moments_wide(frames: Array, mask: Array, zero: Any, out: Array) -> None:
    n, rows, columns = frames.shape
    below = np.empty(columns, out.dtype)
    for i in range(n):
        below[:] = zero
        total = zero
        weighted = zero
        for y in range(rows):
            row = zero
            for x in range(columns):
                if mask.size == 0 or mask[y, x]:
                    v = zero + frames[i, y, x]
                    row += v
                    below[x] += v
            total += row
            weighted += y * row
        across = zero
        for x in range(columns):
            across += x * below[x]
        out[i, 0], out[i, 1], out[i, 2] = total, weighted, across


@compiled
def _sums_narrow(frames: Array, masks: Array, first: Array, last: Array, out: Array) -> None:
    n, rows, _ = frames.shape
    for i in range(n):
        for y in range(rows):
            for k in range(len(masks)):
                values = frames[i, y, first[k, y] : last[k, y]]
                used = masks[k, y, first[k, y] : last[k, y]]
                row = np.int32(0)
                for x in range(len(values)):
                    row = np.int32(row + np.int32(values[x]) * np.int32(used[x]))
                out[i, k] += row


@compiled
def _sums_wide(
    frames: Array, masks: Array, first: Array, last: Array, zero: Any, out: Array
) -> None:
    n, rows, _ = frames.shape
    for i in range(n):
        for y in range(rows):
            for k in range(len(masks)):
                values = frames[i, y, first[k, y] : last[k, y]]
                used = masks[k, y, first[k, y] : last[k, y]]
                row = zero
                for x in range(len(values)):
                    if used[x]:
                        row += values[x]
                out[i, k] += row


@compiled
def _frame_sum(frames: Array, out: Array) -> None:
    n, pixels = frames.shape
    for start in range(0, pixels, _TILE):
        tile = out[start : start + _TILE]
        for i in range(n):
            values = frames[i, start : start + _TILE]
            for p in range(len(tile)):
                tile[p] += values[p]


@compiled
def _saturated(frames: Array, level: Any, out: Array) -> None:
    n, pixels = frames.shape
    for i in range(n):
        found = 0
        for p in range(pixels):
            found += frames[i, p] >= level
        out[i] = found
