"""Runs of messages: asked for in order, and waited for until they have ended."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from interact_api import names
from interact_api.border import decode, encode
from interact_api.config import OperatorConfig
from interact_api.external_asks import Outcome, RunAsk, RunTold, order

from interact._errors import BrokerError
from interact._jetstream._objects import Objects
from interact._jetstream._talking import Reply, Talk
from interact._tally import Tally
from interact._tasks import wanted

ASK_SECONDS: Final = 15.0
"""Longest wait for an answer: the API server gets ten seconds for the run."""
FIRST_SECONDS: Final = 0.2
LONGEST_SECONDS: Final = 10.0
"""Between two questions about the same run; its end is told at once as well."""

Ask = Callable[[bytes], Awaitable[bytes]]
"""Asks the controller; raises `BrokerError`."""
Place = tuple[str, str]


class Runs:
    """The runs of one operator's messages.

    Args:
        ask: Asks the controller.
        tally: Is told what is waited for.
    """

    def __init__(self, ask: Ask, tally: Tally) -> None:
        self._ask = ask
        self._tally = tally
        self._line: set[Place] = set()
        self._moved = asyncio.Event()
        self._asking = False
        self._news: dict[str, asyncio.Event] = {}
        self._silent = False

    async def ended(self, question: RunAsk) -> RunTold:
        """How the run of a message has ended, or why there will be none.

        Runs are asked for in the order of scans and indices, one after the other.
        """
        place = (order(question.scan, question.index), question.message)
        self._line.add(place)
        try:
            told = await self._made(question, place)
        finally:
            self._line.remove(place)
            self._moved.set()
        return told if told.outcome is not Outcome.GOES_ON else await self._over(question, told)

    async def stored(self, objects: Objects, name: str, data: bytes) -> None:
        """Store what a run reads, however long that takes."""
        pause = FIRST_SECONDS
        while wanted():
            try:
                await objects.put(name, data)
            except BrokerError as error:
                self._say(f"a message waits for room: {error}")
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_SECONDS)
            else:
                return

    async def cancel(self, question: RunAsk) -> None:
        """Nobody waits for a message's run any more; what is asked in vain is left to its end."""
        with suppress(BrokerError, ValueError):
            await self._ask(encode(question.model_copy(update={"cancel": True})))

    def heard(self, name: str) -> None:
        """A run has ended."""
        if name in self._news:
            self._news[name].set()

    async def _made(self, question: RunAsk, place: Place) -> RunTold:
        """Ask in turn until there is a run, or will never be one."""
        pause = FIRST_SECONDS
        while wanted():
            while self._asking or min(self._line) != place:
                self._moved.clear()
                await self._moved.wait()
            self._asking = True
            try:
                told = await self._told(question)
            finally:
                self._asking = False
                self._moved.set()
            if told.outcome is not Outcome.LATER:
                return told
            await asyncio.sleep(pause)  # who comes before may go first meanwhile
            pause = min(2 * pause, LONGEST_SECONDS)
        raise asyncio.CancelledError

    async def _over(self, question: RunAsk, told: RunTold) -> RunTold:
        """Ask again and again until a run has ended; it is made anew if somebody deletes it."""
        pause, name = FIRST_SECONDS, told.name
        news = self._news[name] = asyncio.Event()
        try:
            while wanted():
                await _rung(news, pause)
                news.clear()
                pause = min(2 * pause, LONGEST_SECONDS)
                told = await self._told(question)
                if told.outcome not in {Outcome.LATER, Outcome.GOES_ON}:
                    return told
        finally:
            self._news.pop(name, None)
        raise asyncio.CancelledError

    async def _told(self, question: RunAsk) -> RunTold:
        try:
            told = decode(RunTold, await self._ask(encode(question)))
        except (BrokerError, ValueError) as error:
            self._say(f"waits for the controller, which makes its runs: {error}")
            return RunTold(outcome=Outcome.LATER)
        if told.outcome is Outcome.LATER:
            self._say(f"a message waits for its run: {told.message}")
        else:
            self._silent = False
        return told

    def _say(self, words: str) -> None:
        """Once until something goes on."""
        if not self._silent:
            self._tally.warn(words)
        self._silent = True


async def _rung(news: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await news.wait()


@asynccontextmanager
async def runs(config: OperatorConfig, talk: Talk, tally: Tally) -> AsyncIterator[Runs]:
    """The runs of an operator's messages while the block lasts; news of their ends are heard."""
    place = config.namespace, config.pipeline, config.operator
    subject = names.runs_subject(*place)

    async def ask(payload: bytes) -> bytes:
        return await talk.ask(subject, payload, ASK_SECONDS)

    made = Runs(ask, tally)

    async def heard(payload: bytes, reply: Reply) -> None:
        del reply
        made.heard(payload.decode(errors="replace"))

    async with talk.answering(names.run_news_subject(*place), heard):
        yield made
