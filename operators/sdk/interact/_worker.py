"""Operators with inputs: take a message, call the kernel or the reducer, send, then acknowledge."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial, reduce
from typing import Any

import numpy as np
from interact_api.config import InputConfig, OperatorConfig
from interact_api.report import ScanReport
from interact_api.wire import Header, WireError

from interact import _codec
from interact._batches import Batch
from interact._calling import Caller
from interact._coverage import Ledger
from interact._errors import TooLarge, TransientError
from interact._in_effect import Live
from interact._keeping import Keeping
from interact._kernel import Done, Failed, Kernel, failure, settled
from interact._letters import Letters
from interact._operator import Operator
from interact._outlet import Outlet, ending
from interact._pairs import Pairs
from interact._ports import Broker, Delivery, Inlet
from interact._reducing import Reducing
from interact._tally import Tally
from interact._tasks import wanted

PREFETCH_BYTES = 16 << 20
YIELD_SECONDS = 0.001
"""Work between two turns of the event loop: one costs as much as a small message."""

Work = tuple[InputConfig, Delivery, Header, Batch]


class Worker:
    """One replica of an operator that has inputs."""

    def __init__(
        self,
        operator: Operator,
        config: OperatorConfig,
        broker: Broker,
        tally: Tally,
        replica: int = 0,
        live: Live | None = None,
    ) -> None:
        self.operator = operator
        self.config = config
        self.tally = tally
        self._wake = asyncio.Event()
        self.live = live or Live(operator, config, tally)
        self.live.heard = self._wake.set
        self.kernel = Kernel(operator, self.live.values)
        self.outlet = Outlet(config, broker, tally)
        self.ledger = Ledger(
            (entry.source, lane)
            for entry in config.inputs
            if entry.join != "latest"
            for lane in entry.lanes
        )
        self.keeps_ledger = operator.role == "reducer" or not self.outlet.ports
        self.reducing = (
            Reducing(operator, self.live, self.ledger, self.outlet, tally)
            if operator.role == "reducer"
            else None
        )
        self.keeping = (
            Keeping(config, broker, self.ledger, tally, self.reducing, replica)
            if self.keeps_ledger
            else None
        )
        self.live.use = self._use
        self._caller = Caller(operator, self.kernel, tally)
        self._broker = broker
        self._stop = asyncio.Event()
        self._held: dict[int, tuple[Delivery, float]] = {}
        self._letters = Letters(config, broker, tally)
        self._pairs: Pairs[Work] = Pairs(
            {entry.port for entry in config.inputs if entry.join == "zip"}
        )

    def stop(self) -> None:
        """Fetch no more, finish what is in the kernel, hand back the rest."""
        self._stop.set()
        self._wake.set()

    def _use(self, values: Mapping[str, Any], revision: int) -> None:
        """Parameters have changed, between two messages."""
        self.outlet.revision = revision
        if self.reducing is None:
            self.kernel.configure(values)
        else:
            self.reducing.configure(values)

    async def run(self) -> None:
        """Work until stopped."""
        if self.keeping is not None:
            await self.keeping.restore()
        async with AsyncExitStack() as stack:
            inlets = [
                (
                    entry,
                    await stack.enter_async_context(
                        self._broker.consume(
                            entry.stream,
                            entry.durable,
                            wake=self._wake.set,
                            max_bytes=PREFETCH_BYTES,
                        )
                    ),
                )
                for entry in self.config.inputs
                if entry.join != "latest"
            ]
            for entry in self.config.inputs:
                if entry.join == "latest":
                    await stack.enter_async_context(
                        self._broker.follow(entry.stream, entry.subject, partial(self._side, entry))
                    )
            self.tally.state = "running"
            self._look_done()
            async with asyncio.TaskGroup() as group:
                beating = group.create_task(self._beat([inlet for _, inlet in inlets]))
                tending = group.create_task(self._tend())
                try:
                    await self._work(inlets)
                finally:
                    beating.cancel()
                    tending.cancel()
            for _, inlet in inlets:
                for left in await inlet.stop():
                    await left.hand_back()
            if self.keeping is not None:
                await self.keeping.checkpoint()
            for delivery, _ in [*self._held.values()]:
                await delivery.hand_back()
            await self._broker.flush()

    async def _work(self, inlets: list[tuple[InputConfig, Inlet]]) -> None:
        now = turned = 0.0
        while not self._stop.is_set():
            self._wake.clear()
            idle = True
            for entry, inlet in inlets:
                if self.kernel.waiting_for:
                    break
                delivery = await inlet.take()
                if delivery is not None:
                    idle = False
                    since = time.perf_counter()
                    await self._handle(entry, delivery)
                    inlet.pace((now := time.perf_counter()) - since)
            if self.keeping is not None and self.keeping.due:
                await self.keeping.checkpoint()
            if idle:
                await self.live.rest(over=self.tally.state == "done")
                await self._rest()
            elif now - turned > YIELD_SECONDS:
                await asyncio.sleep(0)
                turned = time.perf_counter()

    async def _rest(self) -> None:
        """Wait for something to come; use the time for a checkpoint."""
        pause = self.keeping.idle_pause if self.keeping is not None else None
        try:
            async with asyncio.timeout(pause):
                await self._wake.wait()
        except TimeoutError:
            if self.keeping is not None:
                await self.keeping.checkpoint()

    async def _handle(self, entry: InputConfig, delivery: Delivery) -> None:
        self._held[id(delivery)] = (delivery, time.monotonic())
        if delivery.attempt > 1:
            self.tally.redelivered += 1
        try:
            header, batch = _codec.decode(delivery.payload)
            if (
                batch.kind not in entry.types
                and "any" not in entry.types
                and header.kind not in {"none", "end"}
            ):
                raise WireError(
                    "kind", batch.kind, f"port {entry.port} takes {' or '.join(entry.types)}"
                )
            said = ending(header) if header.kind == "end" else None
        except WireError as error:
            await self._letters.undecodable(
                entry.port, delivery.payload, error, stored=lambda: self._done(delivery)
            )
            return
        if said is not None:
            await self._end(*said, header, entry, delivery)
        elif entry.join == "zip":
            await self._join((entry, delivery, header, batch))
        else:
            await self._process((entry, delivery, header, batch))

    async def _end(
        self, origin: str, scans: int, header: Header, entry: InputConfig, delivery: Delivery
    ) -> None:
        self.ledger.end(origin, scans)
        await self.outlet.send_end(
            origin, scans, lane=self._lane(entry, header), parent=header.identity,
            stored=self._once_kept("", [delivery]),
        )  # fmt: skip
        self._look_done()

    async def _side(self, entry: InputConfig, payload: bytes) -> None:
        """A side input has a new value."""
        try:
            header, batch = _codec.decode(payload)
        except WireError as error:
            self.tally.fail(f"{self.config.operator}.{entry.port}: {error}", frames=0)
            return
        if header.kind not in {"none", "end"}:
            self.kernel.side[entry.port] = batch
            self._wake.set()

    def _lane(self, entry: InputConfig, header: Header) -> str:
        return f"{header.lane}>{entry.source}" if entry.merges else header.lane

    async def _process(self, *works: Work) -> None:
        """One message, or the halves of a join, through the kernel and out."""
        entry, _delivery, header, batch = works[0]
        given = {work[0].port: work[3] for work in works}
        lane = (entry.source, header.lane)
        done = self._once_kept(batch.scan.id, [work[1] for work in works])
        size = sum(len(work[1].payload) for work in works)
        if self.keeps_ledger and batch.stop > batch.start:
            fresh = self._fresh(lane, batch)
            if fresh is None:
                await done()
                return
            given = {port: _only(part, fresh) for port, part in given.items()}
        if self.live.stale(batch.scan.revision):
            await self.live.turn(batch.scan.revision)
        if self.reducing is not None:
            await self.reducing.add(lane, header, next(iter(given.values())), batch)
            await done()
            self._look_done()
            return
        try:
            result = await self._caller.call(given, size)
        except TransientError as error:
            self.tally.warn(f"{self.operator.name} asks for another try: {error}")
            await self._retry_later([work[1] for work in works])
            return
        if result.failed:
            await self._letters.failed(header, result.failed)
        outputs = self._outputs(batch, result, interim=batch.stop == batch.start)
        if self.keeps_ledger and batch.stop > batch.start:
            self._mark(lane, batch, result.failed)
        if self.operator.display:
            picture = result.outputs.get("display")
            await self.outlet.show(
                picture, source=entry.source, parent=header.identity, stored=done
            )
            return
        parent = header.identity if len(works) == 1 else b"".join(w[2].identity for w in works)
        send = partial(
            self.outlet.send_all, parent=parent, lane=self._lane(entry, header), stored=done
        )
        try:
            await send(outputs)
        except (TooLarge, WireError) as error:  # the same again however often it is tried
            failed = (failure(given, error),)
            await self._letters.failed(header, failed)
            await send({port: settled(batch, None, failed) for port in outputs})

    def _outputs(self, batch: Batch, result: Done, *, interim: bool) -> dict[str, Batch]:
        return {
            port: settled(batch, output, result.failed)
            for port, output in result.outputs.items()
            if not (interim and output is None)
        }

    def _fresh(self, lane: tuple[str, str], batch: Batch) -> Any:
        ledger = self.ledger.scan(lane, batch)
        if ledger is None:
            return None
        if batch.stop > ledger.total:
            self.tally.warn(
                f"scan {batch.scan.id} has {ledger.total} frames; more came and were left out"
            )
            return None
        return ledger.fresh(lane, batch)

    def _mark(self, lane: tuple[str, str], batch: Batch, failed: tuple[Failed, ...]) -> None:
        """A sink has done a batch: its scan may be complete."""
        ledger = self.ledger.scan(lane, batch)
        if ledger is None:
            return
        ledger.mark(lane, settled(batch, batch, failed) if failed else batch)
        missing = dict(getattr(batch, "missing", None) or ledger.missing)
        self.tally.scan(
            batch.scan.id,
            ScanReport(ledger.progress, ledger.total, ledger.complete, missing, batch.scan.shape),
        )
        if ledger.complete:
            self.ledger.close(batch.scan.id, lane[1].partition(">")[0])
            self.tally.scans_complete += 1
        self._look_done()

    async def _join(self, work: Work) -> None:
        """Keep a half until the others of the same frames have come."""
        entry, _, _, batch = work
        halves, repeated = self._pairs.add(
            (batch.scan.id, batch.start, batch.stop), entry.port, work
        )
        if repeated is not None and repeated[1].sequence == work[1].sequence:
            self._held.pop(id(repeated[1]), None)  # an answer would be one for this half, too
        elif repeated is not None:
            await self._done(repeated[1])
        if halves:
            await self._process(*_common(halves))

    def _look_done(self) -> None:
        if self.keeps_ledger and self.ledger.done and self.tally.state == "running":
            self.tally.state = "done"

    # -- what goes wrong ------------------------------------------------------------------------

    async def _retry_later(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            self._held.pop(id(delivery), None)
            await delivery.hand_back()
        await asyncio.sleep(0.2)

    # -- answering ------------------------------------------------------------------------------

    def _once_kept(self, scan_id: str, deliveries: list[Delivery]) -> Callable[[], Awaitable[None]]:
        """Acknowledge: at once, or where a scan is being collected, after its next checkpoint."""

        async def done() -> None:
            for delivery in deliveries:
                await self._done(delivery)

        async def later() -> None:
            if self.keeping is not None:
                size = sum(len(delivery.payload) for delivery in deliveries)
                self.keeping.acknowledge(scan_id, done, size)

        return done if self.keeping is None else later

    async def _done(self, delivery: Delivery) -> None:
        if self._held.pop(id(delivery), None) is not None:
            await delivery.ack()

    async def _beat(self, inlets: Sequence[Inlet]) -> None:
        """Tell the server that what is held is not lost."""
        pause = min(entry.ack_wait_seconds for entry in self.config.inputs if entry.durable) / 3
        while wanted():
            await asyncio.sleep(pause)
            late = time.monotonic() - pause
            for delivery, since in [*self._held.values()]:
                if since < late:
                    await delivery.in_progress()
            for inlet in inlets:
                for delivery in inlet.ahead:
                    await delivery.in_progress()

    async def _tend(self) -> None:
        """Twice a second: partial results, and checkpoints when nothing else comes."""
        while self.keeping is not None and wanted():
            await asyncio.sleep(0.5)
            if self.reducing is not None:
                await self.reducing.emit_partial()
            if self.keeping.due:
                await self.keeping.checkpoint()


def _only(batch: Batch, fresh: Any) -> Batch:
    return (
        batch
        if fresh.all() or len(fresh) != len(batch)
        else batch.select(fresh, reason="duplicate")
    )


def _common(halves: list[Work]) -> list[Work]:
    """The halves of a join with only the frames that all of them have."""
    index = reduce(np.intersect1d, (batch.index for _, _, _, batch in halves))
    return [
        (entry, delivery, header, batch.select(np.isin(batch.index, index)))
        for entry, delivery, header, batch in halves
    ]
