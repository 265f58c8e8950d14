"""What becomes of each message a replica takes: kernel or reducer, outputs, then the answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from interact_api.config import InputConfig, OperatorConfig
from interact_api.wire import Header, WireError

from interact import _codec, _redrive, _streamed
from interact._answering import Answering
from interact._attempts import Attempts
from interact._batches import Batch
from interact._calling import Caller
from interact._chunks import Gone, Unread
from interact._collecting import Collecting, covered
from interact._computing import Computing, Guards, Work
from interact._coverage import Lane, Ledger
from interact._errors import TransientError
from interact._failures import Failures
from interact._holding import Holding
from interact._in_effect import Live
from interact._joining import Joining
from interact._keeping import Keeping
from interact._kernel import Kernel
from interact._later import Later
from interact._letters import Letters
from interact._losses import Losses
from interact._obeying import Obeying
from interact._operator import Operator
from interact._ordering import EXCESS_SECONDS, Ordering
from interact._outlet import Outlet, ending
from interact._ports import Broker, Delivery, Stored
from interact._reducing import Reducing
from interact._sending import Sending, lane_of
from interact._streamed import Streamed
from interact._tally import Tally
from interact._unstored import Unstored


class Handling:
    """The messages of one replica, from the bytes to the answer."""

    def __init__(
        self,
        operator: Operator,
        config: OperatorConfig,
        broker: Broker,
        tally: Tally,
        live: Live,
        guards: Guards,
        replica: int,
    ) -> None:
        self.operator = operator
        self.config = config
        self.tally = tally
        self.live = live
        self.breaker = guards.breaker
        self.kernel = Kernel(operator, live.values)
        self.outlet = Outlet(config, broker, tally)
        self.ledger = _ledger(config)
        reduces = operator.role == "reducer"
        self._joining = Joining(config, tally)
        self._counts_scans = reduces or not self.outlet.ports
        self.keeps_ledger = self._counts_scans or operator.ordered or bool(self._joining.ports)
        self.reducing = (
            Reducing(operator, live, self.ledger, self.outlet, tally) if reduces else None
        )
        self.unstored = Unstored()
        owner = self.reducing or self.unstored
        self.keeping = (
            Keeping(config, broker, self.ledger, tally, owner, replica)
            if self.keeps_ledger
            else None
        )
        self.ordering = Ordering(self.ledger, tally) if operator.ordered else None
        self.holding = Holding(
            min((e.ack_wait_seconds for e in config.inputs if e.durable), default=60.0)
        )
        self._answering = Answering(self.holding, self.keeping)
        self.obeying = Obeying(config, self.ledger, tally, self.reducing, self.keeping)
        self.letters = Letters(config, broker, tally)
        self._failures = Failures(self.breaker, self.letters, tally)
        self._sending = Sending(operator, self.outlet, self.letters)
        self._collecting = Collecting(self.ledger, tally)
        self._losses = Losses(self.ledger, tally)
        if self.reducing is not None:
            self.reducing.keep = self.letters.failed
        self.later: Later[tuple[Work, ...]] = Later()
        tally.inflight = lambda: self.holding.count
        self.attempts = Attempts(config, broker, tally, guards.words)
        self._caller = caller = Caller(
            operator, self.kernel, config.kernel_timeout_seconds, guards.watchdog
        )
        self.computing = Computing(caller, self.attempts, self.ledger, self._settled)
        self._broker = broker
        self._streamed = bool(operator.streamed)
        self._kinds = {entry.port: {*entry.types, "none", "end"} for entry in config.inputs}

    async def _settled(self) -> None:
        """Wait until what is under way is stored, and answered."""
        await self._broker.flush()
        if self.keeping is not None:
            await self.keeping.checkpoint()

    def use(self, values: Mapping[str, Any], revision: int) -> None:
        """Parameters have changed, between two messages."""
        self.outlet.revision = self.letters.revision = revision
        self.breaker.probe()
        if self.reducing is None:
            self.kernel.configure(values)
        else:
            self.reducing.configure(values)

    async def side(self, entry: InputConfig, payload: bytes) -> None:
        """A side input has a new value."""
        try:
            header, batch = _codec.decode(payload)
        except WireError as error:
            self.tally.fail(f"{self.config.operator}.{entry.port}: {error}", frames=0)
            return
        sent_again = _redrive.ADDRESSEE in header.attributes  # an older one, not for us
        if header.kind not in {"none", "end"} and not sent_again:
            self.kernel.side[entry.port] = batch

    async def handle(self, entry: InputConfig, delivery: Delivery) -> None:
        """Take one message; it is answered when what it became is safe.

        Most of this and of what it calls is written out, because it is done for every message.
        """
        self.holding.take(delivery)
        if entry.loses:
            self._losses.see(entry.port, delivery)
        if delivery.attempt > 1:
            self.tally.redelivered += 1
        try:
            if self._streamed:
                header, batch = await _streamed.opened(self._broker, delivery)
            else:
                header, batch = _codec.decode(delivery.payload)
            if header.kind not in self._kinds[entry.port]:
                _check_kind(entry, header.kind)
            said = ending(header) if header.kind == "end" else None
        except WireError as error:
            await self.letters.undecodable(
                entry.port, delivery.payload, error, stored=partial(self.holding.done, delivery),
                came=(entry, delivery),
            )  # fmt: skip
            return
        except Unread as error:
            await self._unread(entry, delivery, error)
            return
        if header.edition:
            ours = _redrive.received(header, batch, self.config.operator, entry.port)
            if ours is None:
                await self.holding.done(delivery)
                return
            batch = ours
        if said is not None:
            await self._end(*said, header, entry, delivery)
        elif entry.join == "zip":
            await self._join((entry, delivery, header, batch))
        elif self.ordering is not None:
            await self._in_turn(self.ordering, ((entry, delivery, header, batch),))
        else:
            await self.process(((entry, delivery, header, batch),))

    async def _in_turn(self, ordering: Ordering, works: tuple[Work, ...]) -> None:
        """A message, or the halves of a join, when its turn has come."""
        entry, _, _, batch = works[0]
        if self.obeying.drops(entry, batch.scan):
            await self._answering.all_done(tuple(work[1] for work in works))
            return
        answers = ordering.add(works)
        for delivery in answers.repeated:
            await self.holding.done(delivery)
        for delivery in answers.excess:
            self.holding.drop(delivery)
            await delivery.hand_back(EXCESS_SECONDS)
        await self.go_on()

    async def go_on(self) -> None:
        """Process what has its turn; a message that waits for another try keeps those after it."""
        while self.ordering is not None and self.ordering.ready and not self.later:
            await self.process(self.ordering.ready.popleft())

    async def _end(
        self, origin: str, scans: int, header: Header, entry: InputConfig, delivery: Delivery
    ) -> None:
        self.ledger.end(origin, scans)
        self._losses.end(entry, origin, scans)
        await self.outlet.send_end(
            origin, scans, lane=lane_of(entry, header), parent=header.identity,
            stored=self._answering.to("", (delivery,)),
        )  # fmt: skip
        self.look_done()

    async def _join(self, work: Work) -> None:
        """Keep a half until the others of the same frames have come."""
        entry, delivery, header, batch = work
        if self.obeying.drops(entry, batch.scan):
            await self.holding.done(delivery)
            return
        if batch.stop > batch.start and self.ledger.lanes:  # a zip has one lane
            fresh = self._collecting.fresh(self.ledger.lanes[0], batch, header.edition)
            if fresh is None and not self._collecting.too_late(batch, header.edition):
                await self._answering.to(batch.scan.id, (delivery,))()  # its other half is done
                return
        halves, repeated = self._joining.add(work)
        if repeated is not None and repeated.sequence == delivery.sequence:
            self.holding.drop(repeated)  # an answer would be one for this half, too
        elif repeated is not None:
            await self.holding.done(repeated)
        if halves and self.ordering is not None:
            await self._in_turn(self.ordering, halves)
        elif halves:
            await self.process(halves)

    async def process(self, works: tuple[Work, ...], tries: int = 1) -> None:
        """One message, or the halves of a join, through the kernel and out."""
        entry, delivery, header, batch = works[0]
        scan, one = batch.scan, len(works) == 1
        deliveries = (delivery,) if one else tuple(work[1] for work in works)
        if self.obeying.given and self.obeying.drops(entry, scan):
            await self._answering.all_done(deliveries)
            return
        given = {entry.port: batch} if one else {work[0].port: work[3] for work in works}
        self.letters.works = works
        answer = self._answering.to(scan.id, deliveries)
        lane = entry.source, header.lane
        if self.keeps_ledger and not await self._takes(lane, header, batch, given):
            await answer()
            return
        if self.live.stale(scan.revision):
            await self.live.turn(scan.revision)
        if self.reducing is not None:
            await self._reduce(self.reducing, works[0], lane, given[entry.port], answer)
            self._release(works)
            return
        since = time.perf_counter()
        try:
            if one and delivery.attempt == tries == 1 < entry.attempts and self._caller.inline:
                result = self._caller.now(given)
            else:
                result = await self.computing.compute(works, given, tries)
        except TransientError as error:
            self._try_later(works, tries, error)
            return
        except Unread as error:
            await self._unread(entry, delivery, error)
            return
        seconds, frames = time.perf_counter() - since, len(given[entry.port])
        size = batch.size if isinstance(batch, Streamed) else len(delivery.payload)
        self.tally.received(frames, size, seconds, entry.port, header.time)
        for half, other, _, _ in works[1:]:
            self.tally.joined(half.port, frames, len(other.payload))
        if result.failed:
            await self._failures.keep(header, batch, result.failed)
        elif self.breaker.in_a_row:
            self._failures.none()
        if self.keeps_ledger and batch.stop > batch.start:
            self._collecting.mark(lane, covered(batch, result.failed), header.edition)
            self.look_done()
            answer = self.unstored.until(answer)
        await self._sending.send(works, given, result, answer)
        self._release(works)

    async def _unread(self, entry: InputConfig, delivery: Delivery, error: Unread) -> None:
        """The chunks of a message are not there: it was done with, or it is kept as it is."""
        if isinstance(error, Gone):
            await self.holding.done(delivery)
            return
        stored = partial(self.holding.done, delivery)
        wrong = WireError("chunks", str(error), "the message cannot be read")
        await self.letters.undecodable(
            entry.port, delivery.payload, wrong, stored=stored, came=(entry, delivery)
        )

    def _release(self, works: tuple[Work, ...]) -> None:
        """Let go the bytes of messages that are done: they may be answered much later."""
        self.letters.works = ()
        for work in works:
            work[1].payload = b""

    async def _takes(
        self, lane: Lane, header: Header, batch: Batch, given: dict[str, Batch]
    ) -> bool:
        """Whether a message has anything new to say; frames that came before are left out of it."""
        edition = header.edition
        if batch.stop == batch.start:
            return not self._collecting.outdated(lane, batch, edition)
        fresh = self._collecting.fresh(lane, batch, edition)
        if fresh is None:
            if self._collecting.too_late(batch, edition):
                await self._failures.too_late(header, given)
            return False
        for port, part in given.items():
            given[port] = _only(part, fresh)
        return True

    # -- what goes wrong --------------------------------------------------------------------------

    def _try_later(self, works: tuple[Work, ...], tries: int, error: TransientError) -> None:
        self.tally.warn(f"{self.operator.name} asks for another try: {error}")
        self._failures.all_of_it(f"{type(error).__name__}: {error}")
        self.later.add(works, tries)

    async def _reduce(
        self, reducing: Reducing, work: Work, lane: Lane, part: Batch, answer: Stored
    ) -> None:
        before = self.tally.frames_failed
        if work[3].scan.id in self.ledger.over:
            await self._correct(reducing, work, lane, part)
        else:
            await self.computing.add(reducing, work, lane, part, self._failures.keep)
        if 0 < len(part) <= self.tally.frames_failed - before:
            self._failures.all_of_it("; ".join(self.tally.snapshot().errors[-1:]))
        else:
            self._failures.none()
        await answer()
        self.look_done()

    async def _correct(self, reducing: Reducing, work: Work, lane: Lane, part: Batch) -> None:
        """Add frames to a scan that is over; its state comes from its checkpoint."""
        scan_id, keeping = work[3].scan.id, self.keeping
        reducing.in_use = scan_id
        try:
            if keeping is not None and await keeping.reopen(scan_id):
                await self.computing.add(reducing, work, lane, part, self._failures.keep)
            else:
                await self._failures.too_late(work[2], {work[0].port: part})
        finally:
            reducing.in_use = ""
            reducing.release(scan_id)

    def look_stuck(self) -> None:
        """Tell a person when messages wait for one that does not come."""
        if self.ordering is not None:
            self.ordering.look()
        self._joining.look()

    async def obey(self) -> None:
        """Somebody has ordered something about scans."""
        for order in await self.obeying.carry_out():
            waited = self._joining.drop(order.scan)
            if self.ordering is not None:
                waited += self.ordering.drop(order.scan)
            for delivery in waited:
                await self.holding.done(delivery)
            for stream, subject in self.obeying.purged(order):
                await self._broker.purge(stream, subject)
        self.look_done()

    # -- what is known of scans -------------------------------------------------------------------

    def look_done(self) -> None:
        """Say so if every scan of every source is complete."""
        if self._counts_scans and self.ledger.done and self.tally.state == "running":
            self.tally.state = "done"

    def forget(self) -> None:
        """What waits for a try or for its other half is handed back by `Holding`."""
        self.later.clear()
        self._joining.clear()
        if self.ordering is not None:
            self.ordering.clear()


def _ledger(config: OperatorConfig) -> Ledger:
    """Of what comes in; halves of a join are counted once, where the first of them comes."""
    zipped = sorted(entry.port for entry in config.inputs if entry.join == "zip")
    return Ledger(
        (entry.source, lane)
        for entry in config.inputs
        if entry.join != "latest" and entry.port not in zipped[1:]
        for lane in entry.lanes
    )


def _only(batch: Batch, fresh: Any) -> Batch:
    if fresh.all() or len(fresh) != len(batch):
        return batch
    return batch.select(fresh, reason="duplicate")


def _check_kind(entry: InputConfig, kind: str) -> None:
    if "any" not in entry.types:
        takes = " or ".join(entry.types)
        raise WireError("kind", kind, f"port {entry.port} takes {takes}")
