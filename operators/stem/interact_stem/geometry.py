"""Where things lie on the detector and in the scan.

Order is (y, x) = (row, column); pixel centres lie at integers, the origin at pixel (0, 0).
"""

import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from interact_stem.errors import ReaderError, ShapeError

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Point = tuple[float, float]
DetectorOrder = Literal["centred", "fft"]
ScanOrder = Literal["raster", "snake"]


def disk(shape: tuple[int, int], center_y: float, center_x: float, radius: float) -> Mask:
    """Pixels whose centre lies within the radius: r ≤ radius.

    Args:
        shape: Edges of the detector (rows, columns).
        center_y: Row of the centre, px.
        center_x: Column of the centre, px.
        radius: px; below 0 no pixel, 0 the pixel at the centre.

    Returns:
        bool, shape (rows, columns).

    >>> disk((2, 4), 0, 2, 1).astype(int)
    array([[0, 1, 1, 1],
           [0, 0, 1, 0]])
    """
    if radius < 0:
        return np.zeros(shape, bool)
    inside: Mask = _squared_distance(shape, center_y, center_x) <= float(radius) ** 2
    return inside


def ring(
    shape: tuple[int, int], center_y: float, center_x: float, inner: float, outer: float
) -> Mask:
    """Pixels whose centre lies between two radii: inner < r ≤ outer.

    A disk and the ring around it share no pixel and leave none out. A ring from 0 is no disk:
    it lacks a pixel that lies at the very centre.

    Args:
        shape: Edges of the detector (rows, columns).
        center_y: Row of the centre, px.
        center_x: Column of the centre, px.
        inner: px, excluded.
        outer: px, included; infinity for no outer edge.

    Returns:
        bool, shape (rows, columns).
    """
    hole = disk(shape, center_y, center_x, inner)
    return disk(shape, center_y, center_x, outer) & ~hole


def read_mask(path: str | Path, shape: tuple[int, int]) -> Mask:
    """Read a mask file: which pixels of the detector to use.

    A ``.npy`` file of bool or uint8, shape (rows, columns). True (or any number but 0) marks a
    pixel to *use*; False (0) marks a hot or dead pixel or a gap, left out of every sum.

    Args:
        path: The file.
        shape: Edges of the detector (rows, columns).

    Returns:
        bool, shape (rows, columns).

    Raises:
        ReaderError: If the file is not such a mask, has another shape, or uses no pixel.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ReaderError(path, "mask", str(error), "save it with numpy.save") from error
    if not isinstance(array, np.ndarray) or array.dtype not in (np.bool_, np.uint8):
        found = getattr(array, "dtype", type(array).__name__)
        raise ReaderError(path, "mask dtype", str(found), "save a bool or uint8 array")
    if array.shape != tuple(shape):
        raise ReaderError(path, "mask shape", array.shape, f"the detector has {tuple(shape)}")
    mask: Mask = np.asarray(array) != 0
    if not mask.any():
        raise ReaderError(path, "mask", "all False", "True marks a pixel to use; invert it?")
    return mask


def cropped(point: Point, top: float, left: float) -> Point:
    """Where a point (y, x) of the detector lies after rows and columns before it were cut off."""
    return point[0] - top, point[1] - left


def binned(point: Point, factor: int) -> Point:
    """Where a point (y, x) lies after blocks of pixels became one: c → (c + 0.5) / b − 0.5.

    >>> binned((0.5, 3.0), 2)
    (0.0, 1.25)
    """
    return (point[0] + 0.5) / factor - 0.5, (point[1] + 0.5) / factor - 0.5


def unbinned(point: Point, factor: int) -> Point:
    """The inverse of `binned`: c → (c + 0.5) · b − 0.5."""
    return (point[0] + 0.5) * factor - 0.5, (point[1] + 0.5) * factor - 0.5


def positions(
    index: npt.ArrayLike,
    shape: tuple[int, ...],
    *,
    order: ScanOrder = "raster",
    flyback: int = 0,
    frames_per_position: int = 1,
    offset: int = 0,
) -> npt.NDArray[np.int64]:
    """The place in the scan of each frame.

    Frames are numbered in the order of acquisition. The first ``offset`` frames belong to no
    position, then each position takes ``frames_per_position`` frames; after the columns of a row
    come ``flyback`` positions while the beam returns. Snake reverses every second row, beginning
    with row 1; its flyback lies at the end of each row in time.

    Args:
        index: Frame numbers, integers, any shape.
        shape: Scan (rows, columns), or (n,) for a list of positions, which has no flyback.
        order: How rows follow each other.
        flyback: Positions to drop at the end of each row.
        frames_per_position: At least 1.
        offset: Frames before the first position (the detector started early); negative where
            the first frames were lost.

    Returns:
        row * columns + column, int64, the shape of ``index``; −1 for a frame of no position.

    Raises:
        ShapeError: If an argument is out of its range.

    >>> positions([0, 1, 2, 3, 4, 5, 6], (2, 3), order="snake")
    array([ 0,  1,  2,  5,  4,  3, -1])
    """
    listed = len(shape) == 1
    _check_scan(shape, order, flyback, frames_per_position)
    place = (np.asarray(index, np.int64) - offset) // frames_per_position
    rows, columns = (1, shape[0]) if listed else shape
    row, column = np.divmod(place, columns + (0 if listed else flyback))
    outside = (place < 0) | (row >= rows) | (column >= columns)
    if order == "snake" and not listed:
        column = np.where(row % 2 == 1, columns - 1 - column, column)
    return np.where(outside, np.int64(-1), row * columns + column)


def total_frames(
    shape: tuple[int, ...], *, flyback: int = 0, frames_per_position: int = 1, offset: int = 0
) -> int:
    """Number of frames of a whole scan, those of flyback and offset included."""
    if len(shape) == 1:
        return max(0, offset + shape[0] * frames_per_position)
    rows, columns = shape
    return max(0, offset + rows * (columns + flyback) * frames_per_position)


def in_centred_order(array: Array, order: DetectorOrder) -> Array:
    """Bring the last two axes to the order in which the beam lies near the middle.

    Args:
        array: Shape (…, rows, columns).
        order: ``centred`` returns the array as it is; ``fft`` has the beam at pixel (0, 0), as a
            Fourier transform leaves it, and moves row 0 to rows // 2 and column 0 to columns // 2
            (``numpy.fft.fftshift``).

    Raises:
        ShapeError: If the order is neither.
    """
    check_detector_order(order)
    return np.fft.fftshift(array, axes=(-2, -1)) if order == "fft" else array


def check_detector_order(order: str) -> None:
    """Refuse an order that is neither ``centred`` nor ``fft``."""
    if order not in ("centred", "fft"):
        raise ShapeError(f"detector_order is {order!r}, expected 'centred' or 'fft'")


def _check_scan(shape: tuple[int, ...], order: str, flyback: int, repeats: int) -> None:
    if len(shape) not in (1, 2) or min(shape) < 1:
        raise ShapeError(f"a scan has shape (rows, columns) or (n,), at least 1 each, not {shape}")
    if order not in ("raster", "snake"):
        raise ShapeError(f"scan order is {order!r}, expected 'raster' or 'snake'")
    if flyback < 0 or repeats < 1:
        raise ShapeError(
            f"flyback is {flyback} and frames_per_position {repeats}, expected at least 0 and 1"
        )


def _squared_distance(shape: tuple[int, int], center_y: float, center_x: float) -> Array:
    if not (math.isfinite(center_y) and math.isfinite(center_x)):
        raise ShapeError(f"the centre ({center_y}, {center_x}) is not a point")
    y = np.arange(shape[0], dtype=np.float64)[:, None] - center_y
    x = np.arange(shape[1], dtype=np.float64)[None, :] - center_x
    return y * y + x * x
