"""Which frames of which scan have come: the test of completeness, and against duplicates."""

import dataclasses
from collections import OrderedDict
from collections.abc import Iterable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from interact._batches import Batch
from interact._scan import Scan

Lane = tuple[str, str]
"""The edge a message came by ("operator.port") and the path it says it took."""
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
Bits = npt.NDArray[np.bool_]

FAILED = "failed"
"""The reason of frames that a newer edition may bring."""
REMEMBERED_SCANS = 4096
CORRECTABLE_SCANS = 16
"""Scans that are over, lack failed frames, and can still take them."""


def root(lane: str) -> str:
    """The source a path began at."""
    return lane.partition(">")[0]


@dataclasses.dataclass(slots=True)
class ScanLedger:
    """The bitmaps of one scan: one for each lane its frames must come by.

    ``missing`` counts frames that are accounted for and not there, by reason: one that is missing
    on several lanes counts once. ``failed`` holds those that failed, by lane, ``lost`` those that are
    missing for any other reason: they will not come again.
    """

    scan: Scan
    total: int
    bitmaps: dict[Lane, Bits]
    covered: dict[Lane, int]
    missing: dict[str, int]
    origin: str = ""
    failed: dict[Lane, Bits] = dataclasses.field(default_factory=dict)
    lost: Bits | None = None

    def fresh(self, lane: Lane, batch: Batch, edition: int = 0) -> Bits | None:
        """Which frames of a batch are new, shape (n,); None if all it says is known.

        Frames that failed are new when an edition after the first brings them.
        """
        bits = self.bitmaps[lane]
        failed = self.failed.get(lane) if edition else None
        if not bits[batch.start : batch.stop].all():
            new = ~bits[batch.index]
            return new if failed is None else new | failed[batch.index]
        if failed is None:
            return None
        settled = failed[batch.start : batch.stop].copy()
        for gap in batch.tombstones:
            if gap.reason == FAILED:
                settled[gap.start - batch.start : gap.stop - batch.start] = False
        return failed[batch.index] if settled.any() else None

    def mark(self, lane: Lane, batch: Batch, edition: int = 0) -> None:
        """The batch's whole coverage is accounted for."""
        window = slice(batch.start, batch.stop)
        bits = self.bitmaps[lane][window]
        new = ~bits
        self.covered[lane] += int(new.sum())
        if batch.tombstones or self.failed:
            before = self._failing(window)
            if edition and lane in self.failed:
                new |= self.failed[lane][window]
                self.failed[lane][window] &= ~new
            self._take_gaps(lane, batch, new)
            self._count(FAILED, self._failing(window) - before)
        bits[:] = True

    def _take_gaps(self, lane: Lane, batch: Batch, new: Bits) -> None:
        for gap in batch.tombstones:
            there = slice(gap.start, gap.stop)
            part = new[gap.start - batch.start : gap.stop - batch.start]
            if not part.any():
                continue
            if gap.reason == FAILED:
                self.failed.setdefault(lane, np.zeros(self.total, bool))[there] |= part
                continue
            if self.lost is None:
                self.lost = np.zeros(self.total, bool)
            self._count(gap.reason, int((part & ~self.lost[there]).sum()))
            self.lost[there] |= part

    def _failing(self, window: slice) -> int:
        """Frames of a window that count as failed."""
        if not self.failed:
            return 0
        failed = np.logical_or.reduce([bits[window] for bits in self.failed.values()])
        return int((failed if self.lost is None else failed & ~self.lost[window]).sum())

    def _count(self, reason: str, frames: int) -> None:
        left = self.missing.get(reason, 0) + frames
        if left:
            self.missing[reason] = left
        else:
            self.missing.pop(reason, None)

    @property
    def lacks(self) -> bool:
        """Whether failed frames could still come."""
        return any(bits.any() for bits in self.failed.values())

    @property
    def progress(self) -> int:
        """Frames accounted for on the lane that has fewest."""
        return min(self.covered.values(), default=0)

    @property
    def complete(self) -> bool:
        """Whether every lane has every frame."""
        return self.progress >= self.total


class Ledger:
    """All scans a reducer or sink knows; those that are over are remembered by name.

    Scans that are over and lack failed frames stay in ``correctable``, the latest of them; what was
    pushed out of there is named in ``sealed``.
    """

    def __init__(self, lanes: Iterable[Lane]) -> None:
        self.lanes = tuple(lanes)
        self.open: dict[str, ScanLedger] = {}
        self.over: OrderedDict[str, str] = OrderedDict()
        self.correctable: OrderedDict[str, ScanLedger] = OrderedDict()
        self.sealed: OrderedDict[str, None] = OrderedDict()
        self.editions: OrderedDict[tuple[str, Lane], int] = OrderedDict()
        """The newest message that spoke for a whole scan and came again, by scan and lane."""
        self.results: OrderedDict[str, int] = OrderedDict()
        """The edition of the last result of a scan that had more than one."""
        self.completed: dict[str, int] = {}
        self.expected: dict[str, int] = {}

    def scan(self, lane: Lane, batch: Batch) -> ScanLedger | None:
        """The ledger of a batch's scan, opened if it is new; None if the scan is over."""
        scan = batch.scan
        if scan.id in self.over:
            return None
        if scan.id not in self.open:
            self.open[scan.id] = self.opened(lane, scan)
        ledger = self.open[scan.id]
        if lane not in ledger.bitmaps:
            ledger.bitmaps[lane] = np.zeros(scan.total, bool)
            ledger.covered[lane] = 0
        return ledger

    def opened(self, lane: Lane, scan: Scan) -> ScanLedger:
        """A fresh ledger, with the lanes that begin where this one does."""
        origin = root(lane[1])
        lanes = [known for known in self.lanes if root(known[1]) == origin] or [lane]
        return ScanLedger(
            scan, scan.total,
            {known: np.zeros(scan.total, bool) for known in lanes}, dict.fromkeys(lanes, 0), {}, origin,
        )  # fmt: skip

    def known(self, lane: Lane, batch: Batch, edition: int) -> ScanLedger | None:
        """The ledger a message may change: that of an open scan, or for a newer edition one that is over."""
        found = self.scan(lane, batch)
        if found is None and edition:
            found = self.correctable.get(batch.scan.id)
            if found is not None and lane not in found.bitmaps:
                return None
        return found

    def replaces(self, lane: Lane, batch: Batch, edition: int) -> bool:
        """Whether a message is a newer edition of one that spoke for a whole scan: a result."""
        return (
            edition > self.editions.get((batch.scan.id, lane), 0)
            and batch.start == 0
            and batch.stop == batch.scan.total
        )

    def replaced(self, lane: Lane, scan_id: str, edition: int) -> None:
        """A newer edition of a result was taken."""
        _remember(self.editions, (scan_id, lane), edition)

    def next_edition(self, scan_id: str, edition: int) -> int:
        """The edition of the next result of a scan that is over, at least this one."""
        edition = max(edition, self.results.get(scan_id, 0) + 1)
        _remember(self.results, scan_id, edition)
        return edition

    def close(self, scan_id: str, origin: str) -> None:
        """A scan is complete and its result is out."""
        ledger = self.open.pop(scan_id)
        if ledger.lacks:
            self.correctable[scan_id] = ledger
            while len(self.correctable) > CORRECTABLE_SCANS:
                self.seal(next(iter(self.correctable)))
        _remember(self.over, scan_id, origin)
        self.completed[origin] = self.completed.get(origin, 0) + 1

    def strike(self, scan_id: str, origin: str) -> None:
        """A scan is over without a result, whether a message of it has come or not."""
        self.open.pop(scan_id, None)
        _remember(self.over, scan_id, origin)
        self.completed[origin] = self.completed.get(origin, 0) + 1

    def seal(self, scan_id: str) -> None:
        """A scan that is over takes no corrections any more."""
        del self.correctable[scan_id]
        _remember(self.sealed, scan_id, None)

    def end(self, origin: str, scans: int) -> None:
        """A source has said how many scans it made."""
        self.expected[origin] = scans

    @property
    def done(self) -> bool:
        """Whether every scan of every source is complete."""
        origins = {root(lane) for _, lane in self.lanes}
        return bool(origins) and all(
            origin in self.expected and self.completed.get(origin, 0) >= self.expected[origin]
            for origin in origins
        )


def _remember(known: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    """Keep the latest of what would grow without end."""
    known[key] = value
    known.move_to_end(key)
    if len(known) > REMEMBERED_SCANS:
        known.popitem(last=False)
