"""What orders about scans change where messages arrive: dropped at once, and accounted for."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator

import numpy as np
from interact_api import names
from interact_api.config import InputConfig, OperatorConfig
from interact_api.report import ScanReport

from interact._batches import Batch
from interact._coverage import Lane, Ledger, ScanLedger, root
from interact._keeping import Keeping
from interact._orders import Action, Order, Orders, made_by
from interact._reducing import Reducing
from interact._scan import Scan, gaps
from interact._tally import Tally


class Obeying:
    """The orders of one replica that has inputs, carried out between two messages.

    An aborted scan ends where its frames are: reducers give the result of what they have, and what
    comes below them passes. Of a skipped scan nothing passes anywhere.
    """

    def __init__(
        self,
        config: OperatorConfig,
        ledger: Ledger,
        tally: Tally,
        reducing: Reducing | None,
        keeping: Keeping | None,
    ) -> None:
        self._ledger = ledger
        self._tally = tally
        self._reducing = reducing
        self._keeping = keeping
        self._inputs = [entry for entry in config.inputs if entry.durable]
        self._results = {entry.source for entry in config.inputs if entry.results}
        self._orders = Orders(tally)
        self.given = self._orders.given
        """What was ordered so far, by scan."""
        self._news: deque[Order] = deque()
        self._wake = asyncio.Event()

    def follow(self, orders: Orders, wake: asyncio.Event) -> None:
        """From now on these orders hold; ``wake`` is set when there is a new one."""
        self._orders, self._wake, self.given = orders, wake, orders.given
        orders.heard = self._hear

    def _hear(self, order: Order) -> None:
        self._news.append(order)
        self._wake.set()

    @property
    def waiting(self) -> bool:
        """Whether there is something to carry out."""
        return bool(self._news)

    def drops(self, entry: InputConfig, scan: Scan) -> bool:
        """Whether a message of a scan is to be acknowledged and forgotten."""
        order = self._orders.of(scan)
        return order is not None and not (order.action is Action.ABORT and entry.results)

    def purged(self, order: Order) -> Iterator[tuple[str, str]]:
        """Streams, and the subject of each, whose messages an order makes worthless."""
        for entry in self._inputs:
            if not (order.action is Action.ABORT and entry.results):
                yield entry.stream, names.scan_subject(entry.subject.removesuffix(".*"), order.scan)

    async def carry_out(self) -> list[Order]:
        """Account for the scans there are new orders about; those orders."""
        given = [*self._news]
        self._news.clear()
        for order in given:
            if self._keeping is not None and order.scan not in self._ledger.over:
                await self._end(order, self._keeping)
        return given

    async def _end(self, order: Order, keeping: Keeping) -> None:
        lane = self._lane(order.scan, results=order.action is Action.SKIP)
        if lane is None:
            return  # its frames do not come here, or its result still does
        found = self._ledger.open.get(order.scan)
        if found is None and order.facts is not None and order.action is Action.ABORT:
            found = self._ledger.scan(lane, Batch(scan=order.facts, start=0, stop=0))
        reason = order.action.reason
        if found is None or order.action is Action.SKIP:
            self._strike(order, found, root(lane[1]))
        else:
            self._abandon(found, reason)
            if found.complete:
                await self._close(found)
            self._tell(found.scan, found.progress, found.complete, dict(found.missing))
        keeping.acknowledge(order.scan, _nothing, 0)

    def _lane(self, scan_id: str, *, results: bool) -> Lane | None:
        """One of the lanes the scan's frames, or its results, come by."""
        for lane in self._ledger.lanes:
            if made_by(scan_id, root(lane[1])) and (results or lane[0] not in self._results):
                return lane
        return None

    def _abandon(self, found: ScanLedger, reason: str) -> None:
        """Frames that have not come are missing; results still come."""
        for lane in found.bitmaps:
            if lane[0] in self._results:
                continue
            known = np.flatnonzero(found.bitmaps[lane])
            rest = gaps(0, found.total, (), known, reason)
            found.mark(lane, Batch(scan=found.scan, start=0, stop=found.total, tombstones=rest))

    async def _close(self, found: ScanLedger) -> None:
        if self._reducing is None:
            self._ledger.close(found.scan.id, found.origin)
        else:
            await self._reducing.give_up(found)

    def _strike(self, order: Order, found: ScanLedger | None, origin: str) -> None:
        """End a scan without a result."""
        if self._reducing is not None:
            self._reducing.discard(order.scan)
        self._ledger.strike(order.scan, origin)
        scan = found.scan if found is not None else order.facts
        if scan is not None:
            self._tell(scan, scan.total, True, {order.action.reason: scan.total})

    def _tell(self, scan: Scan, covered: int, complete: bool, missing: dict[str, int]) -> None:
        self._tally.scan(scan.id, ScanReport(covered, scan.total, complete, missing, scan.shape))


async def _nothing() -> None:
    """There is no message to acknowledge: it is the checkpoint that counts."""


def now() -> str:
    """The time, as orders say it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
