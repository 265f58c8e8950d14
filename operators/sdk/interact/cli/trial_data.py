"""What an operator is tried on: messages from a file."""

import dataclasses
import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from interact._batches import Batch, DenseFrames, Image, SparseFrames, Values
from interact._operator import Operator
from interact._scan import Scan
from interact.cli.exits import CommandError, Exit

READERS = "interact_stem.readers"
"""Reads every format; looked for by name, since this package stands below that one."""
MESSAGE_FRAMES = 32

Parts = Iterator[Batch]


@dataclasses.dataclass(frozen=True)
class Data:
    """What an operator is tried on: a file, and what the file does not say of itself."""

    path: Path
    dataset: str | None = None
    scan_shape: tuple[int, ...] | None = None


@contextmanager
def parts(operator: Operator, data: Data) -> Iterator[Parts]:
    """The data as messages of the kind the operator takes.

    Raises:
        CommandError: If the file cannot be read.
    """
    kinds = {kind for port in operator.inputs for kind in port.types}
    path = data.path
    if path.suffix == ".npz" and not kinds & {"dense", "sparse"}:
        with np.load(path, allow_pickle=False) as arrays:
            yield iter([_tables(dict(arrays), kinds)])
    elif importlib.util.find_spec("interact_stem") and importlib.util.find_spec(READERS):
        with _opened(data) as scan:
            yield _read(scan)
    elif path.suffix == ".npy":
        yield _sliced(np.load(path, mmap_mode="r", allow_pickle=False))
    else:
        raise CommandError(
            Exit.USAGE, f"{path}: install interact-stem to read it, or give a .npy file"
        )


def _opened(data: Data) -> Any:
    reading = importlib.import_module(READERS)
    try:
        return reading.open_scan(data.path, dataset=data.dataset, scan_shape=data.scan_shape)
    except Exception as error:
        raise CommandError(Exit.USAGE, str(error)) from error


def _tables(arrays: Mapping[str, npt.NDArray[Any]], kinds: set[str]) -> Batch:
    first = next(iter(arrays.values()))
    if "image" in kinds:
        scan = Scan("try", first.shape)
        return Image(scan=scan, start=0, stop=scan.total, channels=dict(arrays))
    scan = Scan("try", (len(first),))
    return Values(scan=scan, start=0, stop=scan.total, columns=dict(arrays))


def _sliced(frames: npt.NDArray[Any]) -> Parts:
    """Messages of an array of 3 or 4 axes."""
    if frames.ndim not in {3, 4}:
        raise CommandError(Exit.USAGE, f"the array has {frames.ndim} axes; frames have 3 or 4")
    scan = Scan("try", frames.shape[:-2])
    flat = frames.reshape(-1, *frames.shape[-2:])
    for start in range(0, scan.total, MESSAGE_FRAMES):
        stop = min(start + MESSAGE_FRAMES, scan.total)
        yield DenseFrames(
            scan=scan, start=start, stop=stop, data=np.ascontiguousarray(flat[start:stop])
        )


def _read(file: Any) -> Parts:
    """Messages of a scan file."""
    scan = Scan("try", tuple(file.scan_shape), frames_per_position=file.frames_per_position)
    for start in range(0, file.present, MESSAGE_FRAMES):
        stop = min(start + MESSAGE_FRAMES, file.present)
        try:
            part = file.read(start, stop)
        except Exception as error:
            raise CommandError(Exit.USAGE, str(error)) from error
        common: dict[str, Any] = {"scan": scan, "start": start, "stop": stop}
        if file.coordinates is not None:
            common |= {"y": file.coordinates[0][start:stop], "x": file.coordinates[1][start:stop]}
        if file.kind == "dense":
            yield DenseFrames(**common, data=part)
        else:
            yield SparseFrames(
                **common, rows=part.rows, columns=part.columns, counts=part.counts,
                offsets=part.offsets, shape=tuple(file.detector_shape),
            )  # fmt: skip
