"""Messages as external runs see them: parameters on the way there, numbers on the way back. Pure."""

import hashlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from interact_api.external import Input
from interact_api.external_asks import MESSAGE, NUMBERS, RunAsk
from interact_api.wire import Header

from interact._batches import Batch, Bytes, Image, Values
from interact._plain import plain

INPUT = "message.npz"
"""Name of the input that has the arrays of a message."""
LIMIT = 32 << 20
"""Bytes of it; what reaches the work is less, by driver."""


def question(run: str, header: Header, batch: Batch, values: Mapping[str, Any]) -> RunAsk:
    """What the controller is asked for a message.

    Args:
        run: Nonce of the pipeline's run.
        header: Of the message.
        batch: What is in it.
        values: Parameters of the operator. A message of one frame gives those that its columns
            are called like.
    """
    given = {name: value for name, value in values.items() if value is not None}
    said: dict[str, Any] = {
        "scan": batch.scan.id, "start": batch.start, "stop": batch.stop, "kind": batch.kind,
    }  # fmt: skip
    if batch.scan.total:
        said["total"] = batch.scan.total
    if isinstance(batch, Values) and not large(batch):
        said["index"] = batch.index.tolist()
        said["values"] = {name: plain(column) for name, column in batch.columns.items()}
        if len(batch) == 1:
            given |= {
                name: plain(column[0]) for name, column in batch.columns.items() if name in values
            }
    return RunAsk(
        run=run, message=header.identity.hex(), edition=header.edition, scan=batch.scan.id,
        index=batch.start, parameters={**given, MESSAGE: said},
    )  # fmt: skip


def large(batch: Batch) -> bool:
    """Whether the arrays of a message are an input of its run, and no parameter."""
    few = sum(array.size for array in batch.arrays().values()) <= NUMBERS
    return not (few and isinstance(batch, Values))


def packed(batch: Batch) -> bytes:
    """The arrays of a message as a numpy archive: columns, channels or data by name, and index."""
    found: dict[str, Any] = {"index": batch.index}
    for name, array in batch.arrays().items():
        _, _, plain_name = name.rpartition(":")
        found[plain_name] = array
    file = io.BytesIO()
    np.savez(file, **found)
    return file.getvalue()


def with_input(question: RunAsk, data: bytes, bucket: str, name: str) -> RunAsk:
    """A question whose run reads an object with the arrays of the message."""
    one = Input(
        name=INPUT, object=f"{bucket}/{name}", sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
    )  # fmt: skip
    return question.model_copy(update={"inputs": (one,)})


def values(batch: Batch, results: Mapping[str, Any]) -> Values:
    """Results as numbers of the message's frames.

    A number is said of each frame, a list with one number for each frame is told apart; a list of
    another length is a row for each. What is no number stays with the run. A picture, or bytes,
    covers its whole scan: its numbers are those of the first frame, and the others say nothing.

    Args:
        batch: The message the run was made for.
        results: What the run has found, as JSON.
    """
    if isinstance(batch, Image | Bytes):
        whole = Batch(**{**batch.frame(), "y": None, "x": None})
        batch = whole.select(np.arange(len(whole)) == 0)
    columns: dict[str, Any] = {}
    for name, result in results.items():
        numbers = _numbers(result)
        if numbers is None:
            continue
        if numbers.ndim and len(numbers) == len(batch):
            columns[name] = numbers
        else:
            columns[name] = np.broadcast_to(numbers, (len(batch), *numbers.shape)).copy()
    return batch.values(**columns)


def _numbers(result: Any) -> np.ndarray[Any, np.dtype[Any]] | None:
    """A number, or a list of numbers, as an array; None for anything else."""
    flat = result if isinstance(result, list) else [result]
    if not flat or any(isinstance(one, bool) or not isinstance(one, int | float) for one in flat):
        return None
    whole = all(isinstance(one, int) and abs(one) < 2**63 for one in flat)
    return np.asarray(result, np.int64 if whole else np.float64)
