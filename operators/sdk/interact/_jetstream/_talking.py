"""Questions between processes over core NATS: nothing is stored, and silence is told from absence."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.kv import KeyValue

from interact._errors import BrokerError, NobodyListens
from interact._jetstream._connection import JetStream

Reply = Callable[[bytes], Awaitable[None]]
"""Answers a question; once is enough."""
Heard = Callable[[bytes, Reply], Awaitable[None]]
"""Takes a question and the way to answer it; returns soon, the answer may come later."""


class Talk:
    """Questions and answers over one connection."""

    def __init__(self, broker: JetStream) -> None:
        self._broker = broker
        self._client: Client = broker.client
        self._buckets: dict[str, KeyValue] = {}

    @asynccontextmanager
    async def answering(
        self, subject: str, heard: Heard, *, group: str = ""
    ) -> AsyncIterator[None]:
        """Take questions while the block lasts; those of a group go to one of its members each."""

        async def pass_on(message: Msg) -> None:
            async def reply(payload: bytes) -> None:
                if message.reply:
                    with suppress(nats.errors.Error):
                        await self._client.publish(message.reply, payload)

            await heard(message.data, reply)

        subscription = await self._client.subscribe(subject, queue=group, cb=pass_on)
        await self._client.flush()  # known to the server before anybody is told that we are there
        try:
            yield
        finally:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def ask(self, subject: str, payload: bytes, seconds: float) -> bytes:
        """The first answer to a question.

        Raises:
            NobodyListens: If nobody is there to hear it.
            BrokerError: If no answer comes in time.
        """
        try:
            return (await self._client.request(subject, payload, timeout=seconds)).data
        except nats.errors.NoRespondersError as error:
            raise NobodyListens(subject) from error
        except (nats.errors.Error, TimeoutError) as error:
            raise BrokerError(f"no answer within {seconds:g} s") from error

    async def ask_all(self, subject: str, payload: bytes, seconds: float) -> AsyncIterator[bytes]:
        """Every answer to a question, as they come, until the time is up.

        Raises:
            NobodyListens: If nobody is there to hear it.
            BrokerError: If the connection is lost.
        """
        until = time.monotonic() + seconds
        inbox = self._client.new_inbox()
        subscription = await self._client.subscribe(inbox)
        try:
            await self._client.publish(subject, payload, reply=inbox)
            while (left := until - time.monotonic()) > 0:
                message = await _next(subscription, left)
                if message is None:
                    return
                if (message.headers or {}).get("Status") == "503":
                    raise NobodyListens(subject)
                yield message.data
        except nats.errors.Error as error:
            raise BrokerError(f"the connection was lost: {error!r}") from error
        finally:
            with suppress(nats.errors.Error):
                await subscription.unsubscribe()

    async def create(self, bucket: str, key: str, value: bytes) -> bool:
        """Set a key that was never set; whether it was not.

        Raises:
            BrokerError: If that is not known, for example because the bucket is full.
        """
        try:
            if bucket not in self._buckets:
                self._buckets[bucket] = await self._broker.context.key_value(bucket)
            await self._buckets[bucket].create(key, value)
        except nats.js.errors.KeyWrongLastSequenceError:
            return False
        except (nats.js.errors.Error, nats.errors.Error, TimeoutError) as error:
            raise BrokerError(f"{key} was not stored: {error}") from error
        return True

    async def keys(self, bucket: str, prefix: str) -> list[str]:
        """The keys below a prefix; none where that is not known."""
        within = f"$KV.{bucket}."
        try:
            info = await self._broker.context.stream_info(
                f"KV_{bucket}", subjects_filter=f"{within}{prefix}.>"
            )
        except (nats.js.errors.Error, nats.errors.Error, TimeoutError):
            return []
        return [name.removeprefix(within) for name in info.state.subjects or {}]

    async def erase(self, bucket: str, key: str) -> None:
        """Remove a key without a trace, where a marker for each would pile up."""
        with suppress(nats.js.errors.Error, nats.errors.Error, TimeoutError):
            await self._broker.context.purge_stream(f"KV_{bucket}", subject=f"$KV.{bucket}.{key}")


async def _next(subscription: Subscription, seconds: float) -> Msg | None:
    try:
        return await subscription.next_msg(timeout=seconds)
    except (nats.errors.TimeoutError, TimeoutError):
        return None
