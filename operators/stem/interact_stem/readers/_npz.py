"""Frames in an .npz file, plain, compressed, or once more in bzip2; read as a stream.

A compressed member can only be read forwards: a step back starts it again. Bzip2 is unpacked
once to a temporary file, because a zip's directory is at its end.
"""

import bz2
import contextlib
import math
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from interact_stem.errors import ReaderError
from interact_stem.readers._npy import in_native_order, read_header
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

MAX_UNPACKED_BYTES = 16 << 30
"""Most that a bzip2 file may unpack to in the temporary folder."""
_CHUNK = 1 << 20
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


class _Member:
    """One array of an .npz file, read from where the last read ended."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, name: str) -> None:
        self.path, self.name = path, name
        self._file = archive.open(f"{name}.npy")
        self.shape, self.dtype = read_header(path, name, self._file)
        self._start = self._file.tell()
        self.held = archive.getinfo(f"{name}.npy").file_size - self._start

    def read(self, first: int, shape: tuple[int, ...]) -> Array:
        """Items from number ``first`` of the flat array on, in this shape."""
        out = np.empty(shape, self.dtype)
        buffer = memoryview(out.reshape(-1).view(np.uint8).data)
        try:
            self._file.seek(self._start + first * self.dtype.itemsize)
            filled = 0
            while filled < len(buffer):
                part = self._file.read(min(_CHUNK, len(buffer) - filled))
                if not part:
                    raise EOFError(f"it ends {len(buffer) - filled} bytes too early")
                buffer[filled : filled + len(part)] = part
                filled += len(part)
        except _DAMAGE as error:
            raise _damaged(self.path, self.name, error) from error
        return in_native_order(out)

    def close(self) -> None:
        """Let the member go."""
        self._file.close()


def opened(path: Path, dataset: str | None, coordinates: str | None) -> Stored:
    """Open one array of an .npz file.

    Raises:
        ReaderError: If the file is damaged, or the arrays are not there or not of numbers.
        OSError: If it cannot be opened.
    """
    with contextlib.ExitStack() as stack:
        archive = _archive(path, stack)
        arrays = [n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")]
        found = arrays if dataset or len(arrays) == 1 else _frames_among(path, archive, arrays)
        member = _member(path, archive, one_of(path, dataset, found, arrays), stack)
        points = None
        if coordinates is not None:
            named = one_of(path, coordinates, [], arrays)
            points = _points(path, named, _member(path, archive, named, stack))
        return _stored(path, member, points, stack)


def _stored(
    path: Path, member: _Member, points: tuple[Array, Array] | None, stack: contextlib.ExitStack
) -> Stored:
    declared, scan, detector = split_shape(path, member.name, member.shape)
    check_detector(path, detector, member.dtype)
    pixels = math.prod(detector)
    size = pixels * member.dtype.itemsize

    def read(first: int, last: int) -> Array:
        return member.read(first * pixels, (last - first, *detector))

    return Stored(
        kind="dense",
        frames=min(declared, max(0, member.held) // size),
        shape=scan,
        detector_shape=detector,
        dtype=member.dtype.newbyteorder("="),
        bytes_per_frame=size,
        read=read,
        close=stack.pop_all().close,
        coordinates=points,
    )


def _archive(path: Path, stack: contextlib.ExitStack) -> zipfile.ZipFile:
    file: IO[bytes] = stack.enter_context(path.open("rb"))
    try:
        if path.name.lower().endswith(".bz2"):
            file = stack.enter_context(unpacked(path, file))
        return stack.enter_context(zipfile.ZipFile(file))
    except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError) as error:
        raise ReaderError(path, "archive", str(error), "the file is cut off or no .npz") from error


def unpacked(path: Path, file: IO[bytes], most: int = MAX_UNPACKED_BYTES) -> IO[bytes]:
    """A temporary file with what a bzip2 file holds.

    Raises:
        ReaderError: If it is damaged, or holds more than ``most`` bytes.
    """
    target = tempfile.TemporaryFile()  # noqa: SIM115  # its caller closes it
    try:
        with bz2.open(file) as source:
            while part := source.read(_CHUNK):
                if target.tell() + len(part) > most:
                    remedy = "unpack it with bunzip2 and open the result"
                    raise ReaderError(path, "unpacked bytes", f"> {most}", remedy)
                target.write(part)
    except (OSError, EOFError) as error:
        target.close()
        raise ReaderError(path, "bzip2", str(error), "the file is cut off or no bzip2") from error
    except BaseException:
        target.close()
        raise
    target.seek(0)
    return target


def _member(
    path: Path, archive: zipfile.ZipFile, name: str, stack: contextlib.ExitStack
) -> _Member:
    try:
        member = _Member(path, archive, name)
    except _DAMAGE as error:
        raise _damaged(path, name, error) from error
    stack.callback(member.close)
    return member


def _frames_among(path: Path, archive: zipfile.ZipFile, names: list[str]) -> list[str]:
    found = []
    for name in names[:64]:
        with contextlib.suppress(ReaderError), contextlib.ExitStack() as stack:
            member = _member(path, archive, name, stack)
            if looks_like_frames(member.shape, member.dtype):
                found.append(name)
    return found


def _points(path: Path, name: str, member: _Member) -> tuple[Array, Array]:
    size = math.prod(member.shape) * member.dtype.itemsize
    if not 0 <= size <= min(MAX_FRAME_BYTES, max(0, member.held)):
        raise ReaderError(path, name, member.shape, "the file holds fewer bytes")
    return point_list(path, name, member.read(0, member.shape))


def _damaged(path: Path, name: str, error: Any) -> ReaderError:
    return ReaderError(path, name, str(error) or type(error).__name__, "the file is damaged")
