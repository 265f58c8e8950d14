"""One scan in a file, whatever its format."""

import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from interact_stem import geometry
from interact_stem.errors import ReaderError, ShapeError
from interact_stem.events import SparseEvents
from interact_stem.readers import _hdf5, _mib, _mrc, _npy, _npz
from interact_stem.readers._stored import MAX_FRAMES, Array, Frames, Stored, check_detector

SUFFIXES = ".npy, .npz, .npz.bz2, .h5, .hdf5, .hspy, .mib, .mrc"
"""Names of files that can be read."""


class ScanFile:
    """Frames of one scan in a file: a context manager that lets the file go at its end.

    Attributes:
        path: The file.
        kind: ``dense`` or ``sparse``: what `read` gives.
        scan_shape: (rows, columns), or (n,) for a list of positions.
        frames: Frames the scan declares, those of flyback and offset included.
        present: Declared frames that the file holds; `read` gives [0, present).
        excess: Frames the file holds beyond the declared ones; they are not read.
        frames_per_position: Frames taken at each position.
        detector_shape: (rows, columns).
        dtype: Of a pixel, native-endian; of a count where the frames are events.
        bytes_per_frame: Size of a frame in memory; for events an average over the file.
        coordinates: (y, x) of each frame, float64 of shape (n,) each, or None.
        metadata: What the file says of itself.
    """

    def __init__(
        self,
        path: Path,
        stored: Stored,
        *,
        scan_shape: tuple[int, ...],
        frames: int,
        frames_per_position: int = 1,
        detector_order: geometry.DetectorOrder = "centred",
    ) -> None:
        self.path = path
        self.kind: Literal["dense", "sparse"] = stored.kind
        self.scan_shape = scan_shape
        self.frames = frames
        self.present = min(frames, stored.frames)
        self.excess = stored.frames - self.present
        self.frames_per_position = frames_per_position
        self.detector_shape = stored.detector_shape
        self.dtype: np.dtype[Any] = stored.dtype
        self.bytes_per_frame = stored.bytes_per_frame
        self.coordinates: tuple[Array, Array] | None = stored.coordinates
        self.metadata: Mapping[str, str | int | float] = stored.metadata
        self._stored = stored
        self._order: geometry.DetectorOrder = detector_order
        self._open = True

    @property
    def truncated(self) -> bool:
        """Whether the file holds fewer frames than the scan declares."""
        return self.present < self.frames

    def read(self, start: int, stop: int) -> Frames:
        """Give frames [start, stop) in the order of acquisition.

        Args:
            start: First frame, from 0.
            stop: One past the last, at most ``present``.

        Returns:
            An array of shape (stop − start, rows, columns), native-endian and possibly a
            read-only view of the file; or `SparseEvents`.

        Raises:
            ReaderError: If the range is not in the file, or the file is damaged there.
        """
        if not 0 <= start <= stop <= self.present:
            raise ReaderError(self.path, "range", (start, stop), f"it has [0, {self.present})")
        if not self._open:
            raise ReaderError(self.path, "state", "closed", "read inside the with block")
        frames = self._stored.read(start, stop)
        if self._order == "centred":
            return frames
        if isinstance(frames, SparseEvents):
            return _centred_events(frames)
        return geometry.in_centred_order(frames, self._order)

    def close(self) -> None:
        """Let the file go; a second time does nothing."""
        if self._open:
            self._open = False
            self._stored.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_scan(
    path: str | Path,
    *,
    dataset: str | None = None,
    scan_shape: tuple[int, ...] | None = None,
    frames_per_position: int | None = None,
    flyback: int = 0,
    offset: int = 0,
    detector_order: geometry.DetectorOrder = "centred",
    coordinates: str | None = None,
) -> ScanFile:
    """Open a scan file; its frames are read later, a part at a time.

    Args:
        path: The file; its name tells the format: .npy, .npz (compressed too, and in bzip2), HDF5
            (.h5, .hdf5, .hspy; counted events of stempy version 3), Merlin .mib, .mrc.
        dataset: Which array of an .npz or HDF5 file; None where only one could be meant.
        scan_shape: (rows, columns), or (n,) for a list of positions; None takes the file's.
        frames_per_position: Frames taken at each position; None takes the file's, else 1.
        flyback: Positions at the end of each row that are in the file but not in ``scan_shape``;
            a shape taken from the file is shortened by it.
        offset: Frames before the first position.
        detector_order: Where the beam is in a stored frame, see `geometry.in_centred_order`.
        coordinates: Array of an .npz or HDF5 file with (y, x) of each frame, shape (n, 2).

    Raises:
        ReaderError: If the file is foreign or damaged, or a parameter is missing or wrong.
    """
    file = Path(path)
    _check_parameters(file, detector_order, scan_shape, (flyback, offset, frames_per_position))
    stored = _open(file, dataset, coordinates)
    try:
        check_detector(file, stored.detector_shape, stored.dtype)
        shape = scan_shape or _file_shape(file, stored, flyback)
        repeats = frames_per_position or stored.frames_per_position
        frames = geometry.total_frames(
            shape, flyback=flyback, frames_per_position=repeats, offset=offset
        )
        _check_coordinates(file, stored, frames)
    except BaseException:
        stored.close()
        raise
    return ScanFile(
        file,
        stored,
        scan_shape=tuple(shape),
        frames=frames,
        frames_per_position=repeats,
        detector_order=detector_order,
    )


def _open(path: Path, dataset: str | None, coordinates: str | None) -> Stored:
    name = path.name.lower()
    try:
        if name.endswith((".npz", ".npz.bz2")):
            return _npz.opened(path, dataset, coordinates)
        if name.endswith((".h5", ".hdf5", ".hspy")):
            return _hdf5.opened(path, dataset, coordinates)
        for field, value in (("dataset", dataset), ("coordinates", coordinates)):
            if value is not None:
                raise ReaderError(path, field, value, "this format has one array; leave it out")
        if name.endswith(".npy"):
            return _npy.opened(path)
        if name.endswith(".mib"):
            return _mib.opened(path)
        if name.endswith(".mrc"):
            return _mrc.opened(path)
    except OSError as error:
        problem = error.strerror or str(error)
        raise ReaderError(path, "file", problem, "check the path and its permissions") from error
    raise ReaderError(path, "suffix", path.suffix, f"formats are {SUFFIXES}")


def _file_shape(path: Path, stored: Stored, flyback: int) -> tuple[int, int]:
    if stored.shape is None:
        remedy = (
            f"the file does not say it and holds {stored.frames} frames; give (rows, columns), "
            f"in a pipeline scan_shape: '64,64', or ({stored.frames},) for a list"
        )
        raise ReaderError(path, "scan_shape", None, remedy)
    rows, columns = stored.shape
    if columns <= flyback:
        raise ReaderError(path, "flyback", flyback, f"a row of the file has {columns} positions")
    return rows, columns - flyback


def _check_parameters(
    path: Path,
    order: str,
    scan_shape: tuple[int, ...] | None,
    numbers: tuple[int, int, int | None],
) -> None:
    flyback, offset, repeats = numbers
    try:
        geometry.check_detector_order(order)
    except ShapeError as error:
        raise ReaderError(path, "detector_order", order, "give 'centred' or 'fft'") from error
    named = {"flyback": (flyback, 0), "offset": (offset, 0), "frames_per_position": (repeats, 1)}
    for field, (value, least) in named.items():
        if value is not None and value < least:
            raise ReaderError(path, field, value, f"at least {least}")
    if scan_shape is not None and not (
        len(scan_shape) in (1, 2) and min(scan_shape) >= 1 and math.prod(scan_shape) <= MAX_FRAMES
    ):
        raise ReaderError(
            path, "scan_shape", scan_shape, "give (rows, columns) or (n,), at least 1"
        )


def _check_coordinates(path: Path, stored: Stored, frames: int) -> None:
    if stored.coordinates is not None and len(stored.coordinates[0]) < min(frames, stored.frames):
        found = len(stored.coordinates[0])
        raise ReaderError(path, "coordinates", found, f"the scan has {frames} frames; one for each")


def _centred_events(events: SparseEvents) -> SparseEvents:
    rows, columns = (
        ((at.astype(np.int32) + edge // 2) % edge).astype(at.dtype)
        for at, edge in zip((events.rows, events.columns), events.shape, strict=True)
    )
    return events._replace(rows=rows, columns=columns)
