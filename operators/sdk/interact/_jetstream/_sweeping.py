"""Freeing chunks nobody needs: those of descriptors that are gone, and those of dead producers."""

import asyncio
from collections.abc import Callable

from nats.aio.client import Client

from interact import _chunks
from interact._chunks import Entries, Entry, Place
from interact._jetstream import _asking
from interact._jetstream._ledger import Ledger
from interact._tasks import wanted

BEAT_SECONDS = 5.0
LEASE_SECONDS = 30.0
"""A group under way whose owner gave no beat for so long is swept; nobody compares clocks."""
SWEEP_SECONDS = 1.0
MOST_PAUSE_SECONDS = 30.0
"""Between looks at what stays, a dead letter for example."""
ORPHANS_SECONDS = 60.0

Monotonic = Callable[[], float]


class Sweeper:
    """One process's care for the chunks of a place: its own and those others left."""

    def __init__(
        self,
        client: Client,
        place: Place,
        ledger: Ledger,
        owner: str,
        life: str,
        *,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self.own: set[str] = set()
        """Groups this process writes."""
        self.pause = SWEEP_SECONDS
        """Until the next look."""
        self._client = client
        self._place = place
        self._ledger = ledger
        self._owner = owner
        self._life = life
        self._lease = lease_seconds
        self._beats: dict[str, tuple[int, float]] = {}

    async def tend(self) -> None:
        """Sweep and give beats, for ever; seldom where nothing comes and goes."""
        loop = asyncio.get_running_loop()
        beaten = orphans = swept = loop.time()
        await self.sweep_orphans()
        while wanted():
            await asyncio.sleep(SWEEP_SECONDS)
            now = loop.time()
            if self.own and now - beaten > BEAT_SECONDS:
                await self.beat()
                beaten = now
            if not self._ledger.entries or now - swept < self.pause:
                continue
            if now - orphans > ORPHANS_SECONDS:
                await self.sweep_orphans()
                orphans = now
            freed = await self._ledger.load() and await self.sweep()
            self.pause = SWEEP_SECONDS if freed else min(2 * self.pause, MOST_PAUSE_SECONDS)
            swept = now

    async def beat(self) -> None:
        """Say that what this process writes is not given up."""

        def beaten(entries: Entries) -> Entries:
            return tuple(
                Entry(one.group, one.size, one.owner, one.life, one.beat + 1)
                if one.group in self.own and not one.sequence and not one.dead
                else one
                for one in entries
            )

        await self._ledger.change(beaten)

    async def sweep(self) -> bool:
        """Free the groups whose descriptor is gone, and those nobody writes any more; if any."""
        lost = {one.group for one in self._ledger.entries if self._given_up(one)}
        if lost:
            await self._ledger.change(lambda entries: _killed(entries, lost))
        gone = [one.group for one in self._ledger.entries if one.dead]
        gone += await self._done_with()
        await self._free(gone)
        return bool(gone)

    async def sweep_orphans(self) -> None:
        """Free chunks that are in no ledger: a producer taken for dead wrote them late."""
        within = f"{self._place.subject}.*.*"
        listed = await _asking.subjects(self._client, self._place.stream, within)
        groups = {subject.rpartition(".")[0].rpartition(".")[2] for subject in listed}
        if not await self._ledger.load():  # after the listing: a group is listed here first
            return
        for group in groups - {one.group for one in self._ledger.entries}:
            await _asking.purge(
                self._client, self._place.stream, self._place.subject_of(group, "*")
            )

    async def drop_oldest(self, group: str) -> None:
        """Make room for a group: remove the descriptors stored longest."""
        entries = self._ledger.entries
        for one in entries:
            if _chunks.granted(entries, group, self._place.max_bytes):
                break
            if one.sequence and await _asking.remove(
                self._client, self._place.refers, one.sequence
            ):
                await self._free([one.group])
                entries = _chunks.without(entries, {one.group})

    async def withdraw(self, group: str, sequence: int) -> None:
        """Take back a message whose reservation was lost while it was written."""
        await _asking.remove(self._client, self._place.refers, sequence)
        await self._free([group])

    async def give_up(self, group: str) -> None:
        """Free what was written of a message whose rest is not there."""
        self.own.discard(group)
        await self._free([group])

    def _given_up(self, one: Entry) -> bool:
        if one.sequence or one.dead or one.life == self._life:
            return False
        if one.owner == self._owner:
            return True  # a former life of this process
        now = asyncio.get_running_loop().time()
        beat, since = self._beats.get(one.group, (-1, now))
        if beat != one.beat:
            since = now
        self._beats[one.group] = (one.beat, since)
        return now - since > self._lease

    async def _done_with(self) -> list[str]:
        told = [one for one in self._ledger.entries if one.sequence and not one.dead]
        first = await _asking.first_sequence(self._client, self._place.refers) if told else 0
        gone: list[str] = []
        for one in told:
            stays = one.sequence >= first and await _asking.stored(
                self._client, self._place.refers, one.sequence
            )
            if not stays:
                gone.append(one.group)
        return gone

    async def _free(self, groups: list[str]) -> None:
        freed = {
            group
            for group in groups
            if await _asking.purge(
                self._client, self._place.stream, self._place.subject_of(group, "*")
            )
        }
        for group in freed:
            self._beats.pop(group, None)
        if freed:
            await self._ledger.change(lambda entries: _chunks.without(entries, freed))


def _killed(entries: Entries, groups: set[str]) -> Entries:
    """The ledger with some groups marked, unless their owner was faster and committed them."""
    return tuple(
        Entry(one.group, one.size, one.owner, one.life, one.beat, 0, dead=True)
        if one.group in groups and not one.sequence
        else one
        for one in entries
    )
