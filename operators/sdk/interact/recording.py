"""Files of recorded scans: every message as it travels, one after the other, never changed.

A file begins with `MAGIC`. Each message follows as its length (8 bytes), its CRC-32 (4 bytes, both
little-endian) and the message as `interact_api.wire` has it, which says all about itself. A writer
that was killed leaves at most one message that is cut short, at the end; the next one removes it.
"""

from __future__ import annotations

import bisect
import dataclasses
import fcntl
import os
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from interact_api import wire

from interact import _codec
from interact._batches import Batch, lost
from interact._errors import InputError
from interact._scan import Scan, Tombstone

__all__ = ["MAGIC", "Recorded", "RecordingFull", "Writer", "recorded"]

MAGIC: Final = b"interact scans 1\n"
SYNC_SECONDS: Final = 1.0
"""What a power loss may take; a killed process loses nothing it had written."""
_RECORD: Final = struct.Struct("<QI")
_GLANCE_BYTES: Final = 4096
"""What of a message is looked at first: nearly every header is shorter."""


class RecordingFull(InputError):  # noqa: N818  # says what is wrong, as KeyError does not
    """A message would make a recording larger than it may be."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path, self.limit = path, limit
        super().__init__(
            f"{path.name} would exceed {limit} bytes: raise max_bytes, or record into another file"
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Entry:
    """One message of a file: where it lies and what it covers."""

    offset: int
    size: int
    start: int
    stop: int


class _Cover:
    """Frames that are there, as ranges in order and apart."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []

    def add(self, start: int, stop: int) -> None:
        """They are there from now on."""
        first = bisect.bisect_left(self._stops, start)
        last = bisect.bisect_right(self._starts, stop)
        if first < last:
            start, stop = min(start, self._starts[first]), max(stop, self._stops[last - 1])
        self._starts[first:last], self._stops[first:last] = [start], [stop]

    def absent(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The ranges of [start, stop) that are not there."""
        found: list[tuple[int, int]] = []
        at = start
        for number in range(bisect.bisect_right(self._stops, start), len(self._starts)):
            if at >= stop or self._starts[number] >= stop:
                break
            if self._starts[number] > at:
                found.append((at, self._starts[number]))
            at = max(at, self._stops[number])
        return [*found, (at, stop)] if at < stop else found


class Recorded:
    """One scan of a file; its messages can be read again and again."""

    def __init__(self, path: Path, scan: Scan) -> None:
        self._path = path
        self._entries: list[_Entry] = []
        self._cover = _Cover()
        self.scan = scan

    def _add(self, entry: _Entry) -> None:
        self._entries.append(entry)
        self._cover.add(entry.start, entry.stop)

    @property
    def covered(self) -> int:
        """Frames that are accounted for."""
        gone = self._cover.absent(0, self.scan.total)
        return self.scan.total - sum(stop - start for start, stop in gone)

    def batches(self, start: int = 0) -> Iterator[Batch]:
        """The messages in the order of their index, with the boundaries they had.

        Args:
            start: The first one is the one that holds this frame, or the last one there is.

        Yields:
            What was recorded; frames nobody recorded are missing.

        Raises:
            InputError: If a message was changed since it was written.
        """
        ordered = sorted(self._entries, key=lambda entry: entry.start)
        pieces = self._with_gaps(ordered)
        first = next((n for n, (a, b, _) in enumerate(pieces) if b > start), len(pieces) - 1)
        with self._path.open("rb") as file:
            for begin, end, entry in pieces[max(first, 0) :]:
                if entry is None:
                    yield lost(self.scan, begin, end, reason="missing")
                else:
                    yield _read(file, entry, self._path)

    def _with_gaps(self, ordered: list[_Entry]) -> list[tuple[int, int, _Entry | None]]:
        pieces: list[tuple[int, int, _Entry | None]] = []
        at = 0
        for entry in ordered:
            if entry.start > at:
                pieces.append((at, entry.start, None))
            pieces.append((entry.start, entry.stop, entry))
            at = entry.stop
        if at < self.scan.total:
            pieces.append((at, self.scan.total, None))
        return pieces


def recorded(path: Path) -> list[Recorded]:
    """The scans of a file, in the order they were begun; of one that is being written, what is there.

    Raises:
        InputError: If the file is not there, or not a recording.
    """
    with _opened(path, "rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise InputError(f"{path} is not a recording of scans")
        scans: dict[str, Recorded] = {}
        for _ in _walk(file, path, scans):
            pass
    return list(scans.values())


class Writer:
    """Adds messages to a file; each frame of a scan once.

    Args:
        path: The file; made if it is not there. One that is no recording is left alone.
        max_bytes: What it may grow to.

    Raises:
        InputError: If the file cannot be written, is no recording, or another process writes it.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self._scans: dict[str, Recorded] = {}
        self._synced = time.monotonic()
        if path.exists() and not path.is_file():
            raise InputError(f"{path} is no file to record into")
        new = not path.exists()
        self._file = self._begun(new)

    def _begun(self, new: bool) -> IO[bytes]:
        file = _opened(self.path, "xb+" if new else "rb+")
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise InputError(f"another process records into {self.path}") from error
            self._end = self._restored(file)
        except BaseException:
            file.close()
            raise
        return file

    def _restored(self, file: IO[bytes]) -> int:
        """Where the next message goes; what is cut short is removed."""
        there = os.pread(file.fileno(), len(MAGIC), 0)
        if MAGIC.startswith(there) and there != MAGIC:  # also a file with nothing in it
            file.truncate(0)
            os.pwrite(file.fileno(), MAGIC, 0)
            return len(MAGIC)
        if there != MAGIC:
            raise InputError(f"{self.path} is not a recording of scans: it is left as it is")
        end = len(MAGIC)
        with _opened(self.path, "rb") as reader:
            end = max(_walk(reader, self.path, self._scans), default=end)
        file.truncate(end)
        return end

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Everything is on the disk after it."""
        self._sync()
        self._file.close()

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._end

    def add(self, batch: Batch) -> int:
        """Write what is new of a message; it has left the process when this returns.

        Frames that failed are not written: they may be sent again.

        Returns:
            Frames that were not there, those that are missing included.

        Raises:
            RecordingFull: If it would exceed the size; nothing of it is written.
            InputError: If the disk is full, or gone; nothing of it is written.
        """
        scan = batch.scan
        known = self._scans.get(scan.id) or Recorded(self.path, scan)
        new = [
            run
            for span in _unfailed(batch)
            for run in known._cover.absent(*span)  # of this module
        ]
        records = [(start, stop, _record(batch, start, stop)) for start, stop in new]
        if self._end + sum(len(record) for _, _, record in records) > self.max_bytes:
            raise RecordingFull(self.path, self.max_bytes)
        self._write(b"".join(record for _, _, record in records))
        for start, stop, record in records:
            self._scans[scan.id] = known
            known._add(_Entry(self._end, len(record), start, stop))
            self._end += len(record)
        if time.monotonic() - self._synced > SYNC_SECONDS or known.covered == scan.total:
            self._sync()
        return sum(stop - start for start, stop in new)

    def _write(self, data: bytes) -> None:
        left, at = memoryview(data), self._end
        try:
            while left:
                written = os.pwrite(self._file.fileno(), left, at)
                left, at = left[written:], at + written
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(self._end)
            raise InputError(f"{self.path} cannot be written: {error.strerror}") from error

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()


def _opened(path: Path, mode: str) -> IO[bytes]:
    try:
        return open(path, mode, buffering=0 if "+" in mode else -1)  # noqa: PTH123
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}") from error


def _unfailed(batch: Batch) -> Iterator[tuple[int, int]]:
    at = batch.start
    for gap in batch.tombstones:
        if gap.reason == "failed":
            if gap.start > at:
                yield at, gap.start
            at = gap.stop
    if at < batch.stop:
        yield at, batch.stop


def _record(batch: Batch, start: int, stop: int) -> bytes:
    """The frames [start, stop) of a message as the file has them."""
    part = batch
    if (start, stop) != (batch.start, batch.stop):
        part = batch.select((batch.index >= start) & (batch.index < stop))
        inside = tuple(
            Tombstone(gap.reason, max(gap.start, start), min(gap.stop, stop))
            for gap in batch.tombstones
            if gap.start < stop and gap.stop > start
        )
        part = part.replace(start=start, stop=stop, tombstones=inside)
    message = _codec.encode(part, identity=bytes(16))
    return _RECORD.pack(len(message), zlib.crc32(message)) + message


def _walk(file: IO[bytes], path: Path, scans: dict[str, Recorded]) -> Iterator[int]:
    """Note every whole message after the file's first bytes; yields where each ends."""
    size = os.fstat(file.fileno()).st_size
    offset = len(MAGIC)
    while offset + _RECORD.size <= size:
        file.seek(offset)
        length, check = _RECORD.unpack(file.read(_RECORD.size))
        end = offset + _RECORD.size + length
        if end > size or (end == size and zlib.crc32(file.read(length)) != check):
            return  # its writer was killed
        scan, entry = _glance(file, path, offset, length)
        scans.setdefault(scan.id, Recorded(path, scan))._add(entry)
        offset = end
        yield offset


def _glance(file: IO[bytes], path: Path, offset: int, length: int) -> tuple[Scan, _Entry]:
    """What a message says of itself."""
    for size in (_GLANCE_BYTES, length):
        file.seek(offset + _RECORD.size)
        try:
            header, _ = wire.parse(file.read(min(size, length)))
            scan = wire.decoded_scan(header)
        except wire.WireError as error:
            reason = error
        else:
            return scan, _Entry(offset, _RECORD.size + length, header.start, header.stop)
    raise InputError(f"{path} is damaged at byte {offset}: {reason}")


def _read(file: IO[bytes], entry: _Entry, path: Path) -> Batch:
    file.seek(entry.offset)
    record = file.read(entry.size)
    length, check = _RECORD.unpack_from(record)
    message = record[_RECORD.size :]
    if len(message) != length or zlib.crc32(message) != check:
        raise InputError(f"{path} is damaged at byte {entry.offset}: a message was changed")
    return _codec.decode(message)[1]
