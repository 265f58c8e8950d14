"""Sums of frames over a scan, and where their centre lies."""

from typing import Any

import numpy as np
import numpy.typing as npt
from interact import DenseFrames, FrameSum, SparseFrames

from interact_stem import kernels

Array = npt.NDArray[Any]


class Pattern:
    """A sum of frames that does not depend on the order in which they come.

    Integers are added where they belong, in int64; floats by `interact.FrameSum`.
    """

    def __init__(self) -> None:
        self.frames = 0
        self._counts: npt.NDArray[np.int64] | None = None
        self._floats = FrameSum()

    def add(self, part: DenseFrames | SparseFrames) -> None:
        """Take the frames of a batch."""
        if not len(part):
            return
        self.frames += len(part)
        if isinstance(part, DenseFrames) and part.data.dtype.kind == "f":
            self._floats.add(part, kernels.frame_sum(part.data, np.zeros(part.shape)))
            return
        if self._counts is None:
            self._counts = np.zeros(part.shape, np.int64)
        if isinstance(part, DenseFrames):
            kernels.frame_sum(part.data, self._counts)
        else:
            kernels.sparse_frame_sum(
                part.rows, part.columns, part.counts, part.offsets, self._counts
            )

    def total(self) -> Array | None:
        """The sum so far, shape (rows, columns), int64 or float64; None before the first frame.

        A copy: it may be sent while more frames come.
        """
        return self._floats.total() if self._counts is None else self._counts.copy()


def center(pattern: Array, use: npt.NDArray[np.bool_] | None = None) -> tuple[float, float] | None:
    """The centre of mass (y, x) of a pattern, pixels; None if nothing was counted.

    Args:
        pattern: Shape (rows, columns).
        use: Pixels to use, of the same shape; None for all.
    """
    total, y, x = (float(value) for value in kernels.moments(pattern[None], use)[0])
    return (y / total, x / total) if total > 0 else None
