"""Publishing with a bounded window: what was sent and is not stored yet."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import nats.errors
from nats.aio.msg import Msg

from interact._errors import TooLarge
from interact._jetstream._blocked import Blocked
from interact._jetstream._client import Direct
from interact._jetstream._refusal import SILENCES, SILENT, TOLD_EVERY, refusal
from interact._tasks import wanted

logger = logging.getLogger(__name__)

PUBACK_SECONDS = 5.0
"""After this long without an answer a message is sent again; its identity makes that safe."""
WINDOW_BYTES = 16 << 20
"""Forty milliseconds of a fast stream: a full one is noticed that soon."""
WINDOW_MESSAGES = 512
AGAIN = "~"
"""Makes another name of one that is known."""
MAX_RECORD_BYTES = (32 << 20) - (64 << 10)
"""nats-server's file store takes no record of 32 MiB, whatever max_payload says."""


@dataclass(slots=True)
class _Sent:
    """A message on its way into a stream."""

    subject: str
    payload: bytes
    identity: str
    stored: Callable[[], Awaitable[None]] | None
    due: float
    full: Callable[[], Awaitable[None]] | None = None
    attempts: int = 0
    silences: int = 0


class Window:
    """Messages on their way into streams, bounded in bytes and number."""

    def __init__(self, client: Direct, max_bytes: int = WINDOW_BYTES) -> None:
        self.blocked = Blocked()
        self._client = client
        self._max_bytes = max_bytes
        self._inbox = client.new_inbox()
        self._sent: dict[str, _Sent] = {}
        self._refused: set[str] = set()
        self._staying: dict[str, str] = {}
        """By subject, the newest message on its way that is to stay its last one."""
        self._sent_bytes = 0
        self._number = 0
        self._space = asyncio.Event()
        self._hurry = asyncio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Listen for the server's answers, and repeat what got none."""
        answers = await self._client.subscribe(
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

    async def publish(
        self,
        subject: str,
        payload: bytes,
        *,
        identity: str = "",
        stored: Callable[[], Awaitable[None]] | None = None,
        full: Callable[[], Awaitable[None]] | None = None,
        stays: bool = False,
    ) -> None:
        """Send one message; wait only while the window is full.

        Args:
            subject: Where to.
            payload: The message.
            identity: Its name: the server stores it once.
            stored: Called when it is stored.
            full: Called instead if the stream is full: then it is left out. Without it, the message
                is sent again until there is room.
            stays: The stream keeps the last message of each subject, and this one is to be it: if
                it was stored in a former life, and others after it, it is stored once more.

        Raises:
            TooLarge: If the server would cut the connection over its size, or could not store it.
        """
        most = min(self._client.max_payload - 1024, MAX_RECORD_BYTES)
        if len(payload) > most:
            raise TooLarge(len(payload), most)
        if self._full(len(payload), full is None):
            await self._wait_for_space(len(payload), full is None)
        self._number += 1
        token = str(self._number)
        loop = asyncio.get_running_loop()
        self._sent[token] = sent = _Sent(
            subject, payload, identity, stored, loop.time() + PUBACK_SECONDS, full
        )
        if stays:
            self._staying[subject] = token
        self._sent_bytes += len(payload)
        await self._send(token, sent)

    def _full(self, size: int, waits: bool) -> bool:
        """Whether the window is full, or a stream has refused what it already got."""
        return bool(self._sent) and (
            (waits and bool(self._refused))
            or self._sent_bytes + size > self._max_bytes
            or len(self._sent) >= WINDOW_MESSAGES
        )

    def refused(self, subject: str) -> bool:
        """Whether a message to a subject was refused for want of room, and waits for it."""
        return any(self._sent[token].subject == subject for token in self._refused)

    async def _wait_for_space(self, size: int, waits: bool) -> None:
        if not self._full(size, waits):
            return
        with self.blocked.waiting():
            while self._full(size, waits):
                self._space.clear()
                await self._space.wait()

    async def _send(self, token: str, sent: _Sent) -> None:
        """Send it; without a connection it may be dropped: the repeat brings it."""
        reply = f"{self._inbox}.{token}"
        self._client.post(sent.subject, sent.payload, reply, sent.identity)
        await self._client.relieve()

    async def _answered(self, answer: Msg) -> None:
        token = answer.subject.rpartition(".")[2]
        sent = self._sent.get(token)
        if sent is None:
            return
        refused = refusal(answer)
        left_out = refused is not None and refused.full and sent.full is not None
        newest = self._staying.get(sent.subject) == token
        if refused is None and newest and json.loads(answer.data).get("duplicate"):
            sent.identity += AGAIN  # what has the name may have been pushed out since
            sent.due = asyncio.get_running_loop().time() + PUBACK_SECONDS
            await self._send(token, sent)
            return
        if refused is None or left_out:
            del self._sent[token]
            self._refused.discard(token)
            self._sent_bytes -= len(sent.payload)
            if newest:
                del self._staying[sent.subject]
            self._space.set()
            then = sent.full if left_out else sent.stored
            if then is not None:
                await then()
            return
        if refused.advice and sent.attempts % TOLD_EVERY == 0:
            logger.warning("%s", refused.advice, extra={"subject": sent.subject})
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
        while wanted():
            with suppress(TimeoutError):
                async with asyncio.timeout(PUBACK_SECONDS / 4):
                    await self._hurry.wait()
            self._hurry.clear()
            if not self._client.is_connected:
                continue
            now = loop.time()
            for token, sent in [item for item in self._sent.items() if item[1].due < now]:
                sent.due = now + PUBACK_SECONDS
                sent.silences += 1
                if sent.silences == SILENCES:
                    logger.warning(SILENT, extra={"subject": sent.subject})
                await self._send(token, sent)

    def forget(self) -> None:
        """The connection was lost and with it what was not answered: it is sent again at once."""
        for sent in self._sent.values():
            sent.due = 0.0
        self._hurry.set()

    async def flush(self) -> None:
        """Wait until everything sent is stored."""
        while self._sent:
            self._space.clear()
            await self._space.wait()
        await self._client.flush()
