"""Running a source: stamping scans, closing gaps, going on where a former life stopped."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
from interact_api.config import OperatorConfig
from interact_api.report import ScanReport

from interact._batches import Batch
from interact._errors import BatchError
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
    stored: bool = False


class Sourcing:
    """The one replica of a source."""

    def __init__(
        self, operator: Operator, config: OperatorConfig, broker: Broker, tally: Tally
    ) -> None:
        self._operator = operator
        self._config = config
        self._broker = broker
        self._tally = tally
        self._outlet = Outlet(config, broker, tally)
        self._stop = asyncio.Event()
        self._key = f"source.{config.operator}"
        self._former = self._resume = Resume()
        self._way: deque[_Sent] = deque()
        self._ordinal = -1
        self._local: Scan | None = None
        self._scan: Scan | None = None
        self._next = 0
        self._read = 0
        """How far the source is in its scan; `_next` is also past what a former life stored."""
        self._saved_at = 0.0

    def stop(self) -> None:
        """Read no more; what was sent is stored before the process ends."""
        self._stop.set()

    async def run(self) -> None:
        """Send everything the source has, then wait to be stopped."""
        self._tally.state = "running"
        if not await self._restore():
            if await self._send_all():
                await self._finish()
                self._tally.state = "done"
        else:
            self._tally.state = "done"
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
        self._tally.warn(
            f"{self._operator.name} goes on at frame {self._resume.index} of scan {self._resume.scan}"
            if not state["done"]
            else f"{self._operator.name} had finished before"
        )
        return bool(state["done"])

    async def _send_all(self) -> bool:
        """Whether the source came to its end (and was not stopped)."""
        arguments: dict[str, Any] = {
            p.name: p.native(self._config.parameters.get(p.name, p.declared.default))
            for p in self._operator.parameters
        }
        if self._operator.wants_resume:
            arguments["resume"] = self._resume
            self._ordinal = self._resume.scan - 1
        batches = self._operator.function(**arguments)
        if hasattr(batches, "__aiter__"):
            return await self._send_each_async(batches)
        return await self._send_each(batches)

    async def _send_each(self, batches: Iterator[Batch]) -> bool:
        for batch in batches:
            await self._take(batch)
            await asyncio.sleep(0)
            if self._stop.is_set():
                return False
        return True

    async def _send_each_async(self, batches: AsyncIterator[Batch]) -> bool:
        stopping = asyncio.ensure_future(self._stop.wait())
        try:
            while True:
                following = asyncio.ensure_future(anext(batches, None))
                await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if self._stop.is_set():
                    following.cancel()
                    return False
                batch = following.result()
                if batch is None:
                    return True
                await self._take(batch)
        finally:
            stopping.cancel()

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
            batch.scan, id=f"{self._config.run[:12]}-{self._config.operator[:38]}-{self._ordinal}"
        )
        self._next = 0
        if self._ordinal < self._former.scan:
            self._next = self._scan.total  # all of it was stored in a former life
        elif self._ordinal == self._former.scan:
            self._next = self._former.index

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
        entry = _Sent(self._ordinal, batch.stop)
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
            self._resume = Resume(first.scan, first.stop)
        if time.monotonic() - self._saved_at > SAVE_SECONDS:
            self._saved_at = time.monotonic()
            await self._save(done=False)

    async def _save(self, *, done: bool) -> None:
        state = {"scan": self._resume.scan, "index": self._resume.index, "done": done}
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
