"""Batches that follow each other, put together."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from interact._batches import Batch, DenseFrames, SparseFrames, Values
from interact._errors import BatchError


def concatenate(parts: Sequence[Batch]) -> Batch:
    """Batches that follow each other, as one.

    Raises:
        BatchError: If there are none, or they are of different kinds.
    """
    kinds = {type(part) for part in parts if type(part) is not Batch}
    if not parts or len(kinds) > 1:
        raise BatchError(f"cannot concatenate {sorted(kind.kind for kind in kinds) or 'nothing'}")
    first, last = parts[0], parts[-1]
    frame = {
        **first.frame(),
        "stop": last.stop,
        "tombstones": tuple(gap for part in parts for gap in part.tombstones),
        "y": _joined([part.y for part in parts]),
        "x": _joined([part.x for part in parts]),
    }
    full = [part for part in parts if type(part) is not Batch]
    if not full:
        return Batch(**frame)
    if isinstance(first := full[0], DenseFrames):
        return DenseFrames(**frame, data=np.concatenate([p.data for p in full]))  # type: ignore[attr-defined]
    if isinstance(first, Values):
        names = first.columns
        columns = {n: np.concatenate([p.columns[n] for p in full]) for n in names}  # type: ignore[attr-defined]
        return Values(**frame, columns=columns, units=first.units)
    if isinstance(first, SparseFrames):
        return _joined_sparse(frame, full)  # type: ignore[arg-type]
    if len(full) == 1:
        return first
    raise BatchError(f"cannot concatenate {first.kind} batches")


def _joined(arrays: list[Any]) -> Any:
    return None if any(array is None for array in arrays) else np.concatenate(arrays)


def _joined_sparse(frame: dict[str, Any], parts: list[SparseFrames]) -> SparseFrames:
    events = np.concatenate([part.events for part in parts])
    return SparseFrames(
        **frame,
        rows=np.concatenate([part.rows for part in parts]),
        columns=np.concatenate([part.columns for part in parts]),
        counts=_joined([part.counts for part in parts]),
        offsets=np.concatenate(([0], np.cumsum(events))),
        shape=parts[0].shape,
    )
