"""The runner's ear: changes of a pipeline's specification, asked for by other commands of this machine.

Writes are checked and numbered as they come; a task of its own carries the newest state into the
bucket that the operators follow, so that any number of writes costs as few as the server can take. A
write is answered when its values, or newer ones of the same parameters, are there.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from interact_api import names
from interact_api.board import Board

from interact import _live_values
from interact._errors import BrokerError, InteractError
from interact._jetstream import JetStream
from interact._jetstream._talking import Reply, Talk
from interact._tasks import wanted
from interact.cli.specification import Specification, Write

logger = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
LOOK_SECONDS = 0.05
LONGEST_SECONDS = 3600.0

Answer = dict[str, Any]
Action = Callable[[Mapping[str, Any]], Awaitable[Answer]]


class NotSo(InteractError):  # noqa: N818  # an answer, not an accident
    """What was asked for cannot be done; says why."""


@dataclass
class Control:
    """The changes of one pipeline.

    Attributes:
        specification: What is changed.
        namespace: Of the pipeline.
        bucket: The state bucket.
        broker: The connection.
        board: What the operators tell.
        actions: Other words that can be asked for, and what they do.
    """

    specification: Specification
    namespace: str
    bucket: str
    broker: JetStream
    board: Board
    actions: Mapping[str, Action] = field(default_factory=dict[str, Action])

    def __post_init__(self) -> None:
        self._name = self.specification.pipeline.metadata.name
        self._waiting: list[tuple[Write, Mapping[str, Any], Reply]] = []
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Answer while the block lasts."""
        subject = names.control_subject(self.namespace, self._name)
        carrying = asyncio.create_task(self._carry(), name="carry parameters")
        self._tasks.add(carrying)
        try:
            async with Talk(self.broker).answering(subject, self._heard):
                yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
            for _, _, reply in self._waiting:
                await reply(_packed({"state": "unknown", "words": ["the run has ended"]}))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _heard(self, payload: bytes, reply: Reply) -> None:
        try:
            asked = json.loads(payload)
            word = str(asked["word"])
        except (ValueError, TypeError, KeyError):
            await reply(_packed({"state": "refused", "words": ["this is no request"]}))
            return
        if word == "set":
            await self._set(asked, reply)
        elif word in self.actions:
            self._spawn(self._act(self.actions[word], asked, reply))
        else:
            known = ", ".join(sorted({"set", *self.actions}))
            words = f"a run on this machine does not know {word!r}; it knows {known}"
            await reply(_packed({"state": "refused", "words": [words]}))

    async def _act(self, action: Action, asked: Mapping[str, Any], reply: Reply) -> None:
        try:
            answer = await action(asked)
        except NotSo as error:
            answer = {"state": "refused", "words": [str(error)]}
        await reply(_packed(answer))

    # -- parameters -------------------------------------------------------------------------------

    async def _set(self, asked: Mapping[str, Any], reply: Reply) -> None:
        try:
            values = {str(name): dict(own) for name, own in asked["values"].items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            await reply(_packed({"state": "refused", "words": ["it names no values"]}))
            return
        write = self.specification.change(
            values, by=str(asked.get("by", ""))[:256], at=datetime.now(UTC).isoformat("T", "seconds"),
            folder=str(asked.get("folder", "")),
        )  # fmt: skip
        if write.refusals:
            await reply(_packed(_answer("refused", write)))
            return
        self._waiting.append((write, asked, reply))
        self._news.set()

    async def _carry(self) -> None:
        """Write the newest state whenever it is another, and answer those it holds."""
        written = b""
        while wanted():
            await self._news.wait()
            self._news.clear()
            waiting, self._waiting = self._waiting, []
            document = self.specification.document
            overtaken = {one.number: self.specification.overtaken(one) for one, _, _ in waiting}
            while document != written and wanted():
                try:
                    await self.broker.put(self.bucket, _live_values.KEY, document)
                    written = document
                except BrokerError as error:
                    logger.warning("parameters wait: %s", error)
                    await asyncio.sleep(RETRY_SECONDS)
            for write, asked, reply in waiting:
                if overtaken[write.number]:
                    answer = _answer("superseded", write, overtaken=overtaken[write.number])
                    await reply(_packed(answer))
                elif asked.get("wait") and write.changes:
                    self._spawn(self._until_in_effect(write, asked, reply))
                else:
                    await reply(_packed(_answer("applied", write)))

    async def _until_in_effect(self, write: Write, asked: Mapping[str, Any], reply: Reply) -> None:
        """Answer when every replica works with a change, or will not."""
        until = time.monotonic() + min(float(asked.get("seconds", 60.0)), LONGEST_SECONDS)
        answer = _answer("applied", write, in_effect=False)
        while time.monotonic() < until:
            await asyncio.sleep(LOOK_SECONDS)  # many causes, one look
            overtaken = self.specification.overtaken(write)
            if overtaken:
                answer = _answer("superseded", write, overtaken=overtaken)
                break
            refused = self._refused(write)
            if refused:
                answer = _answer("refused", write, words=refused)
                break
            if self._in_effect(write):
                answer = _answer("applied", write, in_effect=True)
                break
        await reply(_packed(answer))

    def _in_effect(self, write: Write) -> bool:
        return all(
            replica.report is not None and replica.report.revision >= write.revision
            for operator in {one.operator for one in write.changes}
            for replica in self.board.operators[self._name, operator].replicas.values()
        )

    def _refused(self, write: Write) -> list[str]:
        """What operators refuse of a change, once they have seen it."""
        return sorted(
            {
                f"{one.operator}: {replica.report.refused[one.parameter]}"
                for one in write.changes
                for replica in self.board.operators[self._name, one.operator].replicas.values()
                if replica.report is not None
                and replica.report.revision >= write.revision
                and one.parameter in replica.report.refused
            }
        )


def _answer(state: str, write: Write, **more: Any) -> Answer:
    """The answer to a write."""
    answer: Answer = {"state": state, "revision": write.revision}
    answer["changes"] = [asdict(one) for one in write.changes]
    if write.refusals:
        answer["problems"] = [asdict(one) for one in write.refusals]
        answer["words"] = [one.message for one in write.refusals]
    return {**answer, **more}


def _packed(answer: Answer) -> bytes:
    return json.dumps(answer).encode()
