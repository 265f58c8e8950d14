"""Tries of messages that are given again: each is written down before it begins."""

import asyncio
import logging

import msgspec
from interact_api.config import OperatorConfig

from interact._errors import BrokerError
from interact._ports import Broker, Delivery
from interact._tally import Tally
from interact._tasks import wanted
from interact._watchdog import LastWords, Past

logger = logging.getLogger(__name__)

KEY = "attempts"
WHOLE, REST = -1, -2
"""Places that are no frame: all of a message, and all but the frames given up."""
MOST_TRACE = 2000
RETRY_SECONDS = 0.5
MOST_OVER = 256
"""Messages with frames given up that are remembered, should they be given once more."""


class Given(msgspec.Struct, frozen=True):
    """A frame that is not tried any more."""

    place: int
    kind: str
    tries: int
    trace: str = ""


class Record(msgspec.Struct, frozen=True):
    """A try that has begun; the record goes when it ends.

    Attributes:
        place: Number of the frame that is tried alone, or `WHOLE` or `REST`.
        tries: How often that was begun, this time included; a try of the whole message counts.
        kind: How the last try ended: crash, or timeout where a watchdog has said so.
        trace: Where it was.
        given_up: Frames that ended the process too often.
    """

    place: int = WHOLE
    tries: int = 1
    kind: str = "crash"
    trace: str = ""
    given_up: tuple[Given, ...] = ()

    @property
    def words(self) -> str:
        """What happened, for people."""
        if self.kind == "timeout":
            return "did not end within its time (kernelTimeout)"
        return "ended its process: it crashed, or was killed (memory?)"


def key_of(durable: str, delivery: Delivery) -> str:
    """The key of a message's record."""
    return f"{KEY}.{durable}.{delivery.sequence}"


class Attempts:
    """The records of one replica."""

    def __init__(
        self,
        config: OperatorConfig,
        broker: Broker,
        tally: Tally,
        words: LastWords | None = None,
    ) -> None:
        self._seconds = config.kernel_timeout_seconds
        self._bucket = config.state_bucket
        self._broker = broker
        self._tally = tally
        self._words = words
        self._over: dict[str, Record] = {}

    async def restore(self) -> None:
        """Say how the last life ended, and put it into the record of the try it was at."""
        past = self._words.past() if self._words is not None else Past()
        if past.timed_out:
            words = f"kernel did not end within {self._seconds:g} s (kernelTimeout)"
            self._tally.fail(words, frames=0)
        if past.trace:
            logger.error("the process before was at:\n%s", past.trace)
        if not past.key:
            return
        record = await self.left(past.key)
        if record is not None:
            kind = "timeout" if past.timed_out else "crash"
            changed = msgspec.structs.replace(record, kind=kind, trace=past.trace[:MOST_TRACE])
            await self._put(past.key, changed)
        if past.answer_to:  # nobody else waits for the time to run out
            await self._broker.tell(past.answer_to, b"-NAK")

    async def left(self, key: str) -> Record | None:
        """The record of a try that has begun and not ended; waits until NATS can tell.

        A message may be given twice at once: asked for again, and again because its time ran out.
        The second time, frames that were given up a moment ago are not to end the process once more.
        """
        while True:
            try:
                stored = await self._broker.get(self._bucket, key)
            except BrokerError as error:
                if not wanted():
                    raise
                logger.warning("%s", error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            return msgspec.json.decode(stored, type=Record) if stored else self._over.get(key)

    async def begin(self, key: str, record: Record, delivery: Delivery) -> None:
        """A try begins: from now on it counts."""
        if self._words is not None:
            place = f"frame {record.place}" if record.place >= 0 else "a message"
            words = (
                f"the kernel was at {place} of {key.removeprefix(KEY)[1:]}, try {record.tries}, and did "
                f"not end: it crashed, was killed (memory?), or took more than {self._seconds:g} s "
                "(kernelTimeout)"
            )
            self._words.begin(key, delivery.answer_to, words)
        await self._put(key, record)

    async def end(self, key: str, record: Record | None = None) -> None:
        """The try has ended, well or with an error; ``record`` is what was known of its frames."""
        if record is not None and record.given_up:
            self._over[key] = Record(tries=0, given_up=record.given_up)
            if len(self._over) > MOST_OVER:
                del self._over[next(iter(self._over))]
        if self._words is not None:
            self._words.clear()
        await self._broker.forget(self._bucket, key)

    async def _put(self, key: str, record: Record) -> None:
        try:
            await self._broker.put(self._bucket, key, msgspec.json.encode(record))
        except BrokerError as error:
            self._tally.warn(f"a try is not counted: {error}")
