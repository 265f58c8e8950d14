"""Running a source: stamping scans, closing gaps, going on where a former life stopped."""

from __future__ import annotations

import asyncio
import enum
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import msgspec
from interact_api.config import OperatorConfig
from interact_api.report import ScanReport

from interact import _trace
from interact._batches import Batch
from interact._errors import BatchError
from interact._in_effect import Live
from interact._operator import Operator
from interact._orders import Order, Orders, made_by, scan_id
from interact._outlet import Outlet
from interact._ports import Broker
from interact._position import Position, Sent
from interact._scan import Scan, Tombstone
from interact._signature import Resume
from interact._tally import Tally

GRACE_SECONDS = 0.2
"""For a generator to end after its last frame, before one with other parameters takes its place."""

OVERRUN, MISSING = "overrun", "missing"
_LOST = {OVERRUN, MISSING}


class _Ending(enum.Enum):
    """How a generator came to its end."""

    OVER = enum.auto()
    STOPPED = enum.auto()
    NEW_PARAMETERS = enum.auto()
    GIVEN_UP = enum.auto()


class Sourcing:
    """The one replica of a source."""

    def __init__(
        self,
        operator: Operator,
        config: OperatorConfig,
        broker: Broker,
        tally: Tally,
        live: Live | None = None,
        orders: Orders | None = None,
    ) -> None:
        self._operator = operator
        self._config = config
        self._broker = broker
        self._tally = tally
        self._live = live or Live(operator, config, tally)
        self._outlet = Outlet(config, broker, tally)
        self._outlet.begins_traces = _trace.wanted(os.environ)
        self._stop = asyncio.Event()
        self._position = Position(config, broker)
        self._orders = orders or Orders(tally)
        self._ordered = asyncio.Event()
        """Set when something was ordered about a scan of ours."""
        self._former = Resume()
        """What need not be sent: a former life did, or the generator before this one."""
        self._former_local: Scan | None = None
        """The scan a former life was in, as the source gave it."""
        self._over = False
        """Whether nothing is left of the scan that `_former` lies in: it was given up."""
        self._given_up = False
        """Whether the scan under way was given up, because a person has ordered so."""
        self._left = 0
        """Revision of the scan that a former life left in its middle; 0 where it left none."""
        self._ordinal = -1
        self._local: Scan | None = None
        self._scan: Scan | None = None
        self._next = 0
        self._read = 0
        """How far the source is in its scan; `_next` is also past what a former life stored."""
        self._lost: dict[str, int] = {}
        """Frames of the scan that the source itself did not bring, by reason."""
        self._live.use = self._use
        self._orders.heard = self._hear
        tally.inflight = lambda: self._position.under_way

    @property
    def outlet(self) -> Outlet:
        """Where its outputs go."""
        return self._outlet

    def stop(self) -> None:
        """Read no more; what was sent is stored before the process ends."""
        self._stop.set()

    def _use(self, values: Mapping[str, Any], revision: int) -> None:
        self._outlet.revision = revision

    async def run(self) -> None:
        """Send everything the source has, then wait to be stopped."""
        self._tally.state = "running"
        if await self._restore():
            self._tally.state = "done"
        elif await self._send_all():
            await self._finish()
            self._tally.state = "done"
        if self._tally.state == "done":  # no scan is left that would wait for new parameters
            self._live.heard = self._live.adopt
            self._live.adopt()
        await self._stop.wait()
        await self._broker.flush()
        await self._position.save(done=self._tally.state == "done")

    def _hear(self, order: Order) -> None:
        if made_by(order.scan, self._config.operator):
            self._ordered.set()

    async def _restore(self) -> bool:
        """Where a former life stopped; whether it had finished."""
        done = await self._position.restore()
        if done is None:
            return False
        self._former = self._position.resume
        self._former_local = self._position.local
        self._left = self._position.revision
        if self._left and not done:
            await self._live.go_on(self._left)
        self._tally.warn(
            f"{self._operator.name} goes on at frame {self._former.index} of scan {self._former.scan}"
            if not done
            else f"{self._operator.name} had finished before"
        )
        return done

    async def _send_all(self) -> bool:
        """Whether the source came to its end (and was not stopped)."""
        while True:
            batches = self._batches()
            asynchronous = hasattr(batches, "__aiter__")
            send = self._send_each_async if asynchronous else self._send_each
            ending = await send(batches)
            if ending in {_Ending.OVER, _Ending.STOPPED}:
                return ending is _Ending.OVER
            await _closed(batches)
            if ending is _Ending.GIVEN_UP:
                assert self._scan is not None  # noqa: S101  # what was given up
                self._former, self._left = Resume(self._ordinal, self._scan.total), 0
                self._former_local, self._over = self._local, True
            elif self._ordinal >= self._former.scan:
                self._former, self._left = Resume(self._ordinal + 1), 0
                self._over = False
            self._live.adopt()

    def _batches(self) -> Any:
        """The generator, with the parameters in use; a running one keeps those it was given."""
        arguments = self._live.native
        self._ordinal, self._local, self._scan = -1, None, None
        self._next = self._read = 0
        self._given_up = False
        if self._operator.wants_resume:
            arguments["resume"] = self._former
            self._ordinal = self._former.scan - 1
        return self._operator.function(**arguments)

    @property
    def _between(self) -> bool:
        """Whether no scan is under way: then a generator may be replaced by one with new values."""
        return self._scan is None or self._read >= self._scan.total

    async def _send_each(self, batches: Iterator[Batch]) -> _Ending:
        for batch in batches:
            if self._live.changed.is_set() and self._follows(batch):
                return _Ending.NEW_PARAMETERS  # it is read again
            await self._take(batch)
            await asyncio.sleep(0)
            if self._stop.is_set():
                return _Ending.STOPPED
            if self._gives_up():
                return _Ending.GIVEN_UP
        return _Ending.OVER

    def _follows(self, batch: Any) -> bool:
        """Whether a batch begins another scan after one that was sent.

        Only then is a generator begun anew: one of a single scan may not know that it is over.
        """
        sent = self._local is not None and self._ordinal >= self._former.scan
        return sent and isinstance(batch, Batch) and self._begins(batch)

    async def _send_each_async(self, batches: AsyncIterator[Batch]) -> _Ending:
        following: asyncio.Future[Batch | None] | None = None
        events: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(event.wait())
            for event in (self._stop, self._ordered, self._live.changed)
        ]
        stopping, ordered, changing = events
        try:
            while True:
                following = following or asyncio.ensure_future(anext(batches, None))
                await asyncio.sleep(0)  # enough for a generator that does not wait itself
                if not following.done():
                    heard = [stopping, ordered, *([changing] if self._between else [])]
                    await asyncio.wait([following, *heard], return_when=asyncio.FIRST_COMPLETED)
                if not following.done() and self._turns():
                    await asyncio.wait(
                        [following, stopping, ordered],
                        timeout=GRACE_SECONDS,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                if self._stop.is_set():
                    return _Ending.STOPPED
                if ordered.done():
                    ordered = asyncio.ensure_future(self._ordered.wait())
                    events.append(ordered)
                if self._gives_up():
                    return _Ending.GIVEN_UP
                if not following.done():
                    if self._turns():
                        return _Ending.NEW_PARAMETERS
                    continue
                batch = following.result()
                if batch is None:
                    return _Ending.OVER
                if self._turns() and self._follows(batch):
                    return _Ending.NEW_PARAMETERS  # it is read again
                following = None
                await self._take(batch)
        finally:
            if following is not None and not following.done():
                following.cancel()
                await asyncio.wait({following})
            for event in events:
                event.cancel()

    def _turns(self) -> bool:
        """Whether a generator with other parameters is to take this one's place now."""
        return self._live.changed.is_set() and self._between

    def _gives_up(self) -> bool:
        """Whether the scan under way is given up, and the generator can go on with the next."""
        self._ordered.clear()
        self._look_for_orders()
        return self._given_up and self._operator.wants_resume

    def _look_for_orders(self) -> None:
        """Make nothing more of a scan about which there is an order."""
        scan = self._scan
        order = None if scan is None else self._orders.of(scan)
        if scan is None or order is None or self._next >= scan.total:
            return
        missing = {order.action.reason: scan.total - self._next}
        self._next = scan.total
        self._given_up = True
        self._tally.scan(scan.id, ScanReport(scan.total, scan.total, True, missing, scan.shape))

    async def _take(self, batch: Batch) -> None:
        if not isinstance(batch, Batch):
            raise BatchError(
                f"source {self._operator.name} yielded {type(batch).__name__}, expected a batch"
            )
        if batch.scan.total == 0:
            self._tally.warn(f"a scan of no frames, shape {batch.scan.shape}, was left out")
            return  # nobody could tell that it is complete
        if batch.start == batch.stop:
            return
        if self._begins(batch):
            await self._begin(batch)
        assert self._scan is not None  # noqa: S101  # _begin set it
        if batch.stop > self._scan.total:
            raise BatchError(
                f"source {self._operator.name} yielded frames up to {batch.stop}; "
                f"its scan has {self._scan.total}"
            )
        self._read = batch.stop
        if batch.stop <= self._next:
            return  # stored in a former life, or given up
        if batch.start > self._next:
            await self._missing(self._next, batch.start, OVERRUN)
        self._next = batch.stop
        await self._send(batch)

    def _begins(self, batch: Batch) -> bool:
        """Whether a batch is the first of its scan: another scan, or the same from its start.

        Raises:
            BatchError: If it goes back to the middle of its scan.
        """
        if self._local is None or (batch.scan is not self._local and batch.scan != self._local):
            return True
        if batch.start < self._read and batch.start > 0:
            raise BatchError(
                f"source {self._operator.name} yielded frames from {batch.start} after those up to "
                f"{self._read}; yield them in the order of their index"
            )
        return batch.start < self._read

    async def _begin(self, batch: Batch) -> None:
        """A new scan: give it an id of this run, after the last one is accounted for."""
        await self._close()
        self._ordinal += 1
        if self._ordinal == self._former.scan and self._passes_over(batch):
            await self._close_left()
            self._ordinal += 1
        self._local = batch.scan
        self._scan = self._stamped(batch.scan, await self._revision())
        self._next = 0
        self._given_up = False
        self._lost = {}
        if self._ordinal < self._former.scan:
            self._next = self._scan.total  # all of it was stored in a former life
        elif self._ordinal == self._former.scan:
            self._next = self._former.index
        self._look_for_orders()

    def _stamped(self, scan: Scan, revision: int) -> Scan:
        name = scan_id(self._config.run, self._config.operator, self._ordinal)
        return msgspec.structs.replace(scan, id=name, revision=revision)

    def _passes_over(self, batch: Batch) -> bool:
        """Whether the first batch of a generator is of another scan than it was to go on with."""
        if not self._former.index or batch.start:
            return False
        return self._former_local is not None and batch.scan != self._former_local

    async def _close_left(self) -> None:
        """What a former life left of a scan that the source does not go on with is missing."""
        if self._former_local is not None and not self._over:
            self._scan = self._stamped(self._former_local, self._left)
            self._local, self._next = self._former_local, self._former.index
            self._look_for_orders()
            await self._close()

    async def _revision(self) -> int:
        """Of the parameters that every operator computes the scan with that begins."""
        if self._ordinal < self._former.scan:
            return 0  # nothing of it is sent
        if self._ordinal == self._former.scan and self._left:
            return self._left
        return await self._live.begin()

    async def _close(self) -> None:
        """What a scan should have had and no batch brought is missing."""
        if self._scan is not None and self._next < self._scan.total:
            await self._missing(self._next, self._scan.total, MISSING)

    async def _missing(self, start: int, stop: int, reason: str) -> None:
        assert self._scan is not None  # noqa: S101  # called within a scan
        gap = (Tombstone(reason, start, stop),)
        await self._send(Batch(scan=self._scan, start=start, stop=stop, tombstones=gap))

    async def _send(self, batch: Batch) -> None:
        scan = self._scan
        assert scan is not None  # noqa: S101  # called within a scan
        stamped = batch.replace(
            scan=scan, time=batch.time or time.time(), total=scan.total, lane=self._config.operator
        )
        assert self._local is not None  # noqa: S101  # with the scan
        entry = Sent(self._ordinal, batch.start, batch.stop, self._local, scan.revision)
        self._position.sending(entry)

        async def stored() -> None:
            await self._position.stored(entry)

        parent = f"{scan.id}:{batch.start}".encode()
        ports = dict.fromkeys(self._outlet.ports, stamped)
        await self._outlet.send_all(ports, parent=parent, lane=self._config.operator, stored=stored)
        for gap in batch.tombstones:
            if gap.reason == OVERRUN:
                count = self._tally.dropped.get(OVERRUN, 0) + gap.stop - gap.start
                self._tally.dropped[OVERRUN] = count
            if gap.reason in _LOST:
                self._lost[gap.reason] = self._lost.get(gap.reason, 0) + gap.stop - gap.start
        over = batch.stop >= scan.total
        told = ScanReport(batch.stop, scan.total, over, dict(self._lost), scan.shape)
        self._tally.scan(scan.id, told)

    async def _finish(self) -> None:
        """The last scan is closed, and everybody told how many there were."""
        if self._scan is None and self._former.index:  # nothing was left to yield
            self._ordinal = self._former.scan
            await self._close_left()
        await self._close()
        name = self._config.operator
        await self._outlet.send_end(
            name, self._ordinal + 1, lane=name, parent=b"end of " + name.encode()
        )
        await self._broker.flush()
        await self._position.save(done=True)


async def _closed(batches: Any) -> None:
    """End a generator that is not read to its end, so that its files are closed."""
    if hasattr(batches, "aclose"):
        await batches.aclose()
    elif hasattr(batches, "close"):
        batches.close()
