"""Running a source: stamping scans, closing gaps, going on where a former life stopped."""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import msgspec
from interact_api.config import OperatorConfig
from interact_api.report import ScanReport

from interact._batches import Batch
from interact._errors import BatchError
from interact._in_effect import Live
from interact._operator import Operator
from interact._outlet import Outlet
from interact._ports import Broker
from interact._scan import Scan, Tombstone
from interact._signature import Resume
from interact._tally import Tally

SAVE_SECONDS = 0.5


@dataclasses.dataclass(slots=True)
class _Sent:
    """One batch on its way; the position moves past it once all before it are stored."""

    scan: int
    stop: int
    revision: int
    stored: bool = False


class _Ending(enum.Enum):
    """How a generator came to its end."""

    OVER = enum.auto()
    STOPPED = enum.auto()
    NEW_PARAMETERS = enum.auto()


class Sourcing:
    """The one replica of a source."""

    def __init__(
        self,
        operator: Operator,
        config: OperatorConfig,
        broker: Broker,
        tally: Tally,
        live: Live | None = None,
    ) -> None:
        self._operator = operator
        self._config = config
        self._broker = broker
        self._tally = tally
        self._live = live or Live(operator, config, tally)
        self._outlet = Outlet(config, broker, tally)
        self._stop = asyncio.Event()
        self._key = f"source.{config.operator}"
        self._former = self._resume = Resume()
        """What need not be sent: a former life did, or the generator before this one."""
        self._left = 0
        """Revision of the scan that a former life left in its middle; 0 where it left none."""
        self._under_way = 0
        """The same of the scan that `_resume` lies in."""
        self._way: deque[_Sent] = deque()
        self._ordinal = -1
        self._local: Scan | None = None
        self._scan: Scan | None = None
        self._next = 0
        self._read = 0
        """How far the source is in its scan; `_next` is also past what a former life stored."""
        self._saved_at = 0.0
        self._live.use = self._use
        tally.inflight = lambda: len(self._way)

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
        await self._save(done=self._tally.state == "done")

    async def _restore(self) -> bool:
        """Where a former life stopped; whether it had finished."""
        saved = await self._broker.get(self._config.state_bucket, self._key)
        if saved is None:
            return False
        state = json.loads(saved)
        self._former = self._resume = Resume(scan=int(state["scan"]), index=int(state["index"]))
        self._left = self._under_way = int(state.get("revision", 0))
        if self._left and not state["done"]:
            await self._live.go_on(self._left)
        self._tally.warn(
            f"{self._operator.name} goes on at frame {self._resume.index} of scan {self._resume.scan}"
            if not state["done"]
            else f"{self._operator.name} had finished before"
        )
        return bool(state["done"])

    async def _send_all(self) -> bool:
        """Whether the source came to its end (and was not stopped)."""
        while True:
            batches = self._batches()
            asynchronous = hasattr(batches, "__aiter__")
            send = self._send_each_async if asynchronous else self._send_each
            ending = await send(batches)
            if ending is not _Ending.NEW_PARAMETERS:
                return ending is _Ending.OVER
            await _closed(batches)
            if self._ordinal >= self._former.scan:
                self._former, self._left = Resume(self._ordinal + 1), 0
            self._live.adopt()

    def _batches(self) -> Any:
        """The generator, with the parameters in use; a running one keeps those it was given."""
        arguments = self._live.native
        self._ordinal, self._local, self._scan = -1, None, None
        self._next = self._read = 0
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
        return _Ending.OVER

    def _follows(self, batch: Any) -> bool:
        """Whether a batch begins another scan after one that was sent.

        Only then is a generator begun anew: one of a single scan may not know that it is over.
        """
        sent = self._local is not None and self._ordinal >= self._former.scan
        return sent and isinstance(batch, Batch) and self._begins(batch)

    async def _send_each_async(self, batches: AsyncIterator[Batch]) -> _Ending:
        stopping = asyncio.ensure_future(self._stop.wait())
        changing = asyncio.ensure_future(self._live.changed.wait())
        try:
            while not (self._live.changed.is_set() and self._between):
                following = asyncio.ensure_future(anext(batches, None))
                events = {stopping, changing} if self._between else {stopping}
                await asyncio.wait({following, *events}, return_when=asyncio.FIRST_COMPLETED)
                if self._stop.is_set() or not following.done():
                    following.cancel()
                    await asyncio.wait({following})
                    stopped = self._stop.is_set()
                    return _Ending.STOPPED if stopped else _Ending.NEW_PARAMETERS
                batch = following.result()
                if batch is None:
                    return _Ending.OVER
                await self._take(batch)
            return _Ending.NEW_PARAMETERS
        finally:
            stopping.cancel()
            changing.cancel()

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
            return  # stored in a former life
        if batch.start > self._next:
            await self._missing(self._next, batch.start, "overrun")
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
        self._local = batch.scan
        self._scan = msgspec.structs.replace(
            batch.scan,
            id=f"{self._config.run[:12]}-{self._config.operator[:38]}-{self._ordinal}",
            revision=await self._revision(),
        )
        self._next = 0
        if self._ordinal < self._former.scan:
            self._next = self._scan.total  # all of it was stored in a former life
        elif self._ordinal == self._former.scan:
            self._next = self._former.index

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
            await self._missing(self._next, self._scan.total, "missing")

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
        entry = _Sent(self._ordinal, batch.stop, scan.revision if batch.stop < scan.total else 0)
        self._way.append(entry)

        async def stored() -> None:
            entry.stored = True
            await self._advance()

        parent = f"{scan.id}:{batch.start}".encode()
        ports = dict.fromkeys(self._outlet.ports, stamped)
        await self._outlet.send_all(ports, parent=parent, lane=self._config.operator, stored=stored)
        self._tally.scan(
            scan.id, ScanReport(batch.stop, scan.total, batch.stop >= scan.total, {}, scan.shape)
        )

    async def _advance(self) -> None:
        while self._way and self._way[0].stored:
            first = self._way.popleft()
            self._resume, self._under_way = Resume(first.scan, first.stop), first.revision
        if time.monotonic() - self._saved_at > SAVE_SECONDS:
            self._saved_at = time.monotonic()
            await self._save(done=False)

    async def _save(self, *, done: bool) -> None:
        state = {
            "scan": self._resume.scan, "index": self._resume.index, "done": done,
            "revision": self._under_way,
        }  # fmt: skip
        await self._broker.put(self._config.state_bucket, self._key, json.dumps(state).encode())

    async def _finish(self) -> None:
        """The last scan is closed, and everybody told how many there were."""
        await self._close()
        name = self._config.operator
        await self._outlet.send_end(
            name, self._ordinal + 1, lane=name, parent=b"end of " + name.encode()
        )
        await self._broker.flush()
        await self._save(done=True)


async def _closed(batches: Any) -> None:
    """End a generator that is not read to its end, so that its files are closed."""
    if hasattr(batches, "aclose"):
        await batches.aclose()
    elif hasattr(batches, "close"):
        batches.close()
