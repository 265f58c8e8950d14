"""What a format's reader offers to `ScanFile`, and the checks that all of them share."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from interact_stem.errors import ReaderError
from interact_stem.events import SparseEvents

Array = npt.NDArray[Any]
Frames = Array | SparseEvents

MAX_EDGE = 65536
"""Longest edge of a detector; the largest in use have 16384."""
MAX_FRAME_BYTES = 1 << 30
"""Largest single frame: 16384 × 16384 of 4 bytes. Bounds what a damaged header can ask for."""
MAX_FRAMES = 1 << 40
"""Most frames of a scan; keeps every product of sizes within 64 bits."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stored:
    """An open file of one format.

    Attributes:
        kind: Whether ``read`` gives images or events.
        frames: Whole frames in the file.
        shape: Scan (rows, columns) the file declares, or None where it does not say.
        frames_per_position: As the file says; 1 where it does not.
        detector_shape: (rows, columns).
        dtype: Of a pixel, native-endian; of a count for events.
        bytes_per_frame: Size of a frame in memory; for events an average over the file.
        metadata: What the file says of itself: strings and numbers.
        read: Gives frames [start, stop), which the caller has checked.
        close: Lets the file go.
        coordinates: (y, x) of each frame where the scan is a list, shape (n,) each.
    """

    kind: Literal["dense", "sparse"]
    frames: int
    shape: tuple[int, int] | None
    detector_shape: tuple[int, int]
    dtype: np.dtype[Any]
    bytes_per_frame: float
    read: Callable[[int, int], Frames]
    close: Callable[[], None]
    frames_per_position: int = 1
    metadata: Mapping[str, str | int | float] = dataclasses.field(default_factory=dict)
    coordinates: tuple[Array, Array] | None = None


def check_detector(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse frames that are not images of real numbers, or larger than any detector's.

    Raises:
        ReaderError: If they are.
    """
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise ReaderError(path, "dtype", str(dtype), "frames are real numbers of up to 8 bytes")
    if len(shape) != 2 or not all(1 <= edge <= MAX_EDGE for edge in shape):
        raise ReaderError(path, "detector shape", shape, f"each edge lies in [1, {MAX_EDGE}]")
    size = math.prod(shape) * dtype.itemsize
    if size > MAX_FRAME_BYTES:
        raise ReaderError(path, "frame bytes", size, f"at most {MAX_FRAME_BYTES} are read at once")


def split_shape(
    path: Path, field: str, shape: tuple[int, ...]
) -> tuple[int, tuple[int, int] | None, tuple[int, int]]:
    """Frames, scan shape and detector shape of a 3-D or 4-D array.

    Raises:
        ReaderError: If the array has other axes or a size no scan has.
    """
    if len(shape) not in (3, 4):
        remedy = (
            "frames have 3 axes (n, rows, columns) or 4 (scan rows, scan columns, rows, columns)"
        )
        raise ReaderError(path, f"{field} shape", shape, remedy)
    frames = math.prod(shape[:-2])
    if min(shape[:-2]) < 0 or frames > MAX_FRAMES:
        raise ReaderError(path, f"{field} shape", shape, f"a scan has up to {MAX_FRAMES} frames")
    scan = (shape[0], shape[1]) if len(shape) == 4 and frames else None
    return frames, scan, (shape[-2], shape[-1])


def looks_like_frames(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether an array nobody named may be the frames: real images of more than 2 pixels' edge.

    An edge of 2 is that of a list of points (y, x).
    """
    return len(shape) in (3, 4) and dtype.kind in "buif" and min(shape[-2:]) > 2


def one_of(path: Path, dataset: str | None, found: list[str], known: list[str]) -> str:
    """The dataset to read: the one asked for, or the only one that could be meant.

    Args:
        path: The file, for the error.
        dataset: What the caller asked for.
        found: Datasets whose shape is that of frames.
        known: All datasets.

    Raises:
        ReaderError: If it is not there, or several could be meant, or none.
    """
    if dataset is not None:
        if dataset not in known:
            raise ReaderError(path, "dataset", dataset, f"the file has {_some(found or known)}")
        return dataset
    if len(found) != 1:
        listed = _some(found or known)
        remedy = "name one of them" if found else "none of them has frames (3 or 4 axes)"
        raise ReaderError(path, "dataset", None, f"the file has {listed}; {remedy}")
    return found[0]


def point_list(path: Path, field: str, array: Array) -> tuple[Array, Array]:
    """Coordinates (y, x) of each frame from an array whose last axis is (y, x).

    Raises:
        ReaderError: If the array is not of that shape, or not of finite real numbers.
    """
    if array.ndim < 2 or array.shape[-1] != 2 or array.dtype.kind not in "iuf":
        raise ReaderError(path, field, (str(array.dtype), array.shape), "expected (n, 2) of (y, x)")
    points = array.reshape(-1, 2).astype(np.float64)
    if not np.isfinite(points).all():
        raise ReaderError(path, field, "not finite", "every coordinate is a number")
    return points[:, 0].copy(), points[:, 1].copy()


def _some(names: list[str], most: int = 8) -> str:
    listed = ", ".join(repr(name[:80]) for name in names[:most]) or "no dataset"
    return listed + (f" and {len(names) - most} more" if len(names) > most else "")
