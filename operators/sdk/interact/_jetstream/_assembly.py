"""Large messages put together again from their chunks."""

import asyncio
import hashlib
import io
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

from nats.aio.client import Client

from interact import _chunks
from interact._chunks import Broken, Descriptor, Gone
from interact._jetstream import _asking

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 0.2
TRIES = 10
"""Looks for a chunk that should be there: a copy of the stream may be behind."""


async def assembled(client: Client, descriptor: Descriptor, stopped: Callable[[], bool]) -> bytes:
    """The whole message, in memory once.

    Raises:
        Gone: If nobody needs it any more, or ``stopped`` says so.
        Broken: If it is not what was sent.
    """
    buffer = io.BytesIO()
    buffer.seek(descriptor.size - 1)
    buffer.write(b"\0")  # all of it at once: growing would copy
    buffer.seek(0)
    async for part in chunks(client, descriptor, stopped):
        buffer.write(part)
        del part  # while the next one comes
    if buffer.tell() != descriptor.size:
        raise Broken(f"{buffer.tell()} bytes came of {descriptor.size}")
    return buffer.getvalue()


async def chunks(
    client: Client, descriptor: Descriptor, stopped: Callable[[], bool]
) -> AsyncGenerator[bytes]:
    """The chunks in order, one fetched ahead; after the last one the digest has been compared.

    Raises:
        Gone: If nobody needs them any more, or ``stopped`` says so.
        Broken: If they are not what was sent.
    """
    digest = hashlib.sha256()
    following = asyncio.ensure_future(chunk(client, descriptor, 0, stopped))
    try:
        for number in range(1, descriptor.count + 1):
            found = await following
            if number < descriptor.count:
                following = asyncio.ensure_future(chunk(client, descriptor, number, stopped))
            digest.update(found)
            yield found
            del found
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError, Gone, Broken):
            await following
    if digest.hexdigest() != descriptor.digest:
        raise Broken(f"digest {digest.hexdigest()} is not {descriptor.digest}")


async def chunk(
    client: Client, descriptor: Descriptor, number: int, stopped: Callable[[], bool]
) -> bytes:
    """One chunk, by its number from 0.

    Raises:
        Gone: If nobody needs it any more, or ``stopped`` says so.
        Broken: If it is not there.
    """
    subject = f"{descriptor.subject}.{number}"
    tries = 0
    while not stopped():
        answer = await _asking.ask(client, f"$JS.API.DIRECT.GET.{descriptor.stream}.{subject}")
        if answer is not None and "Status" not in (answer.headers or {}):
            return answer.data
        await _check_needed(client, descriptor)
        if answer is not None:
            tries += 1
            if tries == TRIES:
                raise Broken(f"chunk {number} of {descriptor.count} is not in {descriptor.stream}")
        await asyncio.sleep(AGAIN_SECONDS)
    raise Gone


async def _check_needed(client: Client, descriptor: Descriptor) -> None:
    """Whether the ledger still has the group.

    Raises:
        Gone: If it has not.
    """
    found = await _asking.last_message(client, descriptor.stream, descriptor.ledger)
    if found is None:
        return
    entry = _chunks.find(_chunks.decode_entries(found[0]), descriptor.subject.rpartition(".")[2])
    if entry is None or entry.dead:
        raise Gone
