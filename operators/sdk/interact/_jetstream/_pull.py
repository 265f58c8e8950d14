"""A continuous pull from a durable consumer, with bounded prefetch."""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import nats.errors
from interact_api.wire import ENCODED, FLAGS
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from interact._chunks import Descriptor, described
from interact._jetstream._client import Direct
from interact._tasks import wanted

logger = logging.getLogger(__name__)

PULL_SECONDS = 20.0
DRAIN_SECONDS = 5.0
QUIET_SECONDS = 0.05
"""Without a message for so long, a process that stops takes it that none is on its way."""
PREFETCH_MESSAGES = 256
PREFETCH_SECONDS = 0.25
"""Work to hold ahead of the kernel; more would starve the other replicas."""


Assembled = Callable[[Descriptor, bytes, Callable[[], bool]], Awaitable[bytes | None]]


class Held:
    """One message of a pull; answered at most once."""

    __slots__ = ("_client", "_reply", "attempt", "chunks", "payload", "sequence")

    def __init__(
        self, client: Direct, reply: str, payload: bytes, chunks: Descriptor | None = None
    ) -> None:
        self._client = client
        self._reply = reply
        self.payload = payload
        self.chunks = chunks
        """What to fetch before it is given out."""
        tokens = reply.split(".")
        first = 4 if len(tokens) == 9 else 6  # NATS ADR-15: v1, v2
        self.attempt, self.sequence = int(tokens[first]), int(tokens[first + 1])

    @property
    def order(self) -> int:
        """How many messages the consumer had given with this one."""
        tokens = self._reply.split(".")
        return int(tokens[6 if len(tokens) == 9 else 8])

    @property
    def answer_to(self) -> str:
        """Where it is answered, also by a later life of this process."""
        return self._reply

    async def ack(self) -> None:
        """Done; never send it again."""
        self._client.post(self._reply, b"+ACK")

    async def hand_back(self, seconds: float = 0.0) -> None:
        """Not started; give it to another replica at once, or after some seconds."""
        self.refuse(b' {"delay": %d}' % round(seconds * 1e9) if seconds else b"")

    def refuse(self, when: bytes = b"") -> None:
        """Give it to another replica."""
        self._client.post(self._reply, b"-NAK" + when)

    async def in_progress(self) -> None:
        """Still held; do not give it to another."""
        self._client.post(self._reply, b"+WPI")


@dataclass(slots=True)
class Pull:
    """A continuous pull: topped up at half, sized by what messages turn out to weigh."""

    client: Direct
    stream: str
    durable: str
    wake: Callable[[], None]
    max_bytes: int
    assembled: Assembled | None
    """Puts large messages together; without it they are given as they are."""
    _arrived: "deque[Held]" = field(default_factory=deque)
    _wanted: int = 0
    _depth: int = 2
    _asked_at: float = 0.0
    _weight: float = 0.0
    _seconds: float = 0.0
    _stopped: bool = False
    _closing: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _inbox: str = ""
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    _subscription: Subscription | None = None

    async def start(self) -> None:
        """Subscribe, and ask for the first messages."""
        self._inbox = self.client.new_inbox()
        self._subscription = await self.client.subscribe(
            self._inbox, cb=self._told, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        self.client.receive(self._subscription._id, self._received)
        self._tasks.append(asyncio.create_task(self._keep_asking(), name=f"pull {self.durable}"))
        self._ask()

    async def take(self) -> Held | None:
        """The next message that has arrived, whole; None if none has."""
        while self._arrived:
            held = self._arrived[0]
            if held.chunks is not None and not await self._fetched(held, held.chunks):
                continue
            self._arrived.popleft()
            self._ask()
            return held
        return None

    async def _fetched(self, held: Held, chunks: Descriptor) -> bool:
        """Put a large message together; it stays among those ahead meanwhile."""
        if self.assembled is None:
            return True
        payload = await self.assembled(chunks, held.payload, lambda: self._stopped)
        if not self._arrived or self._arrived[0] is not held:
            return False  # stopped meanwhile, and handed back
        if payload is None and not self._stopped:
            self._arrived.popleft()
            await held.ack()  # done with, or sent again under another name
            return False
        held.payload, held.chunks = payload or held.payload, None
        return True

    @property
    def ahead(self) -> Sequence[Held]:
        """What has arrived and was not taken."""
        return tuple(self._arrived)

    def pace(self, seconds: float) -> None:
        """Tell how long one message takes, so that replicas share what there is."""
        self._seconds = 0.8 * self._seconds + 0.2 * seconds if self._seconds else seconds

    async def stop(self) -> Sequence[Held]:
        """Fetch no more; what had arrived and was not taken."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        if self._subscription is not None:
            await self._quiet()
            self._closing = True
            subscription, self._subscription = self._subscription, None
            with suppress(nats.errors.Error, TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS):  # what is on its way is handed back
                    await subscription.drain()  # type: ignore[no-untyped-call]  # nats-py
        left = list(self._arrived)
        self._arrived.clear()
        return left

    async def _quiet(self) -> None:
        """Wait for what the server has for the requests that are open.

        What it sends in the moment in which they end, nobody has until the ack wait is over.
        """
        with suppress(TimeoutError):
            while self._wanted and self.client.is_connected:
                self._news.clear()
                async with asyncio.timeout(QUIET_SECONDS):
                    await self._news.wait()

    def forget(self) -> None:
        """The connection was lost and with it every request."""
        self._wanted = 0

    def _deep(self) -> int:
        """How many messages to hold or expect: all of a window of bytes, at least two.

        Whoever reads messages in pieces has one: while they come in one piece, that may be much.
        """
        least = 2 if self.assembled is not None else 1
        if not self._seconds:
            return least
        share = PREFETCH_SECONDS / self._seconds
        return max(
            least, min(PREFETCH_MESSAGES, int(self.max_bytes / max(self._weight, 1)), int(share))
        )

    async def _told(self, message: Msg) -> None:
        """The server's word about a request: it has ended with so many messages not given."""
        self._news.set()
        headers = message.headers or {}
        left = headers.get("Nats-Pending-Messages")
        self._wanted = max(0, self._wanted - int(left)) if left else 0
        if headers.get("Status") == "409":
            logger.debug("pull ended: %s", headers.get("Description"))

    def _received(self, reply: str, payload: bytes) -> None:
        self._news.set()
        self._wanted = max(0, self._wanted - 1)
        weight, chunks = len(payload), None
        if payload[FLAGS] == ENCODED:
            chunks = described(payload)
            weight += chunks.size if chunks else 0
        self._weight = 0.8 * self._weight + 0.2 * weight if self._weight else float(weight)
        held = Held(self.client, reply, payload, chunks)
        if self._closing:
            held.refuse()
            return
        self._arrived.append(held)
        self.wake()

    def _ask(self) -> None:
        there = self._wanted + len(self._arrived)
        if there * 2 > self._depth or self._stopped:
            return
        self._depth = self._deep()
        missing = self._depth - there
        if missing * 2 < self._depth:
            return
        self._wanted += missing
        self._asked_at = asyncio.get_running_loop().time()
        request = {"batch": missing, "expires": int(PULL_SECONDS * 1e9)}
        self.client.post(
            f"$JS.API.CONSUMER.MSG.NEXT.{self.stream}.{self.durable}",
            json.dumps(request).encode(),
            self._inbox,
        )

    async def _keep_asking(self) -> None:
        """Ask again when messages were taken, or a request went unanswered past its time."""
        loop = asyncio.get_running_loop()
        while wanted():
            await asyncio.sleep(0.5)
            if self._wanted and loop.time() - self._asked_at > PULL_SECONDS + 2:
                self._wanted = 0
            if self.client.is_connected:
                self._ask()
