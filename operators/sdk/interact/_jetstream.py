"""The SDK's one door to NATS: windowed publishing, continuous pulling, the state bucket."""

import asyncio
import json
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import nats
import nats.aio.client
import nats.errors
import nats.js.api
import nats.js.errors
from interact_api.streams import BucketPlan, ConsumerPlan, StreamPlan
from nats.aio.client import Client
from nats.aio.msg import Msg

from interact._errors import BrokerError, TooLarge

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 10.0
REQUEST_SECONDS = 10.0
PUBACK_SECONDS = 5.0
"""After this long without an answer a message is sent again; its identity makes that safe."""
PULL_SECONDS = 20.0
WINDOW_BYTES = 32 << 20
WINDOW_MESSAGES = 512
PREFETCH_MESSAGES = 256
PREFETCH_SECONDS = 0.25
"""Work to hold ahead of the kernel; more would starve the other replicas."""
FULL = frozenset({10077, 10167, 10122})
"""JetStream error codes that mean "later": maximum bytes, too many in flight, messages."""

nats.aio.client.DEFAULT_BUFFER_SIZE = 1 << 20  # 32 KiB reads cost 21 parser calls per 663 KB


@asynccontextmanager
async def connect(
    url: str, *, name: str, token: str | None = None, patience: float = CONNECT_SECONDS
) -> AsyncIterator["JetStream"]:
    """A connection to NATS with JetStream.

    Args:
        url: For example ``nats://127.0.0.1:4222``.
        name: How the server's monitoring shows this process.
        token: What it asks for, if anything.
        patience: Seconds to wait for the first connection.

    Raises:
        BrokerError: If no server answers in time, or it refuses the token.
    """
    lost: list[Callable[[], None]] = []

    async def on_error(error: Exception) -> None:
        logger.warning("nats: %s", error)

    async def on_reconnect() -> None:
        for again in lost:
            again()

    client = Client()
    try:
        async with asyncio.timeout(patience):
            await client.connect(
                url, name=name, token=token, error_cb=on_error, reconnected_cb=on_reconnect,
                max_reconnect_attempts=-1, reconnect_time_wait=1, ping_interval=10,
                allow_reconnect=True, pending_size=16 << 20, connect_timeout=2,
            )  # fmt: skip
    except (TimeoutError, OSError, nats.errors.Error) as error:
        with suppress(Exception):
            await client.close()
        raise BrokerError(
            f"no NATS at {url} ({str(error) or 'no answer'} within {patience:g} s); "
            "is nats-server running with JetStream, and is the token right?"
        ) from error
    broker = JetStream(client, lost)
    try:
        async with broker.running():
            yield broker
    finally:
        with suppress(nats.errors.Error, asyncio.TimeoutError):
            await asyncio.wait_for(client.drain(), REQUEST_SECONDS)
        await client.close()


@dataclass(slots=True)
class _Sent:
    """A message on its way into a stream."""

    subject: str
    payload: bytes
    identity: str
    stored: Callable[[], Awaitable[None]] | None
    due: float
    attempts: int = 0


class JetStream:
    """A broker of the runtime and of the local runner; see `connect`."""

    def __init__(self, client: Client, lost: list[Callable[[], None]]) -> None:
        self.client = client
        self.context = client.jetstream(timeout=REQUEST_SECONDS)
        self.blocked_seconds = 0.0
        self.max_payload = client.max_payload
        self._lost = lost
        self._inbox = client.new_inbox()
        self._sent: dict[str, _Sent] = {}
        self._refused: set[str] = set()
        self._sent_bytes = 0
        self._number = 0
        self._space = asyncio.Event()
        self._buckets: dict[str, nats.js.kv.KeyValue] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen for the server's answers, and repeat what got none."""
        answers = await self.client.subscribe(
            f"{self._inbox}.*", cb=self._answered, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        repeating = asyncio.create_task(self._repeat(), name="repeat unanswered messages")
        try:
            yield
        finally:
            repeating.cancel()
            with suppress(asyncio.CancelledError):
                await repeating
            with suppress(nats.errors.Error):
                await answers.unsubscribe()

    # -- publishing -----------------------------------------------------------------------------

    async def publish(
        self,
        subject: str,
        payload: bytes,
        *,
        identity: str = "",
        stored: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Send one message; wait only while the window is full.

        Raises:
            TooLarge: If the server would cut the connection over its size.
        """
        if len(payload) > self.max_payload - 1024:
            raise TooLarge(len(payload), self.max_payload)
        if self._full(len(payload)):
            await self._wait_for_space(len(payload))
        self._number += 1
        token = str(self._number)
        loop = asyncio.get_running_loop()
        self._sent[token] = sent = _Sent(
            subject, payload, identity, stored, loop.time() + PUBACK_SECONDS
        )
        self._sent_bytes += len(payload)
        await self._send(token, sent)

    def _full(self, size: int) -> bool:
        """Whether the window is full, or a stream has refused what it already got."""
        return bool(self._sent) and (
            bool(self._refused)
            or self._sent_bytes + size > WINDOW_BYTES
            or len(self._sent) >= WINDOW_MESSAGES
        )

    async def _wait_for_space(self, size: int) -> None:
        loop = asyncio.get_running_loop()
        since = loop.time()
        while self._full(size):
            self._space.clear()
            await self._space.wait()
        self.blocked_seconds += loop.time() - since

    async def _send(self, token: str, sent: _Sent) -> None:
        headers = {"Nats-Msg-Id": sent.identity} if sent.identity else None
        with suppress(nats.errors.OutboundBufferLimitError):  # reconnecting: the repeat brings it
            await self.client.publish(
                sent.subject, sent.payload, reply=f"{self._inbox}.{token}", headers=headers
            )

    async def _answered(self, answer: Msg) -> None:
        token = answer.subject.rpartition(".")[2]
        sent = self._sent.get(token)
        if sent is None:
            return
        refusal = _refusal(answer)
        if refusal is None:
            del self._sent[token]
            self._refused.discard(token)
            self._sent_bytes -= len(sent.payload)
            self._space.set()
            if sent.stored is not None:
                await sent.stored()
            return
        code, text = refusal
        if code not in FULL and sent.attempts % 20 == 0:
            logger.warning("stream refused a message: %s", text, extra={"subject": sent.subject})
        self._refused.add(token)
        sent.attempts += 1
        pause = min(0.005 * 2 ** min(sent.attempts, 5), 0.1) * random.uniform(0.5, 1.0)  # noqa: S311
        loop = asyncio.get_running_loop()
        sent.due = loop.time() + pause + PUBACK_SECONDS
        loop.call_later(pause, self._again, token)

    def _again(self, token: str) -> None:
        sent = self._sent.get(token)
        if sent is not None:
            self._keep(asyncio.ensure_future(self._send(token, sent)))

    def _keep(self, task: "asyncio.Future[None]") -> None:
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _repeat(self) -> None:
        """Send again what was not answered in time: the server may have been away."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(PUBACK_SECONDS / 4)
            if not self.client.is_connected:
                continue
            now = loop.time()
            for token, sent in [item for item in self._sent.items() if item[1].due < now]:
                sent.due = now + PUBACK_SECONDS
                await self._send(token, sent)

    async def flush(self) -> None:
        """Wait until everything sent is stored."""
        while self._sent:
            self._space.clear()
            await self._space.wait()
        await self.client.flush()

    async def tell(self, subject: str, payload: bytes) -> None:
        """Send one message nobody stores."""
        with suppress(nats.errors.OutboundBufferLimitError):
            await self.client.publish(subject, payload)

    # -- consuming ------------------------------------------------------------------------------

    @asynccontextmanager
    async def consume(
        self, stream: str, durable: str, *, wake: Callable[[], None], max_bytes: int = 16 << 20
    ) -> AsyncIterator["Pull"]:
        """Fetch from a durable consumer, continuously, with bounded prefetch."""
        pull = Pull(self.client, stream, durable, wake, max_bytes)
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
            await heard(message.data)

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

    # -- state ----------------------------------------------------------------------------------

    async def get(self, bucket: str, key: str) -> bytes | None:
        """A key's last value; None if it was never set."""
        try:
            entry = await (await self._bucket(bucket)).get(key)
        except nats.js.errors.KeyNotFoundError:
            return None
        return entry.value

    async def put(self, bucket: str, key: str, value: bytes) -> None:
        """Set a key, durably."""
        await (await self._bucket(bucket)).put(key, value)

    async def _bucket(self, name: str) -> "nats.js.kv.KeyValue":
        if name not in self._buckets:
            try:
                self._buckets[name] = await self.context.key_value(name)
            except nats.js.errors.Error as error:
                raise BrokerError(f"state bucket {name} is not there: {error}") from error
        return self._buckets[name]

    # -- plumbing -------------------------------------------------------------------------------

    async def make(self, plan: StreamPlan) -> None:
        """Make a stream and its consumers: first on a placeholder, so that nothing is dropped.

        Raises:
            BrokerError: If the server refuses, for example because its store is too small.
        """
        try:
            drops = plan.retention == "interest"  # what comes before there is a consumer
            first = plan.placeholder if drops else plan.subject
            await self.context.add_stream(_stream_config(plan, first))
            for consumer in plan.consumers:
                await self.context.add_consumer(plan.name, _consumer_config(plan, consumer))
            if drops:
                await self.context.update_stream(_stream_config(plan, plan.subject))
        except (nats.js.errors.Error, nats.errors.Error) as error:
            raise BrokerError(
                f"stream {plan.name} ({plan.max_bytes} bytes, {plan.storage}) was refused: {error}; "
                "give nats-server more store, or lower maxBytes of the port"
            ) from error

    async def make_bucket(self, plan: BucketPlan) -> None:
        """Make the state bucket of a pipeline.

        Raises:
            BrokerError: If the server refuses.
        """
        try:
            await self.context.create_key_value(
                bucket=plan.name, history=plan.history, max_bytes=plan.max_bytes,
                storage=nats.js.api.StorageType(plan.storage.lower()), replicas=plan.replicas,
            )  # fmt: skip
        except (nats.js.errors.Error, nats.errors.Error) as error:
            raise BrokerError(
                f"state bucket {plan.name} ({plan.max_bytes} bytes) was refused: {error}; "
                "give nats-server more store"
            ) from error

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
            yield name, message.data or b""

    async def streams(self) -> Sequence[str]:
        """Names of all streams of the account."""
        return [info.config.name or "" for info in await self.context.streams_info()]


class Held:
    """One message of a pull; answered at most once."""

    __slots__ = ("_client", "_reply", "attempt", "payload")

    def __init__(self, client: Client, message: Msg) -> None:
        self._client = client
        self._reply = message.reply
        self.payload = message.data
        tokens = message.reply.split(".")
        self.attempt = int(tokens[4] if len(tokens) == 9 else tokens[6])  # NATS ADR-15: v1, v2

    async def ack(self) -> None:
        """Done; never send it again."""
        await self._answer(b"+ACK")

    async def hand_back(self) -> None:
        """Not started; give it to another replica at once."""
        await self._answer(b"-NAK")

    async def in_progress(self) -> None:
        """Still held; do not give it to another."""
        await self._answer(b"+WPI")

    async def _answer(self, word: bytes) -> None:
        with suppress(nats.errors.OutboundBufferLimitError):
            await self._client.publish(self._reply, word)


@dataclass(slots=True)
class Pull:
    """A continuous pull: topped up at half, sized by what messages turn out to weigh."""

    client: Client
    stream: str
    durable: str
    wake: Callable[[], None]
    max_bytes: int
    _arrived: "deque[Held]" = field(default_factory=deque)
    _wanted: int = 0
    _asked_at: float = 0.0
    _weight: float = 0.0
    _seconds: float = 0.0
    _stopped: bool = False
    _inbox: str = ""
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    async def start(self) -> None:
        """Subscribe, and ask for the first messages."""
        self._inbox = self.client.new_inbox()
        self._subscription = await self.client.subscribe(
            self._inbox, cb=self._received, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        self._tasks.append(asyncio.create_task(self._keep_asking(), name=f"pull {self.durable}"))
        await self._ask()

    _subscription: "nats.aio.subscription.Subscription | None" = None

    async def take(self) -> Held | None:
        """The next message that has arrived; None if none has."""
        if not self._arrived:
            return None
        held = self._arrived.popleft()
        await self._ask()
        return held

    def pace(self, seconds: float) -> None:
        """Tell how long one message takes, so that replicas share what there is."""
        self._seconds = 0.8 * self._seconds + 0.2 * seconds if self._seconds else seconds

    async def stop(self) -> Sequence[Held]:
        """Fetch no more; what had arrived and was not taken."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        if self._subscription is not None:
            with suppress(nats.errors.Error):
                await self._subscription.unsubscribe()
            self._subscription = None
        left = list(self._arrived)
        self._arrived.clear()
        return left

    def forget(self) -> None:
        """The connection was lost and with it every request."""
        self._wanted = 0

    @property
    def _depth(self) -> int:
        """How many messages to hold or expect: all of a window of bytes, at least two."""
        if not self._seconds:
            return 2
        share = PREFETCH_SECONDS / self._seconds
        return max(
            2, min(PREFETCH_MESSAGES, int(self.max_bytes / max(self._weight, 1)), int(share))
        )

    async def _received(self, message: Msg) -> None:
        if not message.reply:
            left = (message.headers or {}).get("Nats-Pending-Messages")
            self._wanted = max(0, self._wanted - int(left)) if left else 0
            if (message.headers or {}).get("Status") == "409":
                logger.debug("pull ended: %s", (message.headers or {}).get("Description"))
            return
        self._wanted = max(0, self._wanted - 1)
        weight = len(message.data)
        self._weight = 0.8 * self._weight + 0.2 * weight if self._weight else float(weight)
        held = Held(self.client, message)
        if self._stopped:
            await held.hand_back()
            return
        self._arrived.append(held)
        self.wake()
        await self._ask()

    async def _ask(self) -> None:
        depth = self._depth
        missing = depth - self._wanted - len(self._arrived)
        if self._stopped or missing * 2 < depth:
            return
        self._wanted += missing
        self._asked_at = asyncio.get_running_loop().time()
        request = {"batch": missing, "expires": int(PULL_SECONDS * 1e9)}
        with suppress(nats.errors.OutboundBufferLimitError):
            await self.client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self.stream}.{self.durable}",
                json.dumps(request).encode(),
                reply=self._inbox,
            )

    async def _keep_asking(self) -> None:
        """Ask again when messages were taken, or a request went unanswered past its time."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0.5)
            if self._wanted and loop.time() - self._asked_at > PULL_SECONDS + 2:
                self._wanted = 0
            if self.client.is_connected:
                await self._ask()


def _refusal(answer: Msg) -> tuple[int, str] | None:
    """The error code and text of a publish that was not stored; None if it was."""
    if (answer.headers or {}).get("Status") == "503":
        return 503, "no stream has this subject"
    if answer.data.startswith(b'{"stream"'):
        return None
    reply = json.loads(answer.data or b"{}")
    error = reply.get("error")
    return (int(error.get("err_code", 0)), str(error.get("description"))) if error else None


def _stream_config(plan: StreamPlan, subject: str) -> nats.js.api.StreamConfig:
    api = nats.js.api
    return api.StreamConfig(
        name=plan.name,
        subjects=[subject],
        retention=api.RetentionPolicy(plan.retention),
        discard=api.DiscardPolicy(plan.discard),
        max_bytes=plan.max_bytes,
        max_msgs_per_subject=plan.max_msgs_per_subject,
        storage=api.StorageType(plan.storage.lower()),
        num_replicas=plan.replicas,
        metadata=dict(plan.metadata),
    )


def _consumer_config(stream: StreamPlan, plan: ConsumerPlan) -> nats.js.api.ConsumerConfig:
    api = nats.js.api
    last = plan.deliver_policy == "last_per_subject"
    return api.ConsumerConfig(
        durable_name=plan.durable,
        ack_policy=api.AckPolicy.EXPLICIT,
        deliver_policy=api.DeliverPolicy(plan.deliver_policy),
        ack_wait=plan.ack_wait_seconds,
        max_deliver=-1,
        max_ack_pending=plan.max_ack_pending,
        filter_subject=stream.subject if last else None,
    )
