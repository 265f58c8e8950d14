"""A message a try of which did not end: frame by frame, until those that end the process are known."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

import msgspec
import numpy as np

from interact import _later
from interact._attempts import REST, WHOLE, Attempts, Given, Record
from interact._batches import Batch, Bytes, Image
from interact._concatenation import concatenate
from interact._errors import BatchError, TransientError
from interact._kernel import Done, Failed, Outputs
from interact._ports import Delivery
from interact._scan import Tombstone

Parts = Mapping[str, Batch]
Call = Callable[[Parts, bool], Awaitable[Done]]
"""Calls a kernel with a message or a part of it; the second says whether there is no other try."""


class Suspect:
    """One message that is under suspicion, and what is known of its frames.

    Args:
        attempts: Where tries are written down.
        key: Of its record.
        delivery: It.
        record: The try that did not end.
        most: Tries of one frame.
    """

    def __init__(
        self, attempts: Attempts, key: str, delivery: Delivery, record: Record, most: int
    ) -> None:
        self._attempts = attempts
        self._key = key
        self._delivery = delivery
        self._record = record
        self.most = most

    @property
    def place(self) -> int:
        """What the last try was at."""
        return self._record.place

    async def begin(self, place: int) -> Given | None:
        """Write down that a place is tried next; or say why it is not any more."""
        record = self._record
        for known in record.given_up:
            if known.place == place:
                return known
        given_up = None
        if record.place == place and record.tries >= self.most:
            given_up = Given(place, record.kind, record.tries, record.trace)
            changed = Record(place, 0, given_up=(*record.given_up, given_up))
        elif record.place == place:
            changed = msgspec.structs.replace(record, tries=record.tries + 1, kind="crash")
        else:  # the whole message has been tried once, and every frame with it
            changed = Record(place, 2, given_up=record.given_up)
        self._record = changed
        await self._attempts.begin(self._key, changed, self._delivery)
        return given_up

    async def end(self) -> None:
        """All of it is known."""
        await self._attempts.end(self._key, self._record)

    def parts(self, given: Parts) -> Iterator[tuple[int, Parts]]:
        """What to try apart: each frame, the one the last try was at before the others."""
        index = _frames(given)
        if index is None:
            yield WHOLE, given
            return
        for place in sorted(index, key=lambda number: (number != self.place, number)):
            yield place, {port: _alone(batch, place) for port, batch in given.items()}


async def done(suspect: Suspect, given: Parts, call: Call) -> Done:
    """What a suspect becomes: the outputs of its good frames, and those given up."""
    made: dict[int, Outputs] = {}
    failed: list[Failed] = []
    if suspect.place != REST:
        for place, part in suspect.parts(given):
            given_up = await suspect.begin(place)
            if given_up is not None:
                failed.append(lost(part, given_up))
                continue
            one = await patiently(call, part, suspect.most)
            failed += one.failed
            made[place] = one.outputs
        if list(made) == [WHOLE] or not made:
            return Done(made.get(WHOLE, {}), tuple(failed))
        outputs = _together(next(iter(given.values())), made)
        if outputs is not None:
            return Done(outputs, tuple(failed))
    return await _rest(suspect, given, call, failed)


async def _rest(suspect: Suspect, given: Parts, call: Call, failed: list[Failed]) -> Done:
    """What the good frames become together, where their outputs cannot be put together."""
    bad = [int(number) for one in failed for number in next(iter(one.part.values())).index]
    rest = {p: b.select(~np.isin(b.index, bad), reason="failed") for p, b in given.items()}
    given_up = await suspect.begin(REST)
    if given_up is not None:
        return Done({}, (*failed, lost(rest, given_up)))
    one = await patiently(call, rest, suspect.most)
    return Done(one.outputs, (*failed, *one.failed))


async def patiently(call: Call, part: Parts, most: int) -> Done:
    """Call a kernel until it does not ask for another try."""
    for tries in range(1, most):
        try:
            return await call(part, False)
        except TransientError:
            await asyncio.sleep(_later.pause(tries))
    return await call(part, True)


def lost(part: Parts, given_up: Given) -> Failed:
    """A frame that was given up, as dead letters say it."""
    words = Record(kind=given_up.kind).words
    error = f"the kernel {words}, {given_up.tries} times"
    return Failed(part, error, given_up.trace, given_up.kind, given_up.tries)


def _frames(given: Parts) -> list[int] | None:
    """Numbers of the frames that can be tried alone; None where a message is one thing."""
    first = next(iter(given.values()))
    if not all(batch.divisible for batch in given.values()) or len(first) <= 1:
        return None
    return [int(number) for number in first.index]


def _alone(batch: Batch, place: int) -> Batch:
    one = batch.select(batch.index == place, reason="apart")
    return one.replace(start=place, stop=place + 1, tombstones=())


def _together(given: Batch, made: Mapping[int, Outputs]) -> Outputs | None:
    """The outputs of single frames as those of their message; None if that cannot be."""
    ports = next(iter(made.values()))
    try:
        return {port: _joined(given, {n: made[n].get(port) for n in made}) for port in ports}
    except (BatchError, ValueError, KeyError):
        return None


def _joined(given: Batch, parts: Mapping[int, Batch | None]) -> Batch | None:
    if all(part is None for part in parts.values()):
        return None
    if any(isinstance(part, Image | Bytes) for part in parts.values()):
        raise BatchError("pictures of single frames are not the picture of their message")
    known = {n: gap.reason for gap in given.tombstones for n in range(gap.start, gap.stop)}
    row: Sequence[Batch] = [
        parts.get(number) or _nothing(given, number, known.get(number, "filtered"))
        for number in range(given.start, given.stop)
    ]
    attributes = next(part.attributes for part in parts.values() if part is not None)
    return concatenate(row).replace(tombstones=_merged(row), attributes=attributes)


def _nothing(given: Batch, number: int, reason: str) -> Batch:
    """The coverage of a frame that is not there."""
    left = (Tombstone(reason, number, number + 1),)
    frame = {**given.frame(), "start": number, "stop": number + 1, "tombstones": left}
    for name in ("y", "x"):
        frame[name] = None if frame[name] is None else frame[name][:0]
    return Batch(**frame)


def _merged(row: Sequence[Batch]) -> tuple[Tombstone, ...]:
    """Tombstones of neighbours, put together."""
    merged: list[Tombstone] = []
    for gap in (gap for batch in row for gap in batch.tombstones):
        if merged and (merged[-1].reason, merged[-1].stop) == (gap.reason, gap.start):
            merged[-1] = Tombstone(gap.reason, merged[-1].start, gap.stop)
        else:
            merged.append(gap)
    return tuple(merged)
