"""A connection to NATS with JetStream, as the runtime and the local runner use it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import nats.aio.client
import nats.errors
import nats.js.api
import nats.js.errors
from interact_api.stream_plan import BucketPlan, StreamPlan
from nats.aio.msg import Msg
from nats.js.kv import KeyValue

from interact._chunks import MESSAGE_BYTES
from interact._errors import BrokerError
from interact._jetstream import _plumbing
from interact._jetstream._client import Direct
from interact._jetstream._large import Large
from interact._jetstream._pull import Pull
from interact._jetstream._window import WINDOW_BYTES, Window

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
REQUEST_SECONDS = 10.0
PING_SECONDS = 10

nats.aio.client.DEFAULT_BUFFER_SIZE = 1 << 20  # 32 KiB reads cost 21 parser calls per 663 KB


@asynccontextmanager
async def connect(
    url: str,
    *,
    name: str,
    token: str | None = None,
    patience: float = CONNECT_SECONDS,
    ping_seconds: int = PING_SECONDS,
    message_bytes: int = MESSAGE_BYTES,
    window_bytes: int = WINDOW_BYTES,
) -> AsyncIterator["JetStream"]:
    """A connection to NATS with JetStream.

    Args:
        url: For example ``nats://127.0.0.1:4222``.
        name: How the server's monitoring shows this process.
        token: What it asks for, if anything.
        patience: Seconds to wait for the first connection.
        ping_seconds: Time between pings; after two without an answer the connection is made anew.
        message_bytes: A larger message goes in chunks; see `interact._chunks`.
        window_bytes: What may be on its way into streams; one message may be larger.

    Raises:
        BrokerError: If no server answers in time, or it refuses the token.
    """
    lost: list[Callable[[], None]] = []

    async def on_error(error: Exception) -> None:
        logger.warning("nats: %s", error)

    async def on_reconnect() -> None:
        for again in lost:
            again()

    client = Direct()
    try:
        async with asyncio.timeout(patience):
            await client.connect(
                url, name=name, token=token, error_cb=on_error, reconnected_cb=on_reconnect,
                max_reconnect_attempts=-1, reconnect_time_wait=1, ping_interval=ping_seconds,
                allow_reconnect=True, pending_size=16 << 20, connect_timeout=2,
            )  # fmt: skip
    except (TimeoutError, OSError, nats.errors.Error) as error:
        with suppress(Exception):
            await client.close()
        raise BrokerError(
            f"no NATS at {url} ({str(error) or 'no answer'} within {patience:g} s); "
            "is nats-server running with JetStream, and is the token right?"
        ) from error
    broker = JetStream(client, lost, message_bytes, window_bytes)
    try:
        async with broker.window.open(), broker.large.open():
            yield broker
    finally:
        gone = (nats.errors.Error, OSError, TimeoutError)  # the server may be
        with suppress(*gone):
            await asyncio.wait_for(client.drain(), REQUEST_SECONDS)
        with suppress(*gone):
            await client.close()


class JetStream:
    """A broker of the runtime and of the local runner; see `connect`."""

    def __init__(
        self,
        client: Direct,
        lost: list[Callable[[], None]],
        message_bytes: int = MESSAGE_BYTES,
        window_bytes: int = WINDOW_BYTES,
    ) -> None:
        self.client = client
        self.context = client.jetstream(timeout=REQUEST_SECONDS)
        self.window = Window(client, window_bytes)
        self.publish = self.window.publish
        self.flush = self.window.flush
        self.large = Large(client, message_bytes)
        self.message_bytes = self.large.message_bytes
        self.tend = self.large.tend
        self.publish_large = self.large.publish
        self.whole = self.large.whole
        self.chunks = self.large.chunks
        self.chunk = self.large.chunk
        self._lost = lost
        lost.append(self.window.forget)
        self._buckets: dict[str, KeyValue] = {}

    def refused(self, subject: str) -> bool:
        """Whether a message to a subject was refused for want of room, and waits for it."""
        return self.window.refused(subject) or self.large.refused(subject)

    @property
    def blocked_seconds(self) -> float:
        """How long publishing has waited for room."""
        return self.window.blocked.seconds + self.large.blocked_seconds

    async def tell(self, subject: str, payload: bytes) -> None:
        """Send one message nobody stores."""
        with suppress(nats.errors.OutboundBufferLimitError):
            await self.client.publish(subject, payload)

    @asynccontextmanager
    async def consume(
        self,
        stream: str,
        durable: str,
        *,
        wake: Callable[[], None],
        max_bytes: int = 16 << 20,
        streamed: bool = False,
    ) -> AsyncIterator["Pull"]:
        """Fetch from a durable consumer, continuously, with bounded prefetch."""
        whole = None if streamed else self.large.assembled
        pull = Pull(self.client, stream, durable, wake, max_bytes, whole)
        self._lost.append(pull.forget)
        try:
            await pull.start()
            yield pull
        finally:
            self._lost.remove(pull.forget)
            await pull.stop()

    @asynccontextmanager
    async def follow(
        self, stream: str, subject: str, heard: Callable[[bytes], Awaitable[None]]
    ) -> AsyncIterator[None]:
        """Call ``heard`` with the last message of each subject, and with every later one."""

        async def pass_on(message: Msg) -> None:
            payload = await self.whole(message.data)
            if payload is not None:
                await heard(payload)

        subscription = await self.context.subscribe(
            subject,
            stream=stream,
            cb=pass_on,
            ordered_consumer=True,
            config=nats.js.api.ConsumerConfig(
                deliver_policy=nats.js.api.DeliverPolicy.LAST_PER_SUBJECT
            ),
        )
        try:
            yield
        finally:
            with suppress(nats.errors.Error, nats.js.errors.Error):
                await subscription.unsubscribe()

    async def watch(self, subject: str, heard: Callable[[bytes, str], Awaitable[None]]) -> None:
        """Call ``heard(payload, subject)`` for every message told on a subject, from now on."""

        async def pass_on(message: Msg) -> None:
            await heard(message.data, message.subject)

        await self.client.subscribe(subject, cb=pass_on)

    async def get(self, bucket: str, key: str) -> bytes | None:
        """A key's last value; None if it was never set.

        Raises:
            BrokerError: If the bucket is not there, or NATS does not answer.
        """
        try:
            entry = await (await self._bucket(bucket)).get(key)
        except nats.js.errors.KeyNotFoundError:
            return None
        except (nats.js.errors.Error, nats.errors.Error, TimeoutError) as error:
            raise BrokerError(f"{key} of bucket {bucket} was not read: {error!r}") from error
        return entry.value or b""

    async def put(self, bucket: str, key: str, value: bytes) -> None:
        """Set a key, durably.

        Raises:
            BrokerError: If it was not stored, for example because the bucket is full.
        """
        try:
            await (await self._bucket(bucket)).put(key, value)
        except (nats.js.errors.Error, nats.errors.Error, TimeoutError) as error:
            raise BrokerError(f"{key} was not stored in bucket {bucket}: {error}") from error

    async def purge(self, stream: str, subject: str) -> None:
        """Remove what a stream holds of a subject, as far as that can be had now."""
        with suppress(nats.js.errors.Error, nats.errors.Error, TimeoutError):
            await self.context.purge_stream(stream, subject=subject)

    async def forget(self, bucket: str, key: str) -> None:
        """Remove a key and its history; unlike a purge of the key, that leaves no marker."""
        with suppress(nats.js.errors.Error, nats.errors.Error, TimeoutError):
            await self.context.purge_stream(f"KV_{bucket}", subject=f"$KV.{bucket}.{key}")

    async def _bucket(self, name: str) -> KeyValue:
        if name not in self._buckets:
            try:
                self._buckets[name] = await self.context.key_value(name)
            except (nats.js.errors.Error, nats.errors.Error, TimeoutError) as error:
                raise BrokerError(f"state bucket {name} is not there: {error!r}") from error
        return self._buckets[name]

    async def make(self, plan: StreamPlan) -> None:
        """Make a stream and its consumers, in the order that loses nothing.

        Raises:
            BrokerError: If the server refuses, for example because its store is too small.
        """
        await _plumbing.make(self.context, plan)

    async def make_bucket(self, plan: BucketPlan) -> None:
        """Make the state bucket of a pipeline.

        Raises:
            BrokerError: If the server refuses.
        """
        await _plumbing.make_bucket(self.context, plan)

    async def there(self, stream: str, durable: str = "") -> bool:
        """Whether a stream, or a consumer of it, can be used now."""
        try:
            if durable:
                await self.context.consumer_info(stream, durable)
            else:
                await self.context.stream_info(stream)
        except (nats.js.errors.Error, nats.errors.Error, TimeoutError):
            return False
        return True

    async def storage(self, stream: str) -> str:
        """Where a stream keeps its messages: file or memory.

        Raises:
            BrokerError: If it is not there, or NATS does not answer.
        """
        try:
            info = await self.context.stream_info(stream)
        except (nats.js.errors.Error, nats.errors.Error, TimeoutError) as error:
            raise BrokerError(f"stream {stream} is not there: {error!r}") from error
        return nats.js.api.StorageType(info.config.storage or "file").value

    async def pending(self, stream: str, durable: str) -> tuple[int, int]:
        """Messages waiting, and messages held, at a consumer."""
        try:
            info = await self.context.consumer_info(stream, durable)
        except (nats.js.errors.Error, nats.errors.Error, TimeoutError):
            return 0, 0
        return info.num_pending or 0, info.num_ack_pending or 0

    async def last_values(self, stream: str, subject: str) -> AsyncIterator[tuple[str, bytes]]:
        """The last message of each subject of a stream that matches."""
        try:
            info = await self.context.stream_info(stream, subjects_filter=subject)
        except nats.js.errors.NotFoundError:
            return
        for name in sorted(info.state.subjects or {}):
            message = await self.context.get_last_msg(stream, name)
            payload = await self.whole(message.data or b"")
            if payload is not None:
                yield name, payload

    async def streams(self) -> Sequence[str]:
        """Names of all streams of the account."""
        return [info.config.name or "" for info in await self.context.streams_info()]
