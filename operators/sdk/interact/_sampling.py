"""Frames an output port leaves out while its stream is full (onFull: Sample), accounted for.

What was left out becomes coverage without frames: neighbours are merged, and one small message takes
their place. The inputs they were made of are acknowledged when that is stored.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

import numpy as np

from interact._batches import Batch
from interact._ports import Stored
from interact._scan import Tombstone, gaps

REASON = "sampled"
FLUSH_SECONDS = 0.25
FLUSH_BYTES = 16 << 20
"""Of messages left out: those they were made of are held until their coverage is stored."""
FLUSH_MESSAGES = 256

Cover = Callable[[Batch, str, int, Stored], Awaitable[None]]
"""Sends a coverage on a lane, of an edition; the last is called when it is stored."""


@dataclasses.dataclass(slots=True)
class _Left:
    """Neighbouring messages that were left out."""

    coverage: Batch
    lane: str
    edition: int
    stored: list[Stored]


class Sampling:
    """What one port has left out and not accounted for yet."""

    def __init__(self, cover: Cover, count: Callable[[int], None]) -> None:
        """Begin.

        Args:
            cover: Sends the coverage.
            count: Is told how many frames were left out.
        """
        self._cover = cover
        self._count = count
        self._left: list[_Left] = []
        self._bytes = self._messages = 0
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: set[asyncio.Task[None]] = set()

    async def leave_out(
        self, batch: Batch, lane: str, edition: int, size: int, stored: Stored | None
    ) -> None:
        """Account for a message of so many bytes that found no room; ``stored`` follows."""
        self._count(len(batch))
        if batch.start == batch.stop:
            if stored is not None:
                await stored()
            return
        self._add(batch, lane, edition, stored)
        self._bytes += size
        self._messages += 1
        if self._bytes >= FLUSH_BYTES or self._messages >= FLUSH_MESSAGES:
            await self.flush()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(FLUSH_SECONDS, self._flush_soon)

    async def flush(self) -> None:
        """Send the coverage of all that was left out."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        left, self._left, self._bytes, self._messages = self._left, [], 0, 0
        for one in left:
            await self._cover(one.coverage, one.lane, one.edition, _all(one.stored))

    def _flush_soon(self) -> None:
        self._timer = None
        task = asyncio.ensure_future(self.flush())
        self._flushing.add(task)
        task.add_done_callback(self._flushing.discard)

    def _add(self, batch: Batch, lane: str, edition: int, stored: Stored | None) -> None:
        nothing = np.empty(0, np.int64)
        lost = gaps(batch.start, batch.stop, batch.tombstones, nothing, REASON)
        called = [stored] if stored is not None else []
        last = self._left[-1] if self._left else None
        if (
            last is not None
            and (last.lane, last.edition) == (lane, edition)
            and last.coverage.scan.id == batch.scan.id
            and last.coverage.stop == batch.start
        ):
            last.coverage = last.coverage.replace(
                stop=batch.stop, tombstones=_joined(last.coverage.tombstones, lost)
            )
            last.stored += called
            return
        facts = {**batch.frame(), "tombstones": lost, "y": None, "x": None, "attributes": {}}
        self._left.append(_Left(Batch(**facts), lane, edition, called))


def _joined(before: tuple[Tombstone, ...], after: tuple[Tombstone, ...]) -> tuple[Tombstone, ...]:
    """Neighbours in one list; two that touch for the same reason become one."""
    last, first = before[-1], after[0]
    if last.stop != first.start or last.reason != first.reason:
        return before + after
    return (*before[:-1], Tombstone(last.reason, last.start, first.stop), *after[1:])


def _all(stored: list[Stored]) -> Stored:
    async def done() -> None:
        for one in stored:
            await one()

    return done
