"""Frames of an .mrc stack, viewed in place.

Sections are frames in their order; rows are given in the order they are stored. Files from before
the format had a mark ("MAP ") are taken only if their size is exactly what the header says.
"""

import warnings
from pathlib import Path
from typing import Any

import mrcfile
import mrcfile.utils
import numpy as np
from mrcfile.dtypes import HEADER_DTYPE

from interact_stem.errors import ReaderError
from interact_stem.readers._npy import in_native_order, mapped
from interact_stem.readers._stored import Array, Stored, check_detector

_HEADER_BYTES = 1024


def opened(path: Path) -> Stored:
    """View the sections of an .mrc file; one that is too short gives its whole frames.

    Raises:
        ReaderError: If the header is foreign, or the pixels are not real numbers.
        OSError: If it cannot be opened.
    """
    header, marked = _header(path)
    try:
        dtype = np.dtype(mrcfile.utils.data_dtype_from_header(header))
    except ValueError as error:
        raise ReaderError(path, "mode", int(header.mode), "frames are real numbers") from error
    declared, rows, columns = int(header.nz), int(header.ny), int(header.nx)
    extended = int(header.nsymbt)
    check_detector(path, (rows, columns), dtype)
    if declared < 0 or extended < 0:
        raise ReaderError(path, "nz, nsymbt", (declared, extended), "neither is below 0")
    size = rows * columns * dtype.itemsize
    start = _HEADER_BYTES + extended
    held = path.stat().st_size - start
    if not marked and held != declared * size:
        remedy = f"without the mark 'MAP ' it must be {declared * size}: damaged, or no .mrc"
        raise ReaderError(path, "data bytes", held, remedy)
    frames = min(declared, max(0, held) // size)
    data = mapped(path, dtype, start, (frames, rows, columns))

    def read(first: int, last: int) -> Array:
        return in_native_order(data[first:last])

    return Stored(
        kind="dense",
        frames=frames,
        shape=None,
        detector_shape=(rows, columns),
        dtype=dtype.newbyteorder("="),
        bytes_per_frame=size,
        read=read,
        close=lambda: None,
        metadata={"sections": declared},
    )


def _header(path: Path) -> tuple[Any, bool]:
    """The header, and whether it bears the format's mark."""
    with path.open("rb") as file:
        raw = file.read(_HEADER_BYTES)
    if len(raw) == _HEADER_BYTES:
        header = np.frombuffer(raw, HEADER_DTYPE).view(np.recarray)[0]
        if not header.map.strip() and not header.machst.any():
            return header, False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with mrcfile.open(path, "r", permissive=False, header_only=True) as opened_file:
                return opened_file.header.copy(), True
    except (ValueError, Warning, OverflowError, MemoryError) as error:
        raise ReaderError(path, "header", str(error), "the file is damaged or no .mrc") from error
