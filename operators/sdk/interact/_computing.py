"""Kernels and reducers called with messages; those that are given again are tried on the record."""

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence

import numpy as np
from interact_api.config import InputConfig
from interact_api.wire import Header

from interact import _again
from interact._again import Suspect
from interact._attempts import Attempts, Record, key_of
from interact._batches import Batch
from interact._breaker import Breaker
from interact._calling import Caller, empty
from interact._coverage import Lane, Ledger
from interact._kernel import Done, Failed, settled
from interact._ports import Delivery
from interact._reducing import Reducing
from interact._watchdog import LastWords, Watchdog

Work = tuple[InputConfig, Delivery, Header, Batch]
Lost = Callable[[Header, Batch, tuple[Failed, ...]], Awaitable[None]]


@dataclasses.dataclass(frozen=True)
class Guards:
    """What protects a process from its kernel.

    Attributes:
        words: Where it leaves why it was ended.
        watchdog: Ends it.
        breaker: Stops it from fetching when nothing works.
    """

    words: LastWords | None = None
    watchdog: Watchdog | None = None
    breaker: Breaker = dataclasses.field(default_factory=Breaker)


class Computing:
    """One replica's kernel or reducer at work.

    Args:
        caller: Calls the kernel.
        attempts: Where tries are written down.
        ledger: The scans that are open.
        settle: Waits until what is under way is stored and answered.
    """

    def __init__(
        self,
        caller: Caller,
        attempts: Attempts,
        ledger: Ledger,
        settle: Callable[[], Awaitable[None]],
    ) -> None:
        self._caller = caller
        self._ledger = ledger
        self._attempts = attempts
        self._settle = settle

    async def compute(self, works: Sequence[Work], given: Mapping[str, Batch], tries: int) -> Done:
        """What a message, or the halves of a join, become.

        Raises:
            TransientError: If the kernel asks for another try, and there is one.
        """
        entry, delivery = works[0][:2]
        last = tries >= entry.attempts
        if delivery.attempt > 1 or (len(works) > 1 and any(w[1].attempt > 1 for w in works)):
            done = await self._compute_again(entry, delivery, given, last=last)
        else:
            done = await self._caller.call(given, last=last)
        if tries > 1 and done.failed:
            failed = tuple(dataclasses.replace(one, attempts=tries) for one in done.failed)
            return Done(done.outputs, failed)
        return done

    async def _compute_again(
        self, entry: InputConfig, delivery: Delivery, given: Mapping[str, Batch], *, last: bool
    ) -> Done:
        """A message that is given again: the try is written down before it begins."""
        if empty(given):
            return await self._caller.call(given, last=last)
        key = key_of(entry.durable, delivery)
        suspect = await self._suspect(entry, delivery, key)
        try:
            if suspect is None:
                await self._attempts.begin(key, Record(), delivery)
                return await self._caller.call(given, last=last)
            done = await _again.done(suspect, given, self._call)
            return Done({**self._caller.nothing, **done.outputs}, done.failed)
        finally:
            await (suspect.end() if suspect else self._attempts.end(key))

    async def _suspect(self, entry: InputConfig, delivery: Delivery, key: str) -> Suspect | None:
        """A message a try of which did not end; the second delivery has no record of the first."""
        record = await self._attempts.left(key) if delivery.attempt > 2 else None
        if record is None:
            return None
        await self._settle()  # it would be lost with the process
        return Suspect(self._attempts, key, delivery, record, entry.attempts)

    async def _call(self, given: Mapping[str, Batch], last: bool) -> Done:
        return await self._caller.call(given, last=last)

    async def add(
        self, reducing: Reducing, work: Work, lane: Lane, part: Batch, lost: Lost
    ) -> None:
        """Add the new frames of a message to a reducer; ``lost`` keeps those given up."""
        entry, delivery, header, batch = work
        if delivery.attempt < 2 or not len(part):
            await self._added(reducing, lane, header, part, batch)
            return
        key = key_of(entry.durable, delivery)
        suspect = await self._suspect(entry, delivery, key)
        try:
            if suspect is None:
                await self._attempts.begin(key, Record(), delivery)
                await self._added(reducing, lane, header, part, batch)
            else:
                await self._add_apart(reducing, work, lane, part, suspect, lost)
        finally:
            await (suspect.end() if suspect else self._attempts.end(key))

    async def _add_apart(
        self, reducing: Reducing, work: Work, lane: Lane, part: Batch, suspect: Suspect, lost: Lost
    ) -> None:
        """Each frame is counted as it is added: a checkpoint in between holds it or does not."""
        entry, _, header, batch = work
        for place, one in suspect.parts({entry.port: part}):
            frame = one[entry.port]
            given_up = await suspect.begin(place)
            if given_up is None:
                await self._added(reducing, lane, header, frame, frame)
                continue
            failed = (_again.lost(one, given_up),)
            await lost(header, frame, failed)
            gone = settled(frame, None, failed)
            await reducing.add(lane, header, gone, gone)
        if batch.scan.id in self._ledger.open:  # its tombstones, if it has any
            nothing = batch.select(np.zeros(len(batch), bool))
            await reducing.add(lane, header, nothing, batch)

    def begin(self) -> None:
        """Other work of the author's begins."""
        self._caller.begin()

    async def _added(
        self, reducing: Reducing, lane: Lane, header: Header, part: Batch, whole: Batch
    ) -> None:
        self._caller.begin()
        await reducing.add(lane, header, part, whole)
