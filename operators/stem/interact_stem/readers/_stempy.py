"""Counted electrons as stempy writes them (HDF5, version 3).

``electron_events/frames`` holds one row of flat pixel numbers (row * columns + column) for each
frame, the frames of a position one after the other. Mind the attributes: ``Nx`` of ``frames`` is
the number of detector *rows* and ``Ny`` of columns, whereas ``Nx`` of ``scan_positions`` is the
number of scan *columns* and ``Ny`` of rows.
"""

import contextlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from interact_stem.errors import ReaderError, ShapeError
from interact_stem.events import SparseEvents
from interact_stem.kernels import flat_to_rows_columns
from interact_stem.readers._stored import MAX_EDGE, MAX_FRAMES, Stored

_FRAMES = "electron_events/frames"
_SCAN = "electron_events/scan_positions"
_ROWS_AT_ONCE = 256
"""Rows read at a time, so that a row of absurd length is found before the next are read."""


def holds_events(file: h5py.File, dataset: str | None) -> bool:
    """Whether the events are what a caller who asked for ``dataset`` means."""
    if dataset is not None and dataset.strip("/") != _FRAMES:
        return False
    frames = file.get(_FRAMES)
    return isinstance(frames, h5py.Dataset) and h5py.check_vlen_dtype(frames.dtype) is not None


def stored(path: Path, file: h5py.File, stack: contextlib.ExitStack) -> Stored:
    """Open the events; the file is closed with the result.

    Raises:
        ReaderError: If the version is not 3, or a shape is missing or impossible.
    """
    version = file.attrs.get("version", 1)
    if version != 3:
        remedy = "load and save it with stempy 3 (io.load_electron_counts, io.save_electron_counts)"
        raise ReaderError(path, "version", int(version), remedy)
    frames, scan_positions = file[_FRAMES], file.get(_SCAN)
    base = h5py.check_vlen_dtype(frames.dtype)
    if frames.ndim != 1 or np.dtype(base).kind not in "iu" or frames.shape[0] > MAX_FRAMES:
        raise ReaderError(path, _FRAMES, (str(base), frames.shape), "expected a row per frame")
    detector = (_edge(path, frames, "Nx", MAX_EDGE), _edge(path, frames, "Ny", MAX_EDGE))
    if not isinstance(scan_positions, h5py.Dataset):
        raise ReaderError(path, _SCAN, None, "the dataset and its attributes are missing")
    scan = (
        _edge(path, scan_positions, "Ny", MAX_FRAMES),
        _edge(path, scan_positions, "Nx", MAX_FRAMES),
    )
    repeats = max(1, frames.shape[0] // (scan[0] * scan[1]))

    def read(first: int, last: int) -> SparseEvents:
        return _read(path, frames, detector, (first, last))

    return Stored(
        kind="sparse",
        frames=frames.shape[0],
        shape=scan,
        detector_shape=detector,
        dtype=np.dtype(np.uint16),
        bytes_per_frame=max(1.0, path.stat().st_size / max(1, frames.shape[0])),
        frames_per_position=repeats,
        read=read,
        close=stack.pop_all().close,
        metadata={"dataset": _FRAMES, "stempy version": 3},
    )


def _read(
    path: Path, frames: h5py.Dataset, detector: tuple[int, int], span: tuple[int, int]
) -> SparseEvents:
    parts: list[Any] = []
    pixels = detector[0] * detector[1]
    for start in range(*span, _ROWS_AT_ONCE):
        try:
            rows = frames[start : min(start + _ROWS_AT_ONCE, span[1])]
        except (OSError, RuntimeError, ValueError) as error:
            problem = (str(error).splitlines() or [""])[0][:200]
            raise ReaderError(path, _FRAMES, problem, "the file is damaged") from error
        longest = max(map(len, rows), default=0)
        if longest > pixels:
            remedy = f"the detector has {pixels} pixels, each at most once a frame"
            raise ReaderError(path, f"events of a frame from {start} on", longest, remedy)
        parts.extend(rows)
    offsets = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    flat = np.concatenate(parts) if parts else np.empty(0, np.uint32)
    try:
        down, across = flat_to_rows_columns(flat, detector[1], detector[0])
    except ShapeError as error:
        remedy = f"frames {span[0]} to {span[1]} do not belong to a detector of {detector}"
        raise ReaderError(path, _FRAMES, str(error), remedy) from error
    return SparseEvents(down, across, None, offsets, detector)


def _edge(path: Path, dataset: h5py.Dataset, name: str, most: int) -> int:
    value = dataset.attrs.get(name)
    if not isinstance(value, int | np.integer) or not 1 <= int(value) <= most:
        shown = None if value is None else str(value)[:80]
        raise ReaderError(path, f"{dataset.name} {name}", shown, f"a number in [1, {most}]")
    return int(value)
