"""Made-up scans whose centre of mass and bright field are known exactly.

Events come in pairs (+d, −d) around a centre that moves by whole pixels from position to position;
an odd one lies on the centre. So the sums of a frame follow from its index alone, without noise,
and a test or a benchmark can check every frame whatever the rate.
"""

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from interact import Batch, DenseFrames, Scan, SparseFrames

from interact_stem.errors import ShapeError
from interact_stem.events import Array, SparseEvents, coordinate_dtype

POOL_BYTES = 16 << 20
"""Frames of this many bytes are made once and then repeated: a source as fast as its stream."""

WAVE_ROWS, WAVE_COLUMNS = 16, 24
"""Positions after which the planted field repeats along y and x; unequal, to tell the axes apart."""


@dataclasses.dataclass(frozen=True)
class Planted:
    """A scan with a planted field.

    Attributes:
        scan_shape: (rows, columns) of the raster.
        detector_shape: (rows, columns) of a frame, at least 8 each.
        dose: Events in a frame.
        sparse: Whether the frames are lists of events.
        per_message: Frames in a batch.
        empty_every: Each frame whose number is a multiple of it is empty; 0 for none.
        seed: The same seed gives the same events.
    """

    scan_shape: tuple[int, int]
    detector_shape: tuple[int, int]
    dose: int = 1000
    sparse: bool = True
    per_message: int = 64
    empty_every: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.detector_shape) < 8:
            raise ShapeError(f"detector_shape is {self.detector_shape}; each edge is at least 8")

    @property
    def total(self) -> int:
        """Frames of the scan."""
        return self.scan_shape[0] * self.scan_shape[1]

    @property
    def center(self) -> tuple[int, int]:
        """Where the disk rests (y, x), pixels; off the middle, to tell the axes apart."""
        return int(0.45 * self.detector_shape[0]), int(0.55 * self.detector_shape[1])

    @property
    def amplitude(self) -> int:
        """Largest shift of the disk, pixels."""
        return self._margin // 3

    @property
    def radius(self) -> int:
        """Radius of the disk, pixels: every event lies at r ≤ radius from the shifted centre."""
        return self._margin // 2

    @property
    def period(self) -> int:
        """Frames after which events and field repeat: a whole number of batches."""
        frame = (
            4 * self.dose if self.sparse else 2 * self.detector_shape[0] * self.detector_shape[1]
        )
        batches = min(256, max(1, POOL_BYTES // (max(frame, 1) * self.per_message)))
        return self.per_message * min(batches, -(-self.total // self.per_message))

    def shifts(self, index: npt.NDArray[np.int64]) -> tuple[Array, Array]:
        """The planted shift (y, x) of each frame in whole pixels, int64, shape (n,) each."""
        row, column = np.divmod(index % self.period, self.scan_shape[1])
        y = self.amplitude * np.sin(2 * np.pi * row / WAVE_ROWS)
        x = self.amplitude / 2 * np.sin(2 * np.pi * column / WAVE_COLUMNS)
        return np.rint(y).astype(np.int64), np.rint(x).astype(np.int64)

    def moments(self, index: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The exact [Σ, Σy, Σx] of each frame, int64, shape (n, 3)."""
        total = np.where(self._empty(index), 0, self.dose).astype(np.int64)
        y, x = self.shifts(index)
        return np.stack([total, total * (self.center[0] + y), total * (self.center[1] + x)], axis=1)

    def batches(self, scan: Scan, start: int = 0) -> Iterator[DenseFrames | SparseFrames]:
        """The scan from the batch that holds frame ``start``; arrays are shared between batches."""
        total = self.total
        for first in range(start // self.per_message * self.per_message, total, self.per_message):
            last = min(first + self.per_message, total)
            made = _pooled(self, first % self.period)
            at = Batch(scan=scan, start=first, stop=last, total=total)
            if isinstance(made, SparseEvents):
                offsets = made.offsets[: last - first + 1]
                rows, columns = made.rows[: offsets[-1]], made.columns[: offsets[-1]]
                yield at.sparse(rows, columns, offsets, made.shape)
            else:
                yield at.dense(made[: last - first])

    @property
    def _margin(self) -> int:
        (rows, columns), (y, x) = self.detector_shape, self.center
        return min(y, x, rows - 1 - y, columns - 1 - x)

    def _empty(self, index: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        if self.empty_every == 0:
            return np.zeros(index.shape, bool)
        return np.equal(index % self.period % self.empty_every, 0)


@functools.lru_cache(maxsize=512)
def _pooled(planted: Planted, first: int) -> SparseEvents | Array:
    """The batch that starts at frame ``first`` of the period, read-only."""
    index = np.arange(first, first + planted.per_message)
    events = _events(planted, index)
    made: SparseEvents | Array = events if planted.sparse else _images(events)
    for array in made if isinstance(made, SparseEvents) else (made,):
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return made


def _events(planted: Planted, index: npt.NDArray[np.int64]) -> SparseEvents:
    """Events of some frames: pairs around the shifted centre."""
    generator = np.random.default_rng((planted.seed, int(index[0])))
    n, pairs = len(index), planted.dose // 2
    shift_y, shift_x = planted.shifts(index)
    distance = planted.radius * np.sqrt(generator.random((n, pairs)))
    angle = 2 * np.pi * generator.random((n, pairs))
    odd = np.zeros((n, planted.dose % 2), np.int64)
    dtype = coordinate_dtype(planted.detector_shape)
    keep = np.repeat(~planted._empty(index), planted.dose)

    def placed(offset: Array, center: int, shift: Array) -> Array:
        whole = np.trunc(offset).astype(np.int64)  # towards the centre: stays inside the radius
        around = np.concatenate([whole, -whole, odd], axis=1) + (center + shift)[:, None]
        return np.asarray(around, dtype).ravel()[keep]

    lengths = np.where(planted._empty(index), 0, planted.dose)
    return SparseEvents(
        placed(distance * np.sin(angle), planted.center[0], shift_y),
        placed(distance * np.cos(angle), planted.center[1], shift_x),
        None,
        np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        planted.detector_shape,
    )


def _images(events: SparseEvents) -> Array:
    """The events as images, uint16."""
    n = len(events.offsets) - 1
    frame = np.repeat(np.arange(n), np.diff(events.offsets))
    rows, columns = events.shape
    flat = (frame * rows + events.rows) * columns + events.columns
    return (
        np.bincount(flat, minlength=n * rows * columns).reshape(n, rows, columns).astype(np.uint16)
    )
