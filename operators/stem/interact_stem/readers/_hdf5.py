"""Frames in an HDF5 file: an array of 3 or 4 axes, or counted events of stempy."""

import contextlib
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from interact_stem.errors import ReaderError
from interact_stem.readers import _stempy
from interact_stem.readers._stored import (
    MAX_FRAME_BYTES,
    Array,
    Stored,
    check_detector,
    looks_like_frames,
    one_of,
    point_list,
    split_shape,
)

_CACHE_BYTES = 64 << 20
"""Chunk cache: a compressed chunk that spans several batches is unpacked once."""
_MAX_NAMES = 10_000


def opened(path: Path, dataset: str | None, coordinates: str | None) -> Stored:
    """Open one array, or the events, of an HDF5 file.

    Raises:
        ReaderError: If the file is damaged, or the datasets are not there or not frames.
        OSError: If it cannot be opened.
    """
    if not path.is_file():
        raise FileNotFoundError(2, "no such file")
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(h5py.File(path, "r", rdcc_nbytes=_CACHE_BYTES))
            if _stempy.holds_events(file, dataset):
                return _stempy.stored(path, file, stack)
            known = _datasets(file)
            found = [name for name, d in known.items() if looks_like_frames(d.shape, d.dtype)]
            array = known[one_of(path, _plain(dataset), found, list(known))]
            points = None
            if coordinates is not None:
                named = one_of(path, _plain(coordinates), [], list(known))
                points = _points(path, named, known[named])
            return _stored(path, array, points, stack)
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            raise ReaderError(path, "HDF5", _first_line(error), "the file is damaged") from error


def _stored(
    path: Path,
    dataset: h5py.Dataset,
    points: tuple[Array, Array] | None,
    stack: contextlib.ExitStack,
) -> Stored:
    name = str(dataset.name)
    frames, scan, detector = split_shape(path, name, dataset.shape)
    check_detector(path, detector, dataset.dtype)
    _check_storage(path, dataset)
    dtype = dataset.dtype.newbyteorder("=")

    def read(first: int, last: int) -> Array:
        out = np.empty((last - first, *detector), dtype)
        try:
            _fill(dataset, first, last, out)
        except (OSError, RuntimeError, ValueError) as error:
            raise ReaderError(path, name, _first_line(error), "the file is damaged") from error
        return out

    return Stored(
        kind="dense",
        frames=frames,
        shape=scan,
        detector_shape=detector,
        dtype=dtype,
        bytes_per_frame=math.prod(detector) * dtype.itemsize,
        read=read,
        close=stack.pop_all().close,
        metadata={"dataset": name},
        coordinates=points,
    )


def _fill(dataset: h5py.Dataset, first: int, last: int, out: Array) -> None:
    if first == last:
        return
    if dataset.ndim == 3:
        dataset.read_direct(out, np.s_[first:last])
        return
    columns = dataset.shape[1]
    at = first
    while at < last:
        row, column = divmod(at, columns)
        count = min(last - at, columns - column)
        source = np.s_[row, column : column + count]
        dataset.read_direct(out, source, np.s_[at - first : at - first + count])
        at += count


def _check_storage(path: Path, dataset: h5py.Dataset) -> None:
    """Refuse chunks that are too large to unpack, and filters that are not installed."""
    if dataset.chunks is not None:
        size = math.prod(dataset.chunks) * dataset.dtype.itemsize
        if size > MAX_FRAME_BYTES:
            remedy = f"at most {MAX_FRAME_BYTES}; rewrite the file with h5repack"
            raise ReaderError(path, "chunk bytes", size, remedy)
    properties = dataset.id.get_create_plist()
    for number in range(properties.get_nfilters()):
        code, _, _, name = properties.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            found = name.decode(errors="replace") or code
            remedy = "rewrite the file with gzip: h5repack -f GZIP=1"
            raise ReaderError(path, "HDF5 filter", found, remedy)


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    found: dict[str, h5py.Dataset] = {}

    def visit(name: str, item: Any) -> bool | None:
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            found[name] = item
        return True if len(found) >= _MAX_NAMES else None

    file.visititems(visit)
    return found


def _points(path: Path, name: str, dataset: h5py.Dataset) -> tuple[Array, Array]:
    if math.prod(dataset.shape) * dataset.dtype.itemsize > MAX_FRAME_BYTES:
        raise ReaderError(path, name, dataset.shape, "expected (n, 2) of (y, x)")
    return point_list(path, name, np.asarray(dataset[()]))


def _plain(name: str | None) -> str | None:
    return None if name is None else name.strip("/")


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
