"""Edges that overwrite what was not read in time: what is missing is counted, and ends with the source."""

from dataclasses import dataclass

import numpy as np
from interact_api.choices import Guarantee
from interact_api.config import InputConfig
from interact_api.report import ScanReport

from interact._batches import Batch
from interact._coverage import Ledger, ScanLedger
from interact._ports import Delivery
from interact._scan import gaps
from interact._tally import Tally

REASON = "overwritten"


@dataclass(slots=True)
class _Seen:
    """The last message an edge gave for the first time."""

    order: int = 0
    sequence: int = 0
    again: int = 0


class Losses:
    """The lossy edges of one replica.

    Messages are numbered twice: by the stream, and by the consumer as it gives them. Where the first
    number grows more, messages were overwritten. Replicas share a consumer: each counts its share.
    """

    def __init__(self, ledger: Ledger, tally: Tally) -> None:
        self._ledger = ledger
        self._tally = tally
        self._seen: dict[str, _Seen] = {}

    def see(self, port: str, delivery: Delivery) -> None:
        """A message of a lossy edge has come: count those missing before it."""
        before = self._seen.get(port)
        if delivery.attempt > 1:
            if before is not None:
                before.again += 1
            return
        if before is None and delivery.order == 1:
            before = _Seen()
        self._seen[port] = _Seen(delivery.order, delivery.sequence)
        if before is None or delivery.order <= before.order:
            return
        given = max(delivery.order - before.order - before.again, 1)
        missing = delivery.sequence - before.sequence - given
        if missing > 0:
            self._tally.drop(REASON, missing / given)

    def end(self, entry: InputConfig, origin: str, scans: int) -> None:
        """A source has ended: what has not come by a stream that drops its oldest will not come."""
        if not entry.loses or entry.delivery is Guarantee.LATEST:
            return
        ledger = self._ledger
        for found in [*ledger.open.values()]:
            if found.origin == origin:
                self._give_up(entry.source, found)
        if not any(found.origin == origin for found in ledger.open.values()):
            ledger.completed[origin] = max(scans, ledger.completed.get(origin, 0))

    def _give_up(self, source: str, found: ScanLedger) -> None:
        scan = found.scan
        for lane in found.bitmaps:
            if lane[0] == source:
                known = np.flatnonzero(found.bitmaps[lane])
                rest = gaps(0, found.total, (), known, REASON)
                found.mark(lane, Batch(scan=scan, start=0, stop=found.total, tombstones=rest))
        if found.complete:
            self._ledger.close(scan.id, found.origin)
            self._tally.scans_complete += 1
        report = ScanReport(
            found.progress, found.total, found.complete, dict(found.missing), scan.shape
        )
        self._tally.scan(scan.id, report)
