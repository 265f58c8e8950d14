"""Sending large messages of one port: reserve, write the chunks, store the descriptor, commit.

A crash leaves an entry without a descriptor, which the owner's next life or, some time later, any
other producer of the port sweeps. A process that was taken for dead and lives finds that out when it
commits; it removes what it stored and begins anew. Its input is not acknowledged before.
"""

import asyncio
import hashlib
import json
import logging
import random
import uuid
from collections import deque
from collections.abc import Sequence
from contextlib import aclosing

from interact_api.wire import Header
from nats.aio.client import Client

from interact import _chunks
from interact._chunks import Descriptor, Elsewhere, Entries, Entry, Part, Place, Unread
from interact._errors import TooLarge
from interact._jetstream import _asking
from interact._jetstream._blocked import Blocked
from interact._jetstream._ledger import Ledger
from interact._jetstream._refusal import SILENCES, SILENT, TOLD_EVERY, refusal
from interact._jetstream._sweeping import SWEEP_SECONDS, Sweeper

logger = logging.getLogger(__name__)

CHUNKS_ON_THE_WAY = 2
ROOM_SECONDS = 0.05
"""Between looks for room."""
AGAIN_SECONDS = 0.1


class Sender:
    """The large messages of one port that this process sends."""

    def __init__(self, client: Client, place: Place, owner: str, chunk_bytes: int) -> None:
        self.place = place
        self.owner = owner
        self.blocked = Blocked()
        self.waiting: set[str] = set()
        """Subjects of messages there is no room for yet."""
        self.ledger = Ledger(client, place)
        self._life = uuid.uuid4().hex[:12]
        self.sweeper = Sweeper(client, place, self.ledger, owner, self._life)
        self._client = client
        self._chunk_bytes = chunk_bytes

    async def send(
        self,
        subject: str,
        header: Header,
        parts: Sequence[Part] | Elsewhere,
        size: int,
        *,
        identity: str,
        patient: bool = True,
    ) -> bool:
        """Store a message; waits for room unless impatient.

        Returns:
            Whether it was stored: an impatient one is left out where there is no room.

        Raises:
            TooLarge: If it could never fit.
            Unread: If its parts are not there any more.
        """
        need = _chunks.reserved_bytes(size, self._chunk_bytes)
        if need > self.place.max_bytes:
            raise TooLarge(
                size, self.place.max_bytes, "give the output port a delivery with more maxBytes"
            )
        while True:
            group = uuid.uuid4().hex
            self.waiting.add(subject)
            try:
                reserved = await self._reserve(group, need, patient=patient)
            finally:
                self.waiting.discard(subject)
            if not reserved:
                return False
            try:
                digest = await self._write(group, parts)
            except Unread:
                await self.sweeper.give_up(group)
                raise
            descriptor = Descriptor(
                self.place.stream, self.place.ledger, f"{self.place.subject}.{group}",
                -(-size // self._chunk_bytes), size, digest,
            )  # fmt: skip
            message = _chunks.descriptor_message(header, descriptor)
            name = f"{identity}-{group[:8]}"
            sequence = await self._stored(subject, message, {"Nats-Msg-Id": name})
            if await self._commit(group, sequence):
                return True
            await self.sweeper.withdraw(group, sequence)

    async def _reserve(self, group: str, need: int, *, patient: bool) -> bool:
        """Wait in the ledger for room; whether there is any."""
        entry = Entry(group, need, self.owner, self._life)
        self.sweeper.own.add(group)
        self.sweeper.pause = SWEEP_SECONDS

        def listed(entries: Entries) -> Entries:
            return entries if _chunks.find(entries, group) else (*entries, entry)

        await self.ledger.change(listed)
        while not _chunks.granted(self.ledger.entries, group, self.place.max_bytes):
            await self.sweeper.sweep()
            if self.place.drops:
                await self.sweeper.drop_oldest(group)
            await self.ledger.change(listed)
            if _chunks.granted(self.ledger.entries, group, self.place.max_bytes):
                break
            if not patient:
                await self.ledger.change(lambda entries: _chunks.without(entries, {group}))
                self.sweeper.own.discard(group)
                return False
            with self.blocked.waiting():
                await asyncio.sleep(ROOM_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311
                await self.ledger.load()
        return True

    async def _write(self, group: str, parts: Sequence[Part] | Elsewhere) -> str:
        """Store all chunks, a few at a time; the digest of all of them."""
        digest = hashlib.sha256()
        on_the_way: deque[asyncio.Task[int]] = deque()
        number = 0
        try:
            async with aclosing(_chunks.cut(parts, self._chunk_bytes)) as cut:
                async for chunk in cut:
                    subject = self.place.subject_of(group, number)
                    on_the_way.append(asyncio.create_task(self._stored(subject, chunk)))
                    digest.update(chunk)
                    number += 1
                    if len(on_the_way) >= CHUNKS_ON_THE_WAY:
                        await on_the_way.popleft()
            while on_the_way:
                await on_the_way.popleft()
        finally:
            for task in on_the_way:
                task.cancel()
        return digest.hexdigest()

    async def _stored(
        self, subject: str, payload: Part, headers: dict[str, str] | None = None
    ) -> int:
        """Send a message until it is stored; its number in the stream."""
        tries = silences = 0
        while True:
            answer = await _asking.ask(self._client, subject, payload, headers)
            refused = refusal(answer) if answer is not None else None
            if answer is not None and refused is None:
                return int(json.loads(answer.data)["seq"])
            if refused is not None:
                if refused.advice and tries % TOLD_EVERY == 0:
                    logger.warning("%s", refused.advice, extra={"subject": subject})
                tries += 1
            elif self._client.is_connected:
                silences += 1
                if silences == SILENCES:
                    logger.warning(SILENT, extra={"subject": subject})
            await asyncio.sleep(AGAIN_SECONDS * random.uniform(0.5, 1.0))  # noqa: S311

    async def _commit(self, group: str, sequence: int) -> bool:
        """Write down where the descriptor is; whether the reservation still held."""

        def committed(entries: Entries) -> Entries:
            entry = _chunks.find(entries, group)
            if entry is None or entry.dead:
                return entries
            done = Entry(group, entry.size, entry.owner, entry.life, entry.beat, sequence)
            return _chunks.changed(entries, done)

        found = _chunks.find(await self.ledger.change(committed), group)
        self.sweeper.own.discard(group)
        return found is not None and found.sequence == sequence and not found.dead
