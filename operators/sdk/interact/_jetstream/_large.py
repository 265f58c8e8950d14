"""Messages of any size over one connection: who sends them, who reads them, who cleans up."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress

from interact_api.wire import Header
from nats.aio.client import Client

from interact import _chunks
from interact._chunks import Descriptor, Elsewhere, Part, Place
from interact._errors import BrokerError
from interact._jetstream import _assembly
from interact._jetstream._sending import Sender

logger = logging.getLogger(__name__)

Stopped = Callable[[], bool]
ROOM_FOR_HEADERS = 4096
"""Bytes of max_payload that a chunk leaves free."""


class Large:
    """The large messages of a connection."""

    def __init__(self, client: Client, message_bytes: int) -> None:
        most = client.max_payload - ROOM_FOR_HEADERS
        self.message_bytes = min(message_bytes, most)
        """The largest message that goes in one piece."""
        self._chunk_bytes = min(_chunks.CHUNK_BYTES, most)
        self._client = client
        self._senders: dict[tuple[str, str], Sender] = {}
        self._tending: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Clean up in the background until the end."""
        try:
            yield
        finally:
            for task in self._tending:
                task.cancel()
            for task in self._tending:
                with suppress(asyncio.CancelledError, BrokerError):
                    await task

    @property
    def blocked_seconds(self) -> float:
        """How long senders have waited for room."""
        return sum(one.blocked.seconds for one in self._senders.values())

    def refused(self, subject: str) -> bool:
        """Whether a message to a subject waits for room."""
        return any(subject in one.waiting for one in self._senders.values())

    def tend(self, place: Place, owner: str) -> Sender:
        """Look after the chunks of a place: what a former life left is freed."""
        key = (place.subject, owner)
        if key not in self._senders:
            sender = Sender(self._client, place, owner, self._chunk_bytes)
            self._senders[key] = sender
            tending = asyncio.create_task(sender.sweeper.tend(), name=f"tend {place.subject}")
            tending.add_done_callback(_told)
            self._tending.append(tending)
        return self._senders[key]

    async def publish(
        self,
        place: Place,
        subject: str,
        header: Header,
        parts: Sequence[Part] | Elsewhere,
        size: int,
        *,
        identity: str,
        owner: str,
        patient: bool = True,
    ) -> bool:
        """Store a large message as chunks; see `Sender.send`.

        Raises:
            TooLarge: If it could never fit.
        """
        return await self.tend(place, owner).send(
            subject, header, parts, size, identity=identity, patient=patient
        )

    async def whole(self, payload: bytes, stopped: Stopped = bool) -> bytes | None:
        """A message with its chunks put together; itself if it is whole or its chunks are not.

        Returns:
            None if it was swept: then it was done with, or is sent again.
        """
        descriptor = _chunks.described(payload)
        return payload if descriptor is None else await self.assembled(descriptor, payload, stopped)

    async def beginning(self, payload: bytes) -> bytes:
        """The first chunk of a large message, which has its header; a whole message as it is."""
        descriptor = _chunks.described(payload)
        if descriptor is None:
            return payload
        with suppress(_chunks.Gone, _chunks.Broken):
            async with aclosing(_assembly.chunks(self._client, descriptor, bool)) as found:
                async for chunk in found:
                    return chunk
        return payload

    async def assembled(
        self, descriptor: Descriptor, payload: bytes, stopped: Stopped = bool
    ) -> bytes | None:
        """The same where the descriptor is known."""
        try:
            return await _assembly.assembled(self._client, descriptor, stopped)
        except _chunks.Gone:
            return None
        except _chunks.Broken as error:
            logger.warning("a large message cannot be read: %s", error)
            return payload  # not decodable: it is kept as a dead letter

    def chunks(self, descriptor: Descriptor, stopped: Stopped = bool) -> AsyncGenerator[bytes]:
        """The chunks of a message one after the other, one fetched ahead."""
        return _assembly.chunks(self._client, descriptor, stopped)

    async def chunk(self, descriptor: Descriptor, number: int) -> bytes:
        """One of them.

        Raises:
            Unread: If it is not there.
        """
        return await _assembly.chunk(self._client, descriptor, number, bool)


def _told(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and task.exception() is not None:
        logger.warning("chunks are not swept any more: %s", task.exception())
