"""From a file to the batches of a scan: its facts as people write them, its cuts and its pace."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
import numpy as np
from interact import Batch, Calibration, DenseFrames, Scan, SparseFrames

from interact_stem.errors import StemError
from interact_stem.events import SparseEvents

if TYPE_CHECKING:  # readers bring libraries for files, which a source without files does not need
    from interact_stem.readers import ScanFile

B = TypeVar("B", bound=Batch)

MESSAGE_BYTES: Final = 1 << 20
"""Size of a message where nobody says: JetStream stores one in about a millisecond."""

MESSAGES_PER_SCAN: Final = 32
"""A small scan still comes in this many messages, so that its pictures are seen to grow."""


class ShapeTextError(StemError):
    """A text that is no shape of a scan."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(
            f"scan_shape is {text!r}: write rows and columns as '64,64', "
            "or the number of a list of positions as '516'"
        )


def parsed_shape(text: str) -> tuple[int, ...] | None:
    """The shape of a scan from its text; None for an empty one.

    Args:
        text: "rows,columns" of a raster, or the length of a list of positions.

    Raises:
        ShapeTextError: If it is neither.

    >>> parsed_shape("64, 48")
    (64, 48)
    """
    if not text.strip():
        return None
    parts = [part.strip() for part in text.replace("x", ",").split(",")]
    digits = all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts)
    if not digits or len(parts) > 2 or min(map(int, parts)) < 1:
        raise ShapeTextError(text)
    return tuple(map(int, parts))


def frames_per_message(frame_bytes: float, total: int) -> int:
    """Frames of one message: about a mebibyte, and at least 32 messages a scan.

    It depends on nothing but the scan, so that a source that starts again cuts the same batches.

    Args:
        frame_bytes: Size of a frame, or its mean.
        total: Frames of the scan.
    """
    by_size = int(MESSAGE_BYTES // max(frame_bytes, 1))
    return max(1, min(by_size, total // MESSAGES_PER_SCAN))


def calibration(
    *,
    step_y: float | None = None,
    step_x: float | None = None,
    step_unit: str = "",
    pixel_y: float | None = None,
    pixel_x: float | None = None,
    pixel_unit: str = "",
    rotation: float = 0.0,
    flip: bool = False,
    energy: float | None = None,
    dose: float | None = None,
) -> Calibration:
    """A calibration from single numbers; one of a pair stands for both."""
    return Calibration(
        step=_pair(step_y, step_x),
        step_unit=step_unit,
        pixel=_pair(pixel_y, pixel_x),
        pixel_unit=pixel_unit,
        rotation=rotation,
        flip=flip,
        energy=energy,
        dose=dose,
    )


async def paced(parts: Iterable[B], rate: float) -> AsyncIterator[B]:
    """Each batch when its last frame is due.

    The schedule is counted from the first batch: a reader that falls behind catches up, as a
    camera with a buffer does.

    Args:
        parts: Batches.
        rate: Frames a second; 0 gives each at once.
    """
    began = time.monotonic()
    frames = 0
    for part in parts:
        frames += part.stop - part.start
        if rate > 0:
            await asyncio.sleep(max(0.0, began + frames / rate - time.monotonic()))
        yield part


class Acquisition:
    """A file as the batches of one scan after the other.

    Attributes:
        per_message: Frames in a batch; the last one of a scan may have fewer.
    """

    def __init__(
        self,
        file: "ScanFile",
        *,
        order: str = "raster",
        flyback: int = 0,
        offset: int = 0,
        calibration: Calibration = Calibration(),  # noqa: B008  # frozen
        per_message: int = 0,
    ) -> None:
        self.per_message = per_message or frames_per_message(file.bytes_per_frame, file.frames)
        self._file = file
        self._scan = Scan(
            "scan",
            file.scan_shape,
            frames_per_position=file.frames_per_position,
            order=order,
            flyback=flyback,
            offset=offset,
            calibration=calibration,
            title=file.path.name,
        )

    def batches(self, ordinal: int, start: int = 0) -> Iterator[DenseFrames | SparseFrames]:
        """One reading of the file, under an id of its own.

        Args:
            ordinal: Which reading this is; it enters the scan's id.
            start: The first batch is the one that holds this frame, or the last one there is: the
                SDK learns from it which scan this is, and skips what it has stored.

        Yields:
            Batches in the order of acquisition; one without frames where the file has none.
        """
        scan = msgspec.structs.replace(self._scan, id=f"scan-{ordinal}")
        present, size = self._file.present, self.per_message
        if not present:
            nothing = np.empty((0, *self._file.detector_shape), self._file.dtype)
            yield Batch(scan=scan, start=0, stop=0, total=scan.total).dense(nothing)
            return
        first = min(start, present - 1) // size * size
        for begin in range(first, present, size):
            yield self._batch(scan, begin, min(begin + size, present))

    def _batch(self, scan: Scan, start: int, stop: int) -> DenseFrames | SparseFrames:
        frames = self._file.read(start, stop)
        points = self._file.coordinates if scan.listed else None
        y, x = (None, None) if points is None else (a[start:stop] for a in points)
        batch = Batch(scan=scan, start=start, stop=stop, total=scan.total, y=y, x=x)
        if isinstance(frames, SparseEvents):
            return batch.sparse(
                frames.rows, frames.columns, frames.offsets, frames.shape, frames.counts
            )
        return batch.dense(frames)


def _pair(y: float | None, x: float | None) -> tuple[float, float] | None:
    first = y if y is not None else x
    second = x if x is not None else y
    return None if first is None or second is None else (first, second)
