"""What a reducer or sink takes of a message: frames that are new, and newer editions of a result."""

from collections.abc import Sequence

import numpy as np
from interact_api.report import ScanReport

from interact._batches import Batch
from interact._coverage import FAILED, Bits, Lane, Ledger, root
from interact._kernel import Failed
from interact._scan import gaps
from interact._tally import Tally


class Collecting:
    """The ledger of one replica, as messages change it."""

    def __init__(self, ledger: Ledger, tally: Tally) -> None:
        self.ledger = ledger
        self._tally = tally

    def fresh(self, lane: Lane, batch: Batch, edition: int = 0) -> Bits | None:
        """Which frames of a message are to be taken, shape (n,); None if nothing is new in it."""
        found = self.ledger.known(lane, batch, edition)
        if found is not None:
            if batch.stop > found.total:
                self._tally.warn(
                    f"scan {batch.scan.id} has {found.total} frames; more came and were left out"
                )
                return None
            fresh = found.fresh(lane, batch, edition)
            if fresh is not None:
                return fresh
        if edition and self.ledger.replaces(lane, batch, edition):
            return np.ones(len(batch), bool)
        return None

    def outdated(self, lane: Lane, batch: Batch, edition: int = 0) -> bool:
        """Whether a message that covers nothing, a partial result, comes after the whole one."""
        scan_id = batch.scan.id
        if edition > self.ledger.editions.get((scan_id, lane), 0):
            return False
        found = self.ledger.open.get(scan_id)
        if found is None:
            return scan_id in self.ledger.over
        bits = found.bitmaps.get(lane)
        return bits is not None and bool(bits.all())

    def too_late(self, batch: Batch, edition: int) -> bool:
        """Whether frames that failed come again when nothing can take them any more."""
        return bool(edition and len(batch) and batch.scan.id in self.ledger.sealed)

    def mark(self, lane: Lane, batch: Batch, edition: int = 0) -> None:
        """A sink has done a message: its scan may be complete, or need no correction any more."""
        ledger, scan = self.ledger, batch.scan
        found = ledger.known(lane, batch, edition)
        if edition and ledger.replaces(lane, batch, edition):
            ledger.replaced(lane, scan.id, edition)
        told = getattr(batch, "missing", None)
        if found is None:
            total = scan.total
            self._tally.scan(scan.id, ScanReport(total, total, True, dict(told or {}), scan.shape))
            return
        found.mark(lane, batch, edition)
        missing = dict(told or found.missing)
        self._tally.scan(
            scan.id, ScanReport(found.progress, found.total, found.complete, missing, scan.shape)
        )
        if scan.id in ledger.correctable:
            if not found.lacks:
                del ledger.correctable[scan.id]
        elif found.complete:
            ledger.close(scan.id, root(lane[1]))
            self._tally.scans_complete += 1


def covered(batch: Batch, failed: Sequence[Failed]) -> Batch:
    """What a sink has done of a message: its coverage, in which some frames failed."""
    if not failed:
        return batch
    lost = np.concatenate([part.index for one in failed for part in one.part.values()])
    left = np.setdiff1d(batch.index, lost)
    gone = gaps(batch.start, batch.stop, batch.tombstones, left, FAILED)
    return Batch(**{**batch.frame(), "tombstones": gone, "y": None, "x": None})
