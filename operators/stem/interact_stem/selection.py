"""Which pixels of a detector a kernel uses: a mask file and a disk, put together once."""

import functools
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from interact import DenseFrames, SparseFrames

from interact_stem import geometry, kernels
from interact_stem.errors import ShapeError
from interact_stem.events import SparseEvents

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


def used_pixels(
    shape: tuple[int, int],
    *,
    mask: Path | None = None,
    center_y: float | None = None,
    center_x: float | None = None,
    radius: float | None = None,
) -> Mask | None:
    """The pixels to use, bool, shape (rows, columns), read-only; None for all.

    Args:
        shape: Edges of the detector (rows, columns).
        mask: A mask file of this shape.
        center_y: Row of the centre of the disk to keep, pixels.
        center_x: Its column.
        radius: Its radius, pixels: r ≤ radius; without one there is no disk.

    Raises:
        ShapeError: If there is a radius without a centre, or the mask does not fit.
    """
    if radius is not None and (center_y is None or center_x is None):
        raise ShapeError(f"radius is {radius} px without a centre; set center_y and center_x too")
    if mask is None and radius is None:
        return None
    return _used_pixels(shape, mask, center_y, center_x, radius)


def detectors(
    shape: tuple[int, int],
    center: tuple[float, float],
    radius: float,
    ring: tuple[float, float | None],
    mask: Path | None = None,
) -> npt.NDArray[np.bool_]:
    """A disk and a ring around one centre as masks, bool, shape (2, rows, columns), read-only.

    Args:
        shape: Edges of the detector (rows, columns).
        center: (y, x), pixels.
        radius: Of the disk, r ≤ radius.
        ring: Inner and outer radius r₀ < r ≤ r₁; no outer radius reaches to the corners.
        mask: A mask file of this shape.
    """
    return _detectors(shape, center, radius, ring, mask)


def moments(frames: DenseFrames | SparseFrames, use: Mask | None) -> Array:
    """[Σ, Σy, Σx] of each frame inside ``use``, shape (n, 3); see `kernels.moments`."""
    if isinstance(frames, DenseFrames):
        return kernels.moments(frames.data, use)
    return kernels.sparse_moments(frames.rows, frames.columns, frames.counts, frames.offsets, use)


def sums(frames: DenseFrames | SparseFrames, masks: npt.NDArray[np.bool_]) -> Array:
    """The sum of each frame inside each mask, shape (n, k); see `kernels.sums`."""
    if isinstance(frames, DenseFrames):
        return kernels.sums(frames.data, masks)
    return kernels.sparse_sums(frames.rows, frames.columns, frames.counts, frames.offsets, masks)


def masked(events: SparseEvents, use: Mask) -> SparseEvents:
    """The events that lie on the pixels to use, in their order."""
    keep = use[events.rows, events.columns]
    kept = np.concatenate(([0], np.cumsum(keep, dtype=np.int64)))
    counts = None if events.counts is None else events.counts[keep]
    return SparseEvents(
        events.rows[keep], events.columns[keep], counts, kept[events.offsets], events.shape
    )


def saturated(
    frames: DenseFrames | SparseFrames, level: float | None
) -> npt.NDArray[np.int64] | None:
    """Number of saturated pixels of each frame, shape (n,); None where none can be.

    Args:
        frames: Images; events do not saturate.
        level: Value from which a pixel is saturated; the type's largest where left out, and floats
            have none.
    """
    if not isinstance(frames, DenseFrames):
        return None
    dtype = frames.data.dtype
    if level is None and dtype.kind not in "iu":
        return None
    if not len(frames):
        return np.zeros(0, np.int64)
    return kernels.saturated(frames.data, np.iinfo(dtype).max if level is None else level)


@functools.lru_cache(maxsize=16)
def _used_pixels(
    shape: tuple[int, int],
    mask: Path | None,
    center_y: float | None,
    center_x: float | None,
    radius: float | None,
) -> Mask:
    use = np.ones(shape, bool) if mask is None else geometry.read_mask(mask, shape)
    if radius is not None and center_y is not None and center_x is not None:
        use = use & geometry.disk(shape, center_y, center_x, radius)
    use.flags.writeable = False
    return use


@functools.lru_cache(maxsize=16)
def _detectors(
    shape: tuple[int, int],
    center: tuple[float, float],
    radius: float,
    ring: tuple[float, float | None],
    mask: Path | None,
) -> npt.NDArray[np.bool_]:
    outer = math.inf if ring[1] is None else ring[1]
    use = np.ones(shape, bool) if mask is None else geometry.read_mask(mask, shape)
    disk = geometry.disk(shape, *center, radius) & use
    around = geometry.ring(shape, *center, ring[0], outer) & use
    both = np.stack([disk, around])
    both.flags.writeable = False
    return both
