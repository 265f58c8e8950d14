"""Frames in a .npy file, viewed in place."""

import io
import math
import tokenize
from pathlib import Path
from typing import IO, Any

import numpy as np

from interact_stem.errors import ReaderError
from interact_stem.readers._stored import Array, Stored, check_detector, split_shape

_FOREIGN = (
    *(ValueError, EOFError, TypeError, SyntaxError),
    *(OverflowError, RecursionError, MemoryError),
    tokenize.TokenError,  # numpy tokenizes what it cannot parse, in case Python 2 wrote it
)
"""What numpy raises for a header that is none."""
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def opened(path: Path) -> Stored:
    """View the frames of a .npy file; one that is too short gives its whole frames.

    Raises:
        ReaderError: If the file is not one, or is not C-ordered frames of numbers.
        OSError: If it cannot be opened.
    """
    with path.open("rb") as file:
        shape, dtype = read_header(path, "array", file)
        start = file.tell()
        held = file.seek(0, io.SEEK_END) - start
    declared, scan, detector = split_shape(path, "array", shape)
    check_detector(path, detector, dtype)
    size = math.prod(detector) * dtype.itemsize
    frames = min(declared, held // size)
    data = mapped(path, dtype, start, (frames, *detector))

    def read(first: int, last: int) -> Array:
        return in_native_order(data[first:last])

    return Stored(
        kind="dense",
        frames=frames,
        shape=scan,
        detector_shape=detector,
        dtype=dtype.newbyteorder("="),
        bytes_per_frame=size,
        read=read,
        close=lambda: None,
    )


def read_header(path: Path, field: str, file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array whose .npy header comes next.

    Raises:
        ReaderError: If there is no such header, or its array is Fortran-ordered or of objects.
    """
    try:
        version = np.lib.format.read_magic(file)
        reader = _HEADERS.get(version, np.lib.format.read_array_header_2_0)
        shape, fortran, dtype = reader(file)
    except _FOREIGN as error:
        problem = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise ReaderError(path, f"{field} header", problem, "save it with numpy.save") from error
    if fortran and len(shape) > 1:
        raise ReaderError(path, f"{field} order", "Fortran", "save numpy.ascontiguousarray(frames)")
    if dtype.hasobject or dtype.kind == "V":
        raise ReaderError(path, f"{field} dtype", str(dtype), "frames are plain numbers")
    return tuple(int(edge) for edge in shape), dtype


def mapped(path: Path, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...]) -> Array:
    """A read-only view of a file's bytes; nothing is mapped for an empty one."""
    if not math.prod(shape):
        return np.empty(shape, dtype)
    data = np.memmap(path, dtype, "r", offset, shape)
    return data.view(np.ndarray)


def in_native_order(frames: Array) -> Array:
    """The frames in this machine's byte order: a view where they are."""
    return frames.astype(frames.dtype.newbyteorder("="), copy=False)
