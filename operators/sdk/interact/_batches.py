"""What kernels take and give: frames of one scan, as arrays, with their coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import msgspec
import numpy as np
import numpy.typing as npt
from interact_api.wire import Json

from interact._errors import BatchError
from interact._scan import Scan, Tombstone, gaps, positions, present

Array = npt.NDArray[Any]


class Batch(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Frames [start, stop) of a scan without the tombstones, ascending by index.

    ``time`` is seconds since 1970 when the source saw the first frame, ``revision`` that of the
    parameters that made the batch. ``y`` and ``x`` are the coordinates of the frames, shape (n,),
    where the scan is a list of positions.
    """

    kind: ClassVar[str] = "none"

    scan: Scan
    start: int
    stop: int
    tombstones: tuple[Tombstone, ...] = ()
    total: int | None = None
    time: float = 0.0
    revision: int = 0
    lane: str = ""
    attributes: Mapping[str, Json] = {}
    y: Array | None = None
    x: Array | None = None

    def __len__(self) -> int:
        """Number of frames that are there."""
        if not self.tombstones:
            return self.stop - self.start
        return self.stop - self.start - sum(gap.stop - gap.start for gap in self.tombstones)

    @property
    def index(self) -> npt.NDArray[np.int64]:
        """Number of each frame in the order of acquisition, shape (n,)."""
        return present(self.start, self.stop, self.tombstones)

    @property
    def position(self) -> npt.NDArray[np.int64]:
        """Place of each frame in the scan, row * columns + column, −1 for none, shape (n,)."""
        scan = self.scan
        plain = scan.order == "raster" and scan.frames_per_position == 1
        if plain and not scan.offset and not scan.flyback and self.stop <= scan.positions:
            return self.index
        return positions(scan, self.index)

    @property
    def divisible(self) -> bool:
        """Whether its frames can be tried one by one."""
        return self.kind not in WHOLE_KINDS

    def arrays(self) -> dict[str, Array]:
        """The named arrays that travel, in the order of the wire."""
        return {name: a for name, a in (("y", self.y), ("x", self.x)) if a is not None}

    def frame(self) -> dict[str, Any]:
        """Everything a batch made from this one inherits."""
        return {name: getattr(self, name) for name in _FRAME_FIELDS}

    def replace(self, **changes: Any) -> Self:
        """The same batch with some fields changed; nothing is copied."""
        return msgspec.structs.replace(self, **changes)

    def select(self, keep: npt.ArrayLike, *, reason: str = "filtered") -> Self:
        """The batch with some frames left out; each leaves a tombstone.

        Args:
            keep: Which frames stay, bool, shape (n,).
            reason: Why the others go.

        Raises:
            BatchError: If ``keep`` has another length.
        """
        mask = np.asarray(keep, bool)
        if mask.shape != (len(self),):
            raise BatchError(
                f"select takes one bool a frame, shape ({len(self)},), not {mask.shape}"
            )
        left = gaps(self.start, self.stop, self.tombstones, self.index[mask], reason)
        arrays = self._selected(mask)
        coordinates = {name: a[mask] for name, a in Batch.arrays(self).items()}
        return self.replace(tombstones=left, **coordinates, **arrays)

    def _selected(self, mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
        del mask
        return {}

    def values(self, units: Mapping[str, str] | None = None, **columns: npt.ArrayLike) -> Values:
        """Numbers for each frame of this batch.

        Args:
            units: Unit of a column by its name; none where left out.
            **columns: Arrays of shape (n,) or (n, k).
        """
        arrays = {name: np.asarray(column) for name, column in columns.items()}
        return Values(**self.frame(), columns=arrays, units=dict(units or {}))

    def dense(self, data: npt.ArrayLike) -> DenseFrames:
        """New images for the same frames, shape (n, rows, columns)."""
        return DenseFrames(**self.frame(), data=np.asarray(data))

    def sparse(
        self,
        rows: Array,
        columns: Array,
        offsets: Array,
        shape: tuple[int, int],
        counts: Array | None = None,
    ) -> SparseFrames:
        """Events for the same frames; see `SparseFrames`."""
        return SparseFrames(
            **self.frame(), rows=rows, columns=columns, offsets=offsets, shape=shape, counts=counts
        )

    def _need(self, name: str, array: Array, expected: tuple[object, ...]) -> None:
        ok = len(expected) == array.ndim and all(
            e is None or e == a for e, a in zip(expected, array.shape, strict=True)
        )
        if not ok:
            shape = ", ".join("any" if edge is None else str(edge) for edge in expected)
            raise BatchError(
                f"{type(self).__name__}.{name} has shape {array.shape}, expected ({shape}): "
                f"the batch holds {len(self)} frames"
            )


_FRAME_FIELDS = Batch.__struct_fields__


class DenseFrames(Batch, frozen=True, kw_only=True, eq=False):
    """Images: ``data`` has shape (n, rows, columns), read-only where it came by wire."""

    kind: ClassVar[str] = "dense"
    data: Array

    def __post_init__(self) -> None:
        if self.data.ndim != 3 or len(self.data) != len(self):
            self._need("data", self.data, (len(self), None, None))

    @property
    def shape(self) -> tuple[int, int]:
        """Edges of the detector (rows, columns)."""
        return self.data.shape[1], self.data.shape[2]

    def arrays(self) -> dict[str, Array]:
        arrays = {"data": self.data}
        return arrays if self.y is None and self.x is None else {**arrays, **Batch.arrays(self)}

    def _selected(self, mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
        return {"data": self.data[mask]}


class SparseFrames(Batch, frozen=True, kw_only=True, eq=False):
    """Counted events: event k of frame i is k in [offsets[i], offsets[i + 1]).

    ``rows`` and ``columns`` are signed integers, shape (events,); ``counts`` how often each event
    counts, None for once; ``offsets`` int64, shape (n + 1,), from 0; ``shape`` the detector's
    (rows, columns).
    """

    kind: ClassVar[str] = "sparse"
    rows: Array
    columns: Array
    offsets: Array
    shape: tuple[int, int]
    counts: Array | None = None

    def __post_init__(self) -> None:
        offsets, rows, columns, counts = self.offsets, self.rows, self.columns, self.counts
        whole = (
            offsets.shape == (len(self) + 1,)
            and offsets.item(0) == 0
            and rows.shape == columns.shape == (offsets.item(-1),)
            and (counts is None or counts.shape == rows.shape)
            and rows.dtype.kind == columns.dtype.kind == "i"
        )
        if not whole:
            self._explain()

    def _explain(self) -> None:
        """Say what is wrong; apart from the test for speed."""
        self._need("offsets", self.offsets, (len(self) + 1,))
        events = int(self.offsets[-1])
        if int(self.offsets[0]) != 0:
            raise BatchError(f"SparseFrames.offsets starts at {self.offsets[0]}, expected 0")
        for name, array in (
            ("rows", self.rows),
            ("columns", self.columns),
            ("counts", self.counts),
        ):
            if array is not None:
                self._need(name, array, (events,))
        if self.rows.dtype.kind != "i" or self.columns.dtype.kind != "i":
            raise BatchError(
                f"SparseFrames coordinates are {self.rows.dtype} and {self.columns.dtype}, expected "
                "signed integers: unsigned ones wrap when a centre is subtracted"
            )

    @property
    def events(self) -> npt.NDArray[np.int64]:
        """Number of events of each frame, shape (n,)."""
        return np.diff(self.offsets).astype(np.int64, copy=False)

    def arrays(self) -> dict[str, Array]:
        arrays: dict[str, Array] = {"rows": self.rows, "columns": self.columns}
        if self.counts is not None:
            arrays["counts"] = self.counts
        arrays["events"] = (self.offsets[1:] - self.offsets[:-1]).astype(np.uint32)
        return arrays if self.y is None and self.x is None else {**arrays, **Batch.arrays(self)}

    def _selected(self, mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
        events = np.repeat(mask, self.events)
        offsets = np.concatenate(([0], np.cumsum(self.events[mask])))
        counts = None if self.counts is None else self.counts[events]
        return {
            "rows": self.rows[events],
            "columns": self.columns[events],
            "counts": counts,
            "offsets": offsets,
        }


class Values(Batch, frozen=True, kw_only=True, eq=False):
    """Named numbers for each frame: columns of shape (n,) or (n, k), read as attributes too."""

    kind: ClassVar[str] = "values"
    columns: Mapping[str, Array]
    units: Mapping[str, str] = {}

    def __post_init__(self) -> None:
        frames = len(self)
        for name, column in self.columns.items():
            if not column.ndim or len(column) != frames:
                self._need(name, column, (frames, *([None] * max(column.ndim - 1, 0))))

    def __getattr__(self, name: str) -> Array:
        """A column by its name."""
        try:
            return self.columns[name]
        except KeyError:
            known = ", ".join(self.columns)
            raise AttributeError(f"no column {name!r}; the batch has {known}") from None

    def arrays(self) -> dict[str, Array]:
        named = {f"column:{name}": column for name, column in self.columns.items()}
        return {**named, **Batch.arrays(self)}

    def _selected(self, mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
        return {"columns": {name: column[mask] for name, column in self.columns.items()}}


class Axis(msgspec.Struct, frozen=True):
    """One axis of a picture: sample i lies at origin + i * step, in ``unit``."""

    name: str
    unit: str = "px"
    step: float = 1.0
    origin: float = 0.0


class Image(Batch, frozen=True, kw_only=True, eq=False):
    """A picture of one or more channels over the same axes, with how complete it is.

    ``channels`` are arrays of shape (rows, columns), or (n,) with the coordinates ``y`` and ``x``
    where the scan is a list of positions. A final picture covers the whole scan; a partial one
    covers nothing (start == stop), whatever its ``completeness`` (0 to 1). ``missing`` counts
    frames by reason. ``attributes`` carry what a display should know: ``title``, ``style`` …
    ``rendered`` is the picture as PNG, where an operator has drawn it.
    """

    kind: ClassVar[str] = "image"
    channels: Mapping[str, Array]
    units: Mapping[str, str] = {}
    axes: tuple[Axis, ...] = ()
    completeness: float = 1.0
    missing: Mapping[str, int] = {}
    rendered: bytes = b""

    def __post_init__(self) -> None:
        shapes = {channel.shape for channel in self.channels.values()}
        if len(shapes) != 1:
            raise BatchError(f"Image.channels have shapes {sorted(shapes)}, expected one for all")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of every channel."""
        return next(iter(self.channels.values())).shape

    @property
    def final(self) -> bool:
        """Whether this picture accounts for its whole scan."""
        return self.stop > self.start or self.scan.total == 0

    def arrays(self) -> dict[str, Array]:
        named = {f"channel:{name}": channel for name, channel in self.channels.items()}
        if self.rendered:
            named["rendered"] = np.frombuffer(self.rendered, np.uint8)
        return {**named, **Batch.arrays(self)}

    def image(
        self,
        channels: Mapping[str, npt.ArrayLike],
        *,
        units: Mapping[str, str] | None = None,
        attributes: Mapping[str, Json] | None = None,
    ) -> Image:
        """Another picture over the same axes, with the same coverage and completeness."""
        return self.replace(
            channels={name: np.asarray(channel) for name, channel in channels.items()},
            units=dict(units or {}),
            attributes=dict(attributes if attributes is not None else self.attributes),
            rendered=b"",
        )


class Bytes(Batch, frozen=True, kw_only=True, eq=False):
    """Bytes nobody looked into, with free metadata in ``attributes``; for classic kernels."""

    kind: ClassVar[str] = "bytes"
    data: bytes

    def arrays(self) -> dict[str, Array]:
        return {"data": np.frombuffer(self.data, np.uint8), **Batch.arrays(self)}


WHOLE_KINDS = frozenset(("image", "bytes"))
"""Kinds of messages that are no frames."""

KINDS: Mapping[str, type[Batch]] = {
    kind.kind: kind for kind in (Batch, DenseFrames, SparseFrames, Values, Image, Bytes)
}


def lost(scan: Scan, start: int, stop: int, *, reason: str = "overrun") -> Batch:
    """Frames [start, stop) that a camera has made and nobody got: a live source yields them.

    A source that goes on at a later index says the same.
    """
    return Batch(scan=scan, start=start, stop=stop, tombstones=(Tombstone(reason, start, stop),))


def check_same_frames(given: Batch, returned: Sequence[Batch]) -> None:
    """Refuse outputs whose frames are not those of the input.

    Raises:
        BatchError: If an output belongs to another scan or covers other frames.
    """
    for batch in returned:
        if batch.scan.id != given.scan.id or (batch.start, batch.stop) != (given.start, given.stop):
            raise BatchError(
                f"the output covers frames {batch.start} to {batch.stop} of scan {batch.scan.id}, "
                f"its input {given.start} to {given.stop} of {given.scan.id}: "
                "one message makes its own outputs; make batches with frames.values(…), .dense(…) "
                "or .select(…)"
            )
