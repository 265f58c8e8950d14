"""Which frames of which scan have come: the test of completeness, and against duplicates."""

import dataclasses
from collections import OrderedDict
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from interact._batches import Batch
from interact._scan import Scan

Lane = tuple[str, str]
"""The edge a message came by ("operator.port") and the path it says it took."""

REMEMBERED_SCANS = 4096


def root(lane: str) -> str:
    """The source a path began at."""
    return lane.partition(">")[0]


@dataclasses.dataclass(slots=True)
class ScanLedger:
    """The bitmaps of one scan: one for each lane its frames must come by."""

    scan: Scan
    total: int
    bitmaps: dict[Lane, npt.NDArray[np.bool_]]
    covered: dict[Lane, int]
    missing: dict[str, int]
    origin: str = ""
    gone: npt.NDArray[np.bool_] | None = None
    """Frames counted in ``missing``: one that is missing on several lanes counts once."""

    def fresh(self, lane: Lane, batch: Batch) -> npt.NDArray[np.bool_] | None:
        """Which frames of a batch are new, shape (n,); None if its whole coverage is known."""
        bits = self.bitmaps[lane]
        if bits[batch.start : batch.stop].all():
            return None
        return ~bits[batch.index]

    def mark(self, lane: Lane, batch: Batch) -> None:
        """The batch's whole coverage is accounted for."""
        bits = self.bitmaps[lane]
        new = batch.stop - batch.start - int(bits[batch.start : batch.stop].sum())
        if not new:
            return
        for gap in batch.tombstones:
            if self.gone is None:
                self.gone = np.zeros(self.total, bool)
            known = bits[gap.start : gap.stop] | self.gone[gap.start : gap.stop]
            count = gap.stop - gap.start - int(known.sum())
            if count:
                self.missing[gap.reason] = self.missing.get(gap.reason, 0) + count
            self.gone[gap.start : gap.stop] |= ~bits[gap.start : gap.stop]
        bits[batch.start : batch.stop] = True
        self.covered[lane] += new

    @property
    def progress(self) -> int:
        """Frames accounted for on the lane that has fewest."""
        return min(self.covered.values(), default=0)

    @property
    def complete(self) -> bool:
        """Whether every lane has every frame."""
        return self.progress >= self.total


class Ledger:
    """All scans a reducer or sink knows; scans that are over are only remembered by name."""

    def __init__(self, lanes: Iterable[Lane]) -> None:
        self.lanes = tuple(lanes)
        self.open: dict[str, ScanLedger] = {}
        self.over: OrderedDict[str, str] = OrderedDict()
        self.completed: dict[str, int] = {}
        self.expected: dict[str, int] = {}

    def scan(self, lane: Lane, batch: Batch) -> ScanLedger | None:
        """The ledger of a batch's scan, opened if it is new; None if the scan is over."""
        scan = batch.scan
        if scan.id in self.over:
            return None
        if scan.id not in self.open:
            origin = root(lane[1])
            lanes = [known for known in self.lanes if root(known[1]) == origin] or [lane]
            self.open[scan.id] = ScanLedger(
                scan, scan.total,
                {known: np.zeros(scan.total, bool) for known in lanes}, dict.fromkeys(lanes, 0), {}, origin,
            )  # fmt: skip
        ledger = self.open[scan.id]
        if lane not in ledger.bitmaps:
            ledger.bitmaps[lane] = np.zeros(scan.total, bool)
            ledger.covered[lane] = 0
        return ledger

    def close(self, scan_id: str, origin: str) -> None:
        """A scan is complete and its result is out."""
        del self.open[scan_id]
        self.over[scan_id] = origin
        self.completed[origin] = self.completed.get(origin, 0) + 1
        if len(self.over) > REMEMBERED_SCANS:
            self.over.popitem(last=False)

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
