"""Reducers: many messages of a scan into one result, exact whatever the order of arrival."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import numpy as np

from interact._batches import Array, Axis, Batch, Image, Values
from interact._scan import Scan, positions

State = TypeVar("State")


@dataclasses.dataclass(frozen=True, slots=True)
class Progress:
    """How far a scan is when a result is asked for.

    ``covered`` of ``total`` frames are accounted for; ``missing`` counts, by reason, those that
    are accounted for and not there.
    """

    scan: Scan
    covered: int
    total: int
    missing: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every frame is accounted for."""
        return self.covered >= self.total

    @property
    def fraction(self) -> float:
        """Part of the scan that is there, 0 to 1: missing frames do not count."""
        gone = sum(self.missing.values())
        return max(self.covered - gone, 0) / self.total if self.total else 1.0


class Reducer(ABC, Generic[State]):
    """Subclass it, declare parameters as class attributes, and decorate it with `operator`.

    The SDK calls `add` once for each frame, however often its message came. Order is that of
    arrival, so a result is the same every time only if the state's sums are: keep integers, a slot
    for each position (`slots`), or `FrameSum` for images of floats.
    """

    @abstractmethod
    def zero(self, scan: Scan) -> State:
        """The state of an empty scan."""

    @abstractmethod
    def add(self, state: State, part: Any) -> None:
        """Take one batch into the state, in place."""

    @abstractmethod
    def result(self, state: State, progress: Progress) -> Any:
        """What is known so far; called twice a second while the scan runs, and at its end."""


def scan_axes(scan: Scan) -> tuple[Axis, ...]:
    """The axes (y, x) of a picture with one value for each position of a raster."""
    calibration = scan.calibration
    if scan.listed:
        return (Axis("position", "", 1.0, 0.0),)
    steps = calibration.step or (1.0, 1.0)
    unit = calibration.step_unit if calibration.step else "position"
    return Axis("y", unit, steps[0]), Axis("x", unit, steps[1])


def scan_image(
    progress: Progress,
    channels: Mapping[str, Array],
    *,
    units: Mapping[str, str] | None = None,
    y: Array | None = None,
    x: Array | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> Image:
    """A picture over the positions of a scan, with its axes and completeness.

    Args:
        progress: What `Reducer.result` was given.
        channels: Arrays with one value a position, shape (positions,) or the scan's.
        units: Unit of each channel.
        y: Coordinates of a list of positions, shape (positions,).
        x: The same along x.
        attributes: What a display should know.
    """
    scan = progress.scan
    return Image(
        scan=scan,
        start=0,
        stop=0,
        channels={name: np.asarray(c).reshape(scan.shape) for name, c in channels.items()},
        units=dict(units or {}),
        axes=scan_axes(scan),
        y=y,
        x=x,
        completeness=progress.fraction,
        missing=dict(progress.missing),
        attributes=dict(attributes or {}),
    )


class Slots:
    """One slot for each position of a scan and named column, filled in any order.

    Frames of one position (several a position) are added up; integers stay exact. Float columns
    keep a slot for each *frame* and are folded in the order of the index, so that the sum does not
    depend on the order of arrival. Positions no frame came for are marked in ``seen``.
    """

    def __init__(self, scan: Scan) -> None:
        self.scan = scan
        self.seen = np.zeros(scan.positions, np.int64)
        self._columns: dict[str, Array] = {}
        self._per_frame = scan.frames_per_position > 1

    def add(self, part: Batch, columns: Mapping[str, Array]) -> None:
        """Put the values of a batch in their slots; columns have shape (n,) or (n, k)."""
        index, place = part.index, part.position
        inside = place >= 0
        there = slice(None) if inside.all() else inside
        index, place = index[there], place[there]
        self._sum(self.seen, place, np.ones(1, np.int64))
        for name, column in columns.items():
            exact = column.dtype.kind in "biu"
            slots = self._slots(name, column, exact)
            if exact:
                self._sum(slots, place, column[there].astype(np.int64))
            else:
                slots[index if self._per_frame else place] = column[there]

    def _sum(self, slots: Array, place: Array, values: Array) -> None:
        """Add values in their places; a position met once needs no `numpy.add.at`, which is slow."""
        if self._per_frame:
            np.add.at(slots, place, values)
        else:
            slots[place] += values

    def _slots(self, name: str, column: Array, exact: bool) -> Array:
        if name not in self._columns:
            length = self.scan.positions if exact or not self._per_frame else self.scan.total
            shape = (length, *column.shape[1:])
            self._columns[name] = np.zeros(shape, np.int64) if exact else np.zeros(shape)
        return self._columns[name]

    def __getitem__(self, name: str) -> Array:
        """Sum of a column for each position, shape (positions,) or (positions, k)."""
        slots = self._columns.get(name)
        if slots is None:
            return np.zeros(self.scan.positions)
        if len(slots) == self.scan.positions:
            return slots
        place = positions(self.scan, np.arange(self.scan.total))
        folded = np.zeros((self.scan.positions, *slots.shape[1:]))
        np.add.at(folded, place[place >= 0], slots[place >= 0])
        return folded

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that came so far."""
        return tuple(self._columns)

    def dump(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"seen": self.seen, "columns": self._columns}

    def load(self, data: dict[str, Any]) -> None:
        """Become what `dump` gave."""
        self.seen = data["seen"]
        self._columns = data["columns"]


@dataclasses.dataclass(slots=True)
class Picture:
    """The state of a `ScanImage`."""

    slots: Slots
    units: dict[str, str]
    y: Array | None = None
    x: Array | None = None


class ScanImage(Reducer[Picture]):
    """A picture of every column of its input: one pixel a position, NaN where no frame came.

    Subclass it to name a title or to calculate from the sums in `channels`.
    """

    title: str = ""

    def zero(self, scan: Scan) -> Picture:
        """Empty slots for every position."""
        listed = scan.listed
        empty = np.full(scan.positions, np.nan) if listed else None
        return Picture(Slots(scan), {}, empty, None if empty is None else empty.copy())

    def add(self, state: Picture, part: Values) -> None:
        """Put the values of a batch in their places."""
        state.slots.add(part, part.columns)
        state.units.update(part.units)
        if (
            part.y is not None
            and part.x is not None
            and state.y is not None
            and state.x is not None
        ):
            there = part.position >= 0
            state.y[part.position[there]] = part.y[there]
            state.x[part.position[there]] = part.x[there]

    def channels(self, state: Picture) -> dict[str, Array]:
        """The pictures to show: each column's sum over the frames of a position."""
        return {
            name: np.where(state.slots.seen > 0, state.slots[name], np.nan)
            for name in state.slots.names
            if state.slots[name].ndim == 1
        }

    def result(self, state: Picture, progress: Progress) -> Image:
        """The picture so far."""
        channels = self.channels(state) or {"nothing": np.full(progress.scan.positions, np.nan)}
        attributes = {"title": self.title} if self.title else {}
        return scan_image(
            progress, channels, units=state.units, y=state.y, x=state.x, attributes=attributes
        )


class FrameSum:
    """The sum of arrays over a scan, the same to the last bit whatever order they come in.

    Integers are summed in int64. Floats are summed along a fixed binary tree over the index: the
    range [0, 2^m) is halved until one batch starts in it. Ranges that are complete are folded as
    they fill, so that about as many partial sums wait as batches are out of order.
    """

    def __init__(self) -> None:
        self.frames = 0
        self._integers: Array | None = None
        self._nodes: list[_Node] = []
        self._limit = 32

    def add(self, part: Batch, subtotal: Array) -> None:
        """Take the sum over one batch, of any shape; batches of no frames do not count."""
        if not len(part):
            return
        self.frames += len(part)
        if subtotal.dtype.kind in "biu":
            if self._integers is None:
                self._integers = np.zeros(subtotal.shape, np.int64)
            self._integers += subtotal
            return
        self._nodes.append(_Node(part.start, part.stop, np.asarray(subtotal, np.float64)))
        if len(self._nodes) >= self._limit:
            self._nodes = _folded(sorted(self._nodes, key=_start))
            self._limit = 2 * len(self._nodes) + 32

    def total(self) -> Array | None:
        """The sum of what came so far; None if nothing did."""
        if self._integers is not None:
            return self._integers
        if not self._nodes:
            return None
        nodes = sorted(self._nodes, key=_start)
        return _fold(nodes, 0, 1 << nodes[-1].start.bit_length()).array

    def dump(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        nodes = [[node.start, node.stop, node.array] for node in self._nodes]
        return {"frames": self.frames, "integers": self._integers, "nodes": nodes}

    def load(self, data: dict[str, Any]) -> None:
        """Become what `dump` gave."""
        self.frames = data["frames"]
        self._integers = data["integers"]
        self._nodes = [_Node(*node) for node in data["nodes"]]


@dataclasses.dataclass(frozen=True, slots=True)
class _Node:
    """The sum over the batches that start in [start, stop)."""

    start: int
    stop: int
    array: Array


def _start(node: _Node) -> int:
    return node.start


def _fold(nodes: list[_Node], low: int, high: int) -> _Node:
    """One node for those that start in [low, high), added along the halves of the range."""
    if len(nodes) == 1:
        return nodes[0]
    middle = (low + high) // 2
    left = [node for node in nodes if node.start < middle]
    right = nodes[len(left) :]
    if not left or not right:
        return _fold(nodes, low, middle) if left else _fold(nodes, middle, high)
    a, b = _fold(left, low, middle), _fold(right, middle, high)
    return _Node(a.start, b.stop, a.array + b.array)


def _folded(nodes: list[_Node]) -> list[_Node]:
    """Nodes folded wherever a whole aligned range is there without a gap."""
    folded: list[_Node] = []
    at = 0
    while at < len(nodes):
        end = at + 1
        while end < len(nodes) and nodes[end].start == nodes[end - 1].stop:
            end += 1
        folded += _fold_run(nodes[at:end])
        at = end
    return folded


def _fold_run(run: list[_Node]) -> list[_Node]:
    """One gapless run, folded along the aligned ranges that lie inside it."""
    folded: list[_Node] = []
    low, last = run[0].start, run[-1].stop
    while low < last:
        size = low & -low or 1 << last.bit_length()
        while low + size > last:
            size //= 2
        inside = [node for node in run if low <= node.start < low + size]
        if inside:
            folded.append(_fold(inside, low, low + size))
        low += size
    return folded
