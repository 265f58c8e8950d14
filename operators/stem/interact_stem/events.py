"""Counted events of some frames as plain arrays."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class SparseEvents(NamedTuple):
    """Event k of frame i is k in [offsets[i], offsets[i + 1]).

    Attributes:
        rows: Detector row of each event, int16 (int32 where an edge exceeds 32767).
        columns: Detector column of each event, as ``rows``.
        counts: How often each event counts, or None for once.
        offsets: int64, shape (frames + 1,), from 0.
        shape: Edges of the detector (rows, columns).
    """

    rows: Array
    columns: Array
    counts: Array | None
    offsets: npt.NDArray[np.int64]
    shape: tuple[int, int]


def coordinate_dtype(shape: tuple[int, int]) -> np.dtype[np.signedinteger[Any]]:
    """The narrowest signed type that holds every coordinate of a detector of this shape."""
    return np.dtype(np.int32 if max(shape) > 32767 else np.int16)
