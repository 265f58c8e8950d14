"""Triggers of one replica: heard at any time, executed between two messages, answered afterwards.

What makes a call run at most once is a record in the state bucket, made before the function is
called: who comes second finds it and answers what it says, or, where the first did not end, that
nobody knows. A trigger that reaches one replica has one record, one that reaches all has one each.
"""

import asyncio
import dataclasses
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Protocol

import msgspec
from interact_api import calls, names
from interact_api import parameters as api
from interact_api.calls import Answer, ArgumentsError, Call, Outcome
from interact_api.config import OperatorConfig
from interact_api.parameters import Value

from interact._errors import BrokerError
from interact._operator import Operator, Trigger
from interact._tally import Tally
from interact._tasks import wanted
from interact._trigger_calls import Calling

logger = logging.getLogger(__name__)

MAX_WAITING = 256
"""Calls that wait for their turn; more are refused."""
MAX_RECORDS = 256
"""Records of former calls that a replica leaves in the bucket."""
MAX_KEPT_BYTES = 4096
"""Of an answer that is kept for who asks again; of a larger one it is kept that there was one."""

_SHARED_PARTS = 4
"""Of the key of a record for one replica: trigger, operator, name, id."""

Reply = Callable[[bytes], Awaitable[None]]


class Exchange(Protocol):
    """Questions, and records of them."""

    def answering(
        self, subject: str, heard: Callable[[bytes, Reply], Awaitable[None]], *, group: str = ""
    ) -> AbstractAsyncContextManager[None]:
        """Take questions while the block lasts; those of a group go to one of its members each."""
        ...

    async def create(self, bucket: str, key: str, value: bytes) -> bool:
        """Set a key that was never set; whether it was not."""
        ...

    async def erase(self, bucket: str, key: str) -> None:
        """Remove a key without a trace."""

    async def keys(self, bucket: str, prefix: str) -> list[str]:
        """The keys below a prefix."""
        ...


class Store(Protocol):
    """The state bucket."""

    async def get(self, bucket: str, key: str) -> bytes | None:
        """A key's last value."""

    async def put(self, bucket: str, key: str, value: bytes) -> None:
        """Set a key, durably."""


@dataclasses.dataclass(eq=False)
class _Asked:
    """A call that waits, or is executed, and who waits for its answer."""

    trigger: Trigger
    call: Call
    values: dict[str, Value | None]
    replies: list[Reply]
    since: float


class Triggers:
    """The triggers of one replica.

    Attributes:
        arrived: Set when a call has come.
        wake: Called when a call has come.
        calling: What calls the functions.
    """

    def __init__(
        self, operator: Operator, config: OperatorConfig, tally: Tally, replica: int,
        exchange: Exchange, store: Store, calling: Calling,
    ) -> None:  # fmt: skip
        self._operator = operator
        self._config = config
        self._tally = tally
        self._replica = replica
        self._exchange = exchange
        self._store = store
        self.calling = calling
        self._declared = {
            one.name: [api.Parameter.model_validate(p.spec()) for p in one.parameters]
            for one in operator.triggers
        }
        self._waiting: deque[_Asked] = deque()
        self._known: dict[str, _Asked] = {}
        self._records: deque[str] = deque()
        self._late: set[asyncio.Task[None]] = set()
        self.arrived = asyncio.Event()
        self.wake: Callable[[], object] = self.arrived.set

    @property
    def unready(self) -> str:
        """Why none can be executed now; empty if they can."""
        state = self._tally.state
        ready = state in {"running", "done"}
        return self._tally.breaker if ready else f"the replica is {state}"

    @property
    def waiting(self) -> bool:
        """Whether a call waits for its turn."""
        return bool(self._waiting)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Take calls while the block lasts; those that were not begun are told so at its end."""
        if not self._operator.triggers:
            yield
            return
        config = self._config
        known = await self._exchange.keys(config.state_bucket, f"trigger.{config.operator}")
        self._records.extend(key for key in known if self._mine(key))
        async with AsyncExitStack() as stack:
            for one in self._operator.triggers:
                subject = names.trigger_subject(
                    config.namespace, config.pipeline, config.operator, one.name
                )
                group = "one" if one.audience == "one" else ""
                heard = partial(self._heard, one)
                await stack.enter_async_context(
                    self._exchange.answering(subject, heard, group=group)
                )
            try:
                yield
            finally:
                while self._waiting:
                    asked = self._waiting.popleft()
                    await self._refuse(asked, "the replica ends; it was not executed")

    @asynccontextmanager
    async def served(self, *, apart: bool) -> AsyncIterator[None]:
        """Where nobody calls `run` between two messages, do so while the block lasts.

        A source is never in the middle of one when the event loop turns.
        """
        serving = asyncio.ensure_future(self._serve()) if apart else None
        try:
            yield
        finally:
            if serving is not None:
                serving.cancel()
                await asyncio.wait({serving})

    async def _serve(self) -> None:
        while wanted():
            await self.arrived.wait()
            await self.run()

    # -- hearing ----------------------------------------------------------------------------------

    async def _heard(self, trigger: Trigger, payload: bytes, reply: Reply) -> None:
        try:
            call = calls.call(payload)
        except (ValueError, msgspec.MsgspecError) as error:
            await self._tell([reply], self._answer("", Outcome.REFUSED, error=str(error)))
            return
        known = self._known.get(call.id)
        if known is not None:
            known.replies.append(reply)
            return
        asked = _Asked(trigger, call, {}, [reply], time.monotonic())
        try:
            asked.values = calls.arguments(self._declared[trigger.name], call.arguments)
        except ArgumentsError as error:
            await self._tell(
                [reply], self._answer(call.id, Outcome.REFUSED, problems=error.problems)
            )
            return
        reason = self.unready
        if reason:
            await self._tell([reply], self._answer(call.id, Outcome.NOT_RUNNING, error=reason))
        elif len(self._waiting) >= MAX_WAITING:
            await self._refuse(asked, f"{MAX_WAITING} calls wait already; try again later")
        else:
            self._enqueue(asked)

    def _enqueue(self, asked: _Asked) -> None:
        self._known[asked.call.id] = asked
        self._waiting.append(asked)
        asyncio.get_running_loop().call_later(asked.call.seconds, self._expire, asked)
        self.arrived.set()
        self.wake()

    def _expire(self, asked: _Asked) -> None:
        """Nobody waits any more for a call that has not begun: it never will."""
        if asked in self._waiting:
            self._waiting.remove(asked)
            words = f"it was not begun within {asked.call.seconds:g} s; it was not executed"
            task = asyncio.ensure_future(self._refuse(asked, words))
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    async def _refuse(self, asked: _Asked, words: str) -> None:
        self._known.pop(asked.call.id, None)
        answer = self._answer(asked.call.id, Outcome.NOT_RUNNING, error=words)
        await self._tell(asked.replies, answer)

    # -- executing --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Execute what has come; call it between two messages."""
        self.arrived.clear()
        while self._waiting and wanted():
            asked = self._waiting.popleft()
            try:
                answer = await self._run(asked)
            finally:
                self._known.pop(asked.call.id, None)
            await self._tell(asked.replies, answer)

    async def _run(self, asked: _Asked) -> Answer:
        call, key = asked.call, self._key(asked)
        reason = self.unready
        if reason:
            return self._answer(call.id, Outcome.NOT_RUNNING, error=reason)
        record = json.dumps({"by": call.by[:256], "replica": self._replica}).encode()
        try:
            if not await self._exchange.create(self._config.state_bucket, key, record):
                return await self._before(call, key)
        except BrokerError as error:
            words = f"it cannot be written down, so it was not executed: {error}"
            return self._answer(call.id, Outcome.NOT_RUNNING, error=words)
        self._records.append(key)
        since = time.monotonic()
        left = max(asked.since + call.seconds - since, 0.0)
        done = await self.calling.call(asked.trigger, asked.values, call.id, left)
        answer = self._answer(
            call.id, done.outcome, result=done.result, error=done.error, published=done.published,
            calls=done.calls, seconds=round(time.monotonic() - since, 6),
        )  # fmt: skip
        await self._keep(key, answer)
        return answer

    def _key(self, asked: _Asked) -> str:
        key = f"trigger.{self._config.operator}.{asked.trigger.name}.{asked.call.id}"
        return key if asked.trigger.audience == "one" else f"{key}.{self._replica}"

    def _mine(self, key: str) -> bool:
        """Whether a record of a former life is this replica's to remove: its own, or a shared one."""
        parts = key.split(".")
        return len(parts) == _SHARED_PARTS or parts[-1] == str(self._replica)

    async def _before(self, call: Call, key: str) -> Answer:
        """The answer to a call with an id that was there before."""
        stored = await self._store.get(self._config.state_bucket, key)
        try:
            answer = calls.answer(stored or b"")
        except (ValueError, msgspec.MsgspecError):
            words = "a call with this id was begun before; whether it ended is not known"
            return self._answer(call.id, Outcome.UNKNOWN, error=words)
        return msgspec.structs.replace(answer, repeated=True)

    async def _keep(self, key: str, answer: Answer) -> None:
        """Keep an answer for who asks again, and few of them."""
        packed = calls.encode(answer)
        if len(packed) > MAX_KEPT_BYTES:
            words = f"the result of {len(packed)} bytes was not kept"
            packed = calls.encode(msgspec.structs.replace(answer, result=None, error=words))
        bucket = self._config.state_bucket
        try:
            await self._store.put(bucket, key, packed)
        except BrokerError as error:
            self._tally.warn(f"the answer of a trigger was not kept: {error}")
        while len(self._records) > MAX_RECORDS:
            await self._exchange.erase(bucket, self._records.popleft())

    # -- answering --------------------------------------------------------------------------------

    def _answer(self, call_id: str, outcome: Outcome, **facts: object) -> Answer:
        return Answer(call_id, self._replica, outcome, **facts)  # type: ignore[arg-type]  # fields of Answer

    async def _tell(self, replies: list[Reply], answer: Answer) -> None:
        if not answer.repeated:
            self._tally.triggered(answer.outcome)
        packed = calls.encode(answer)
        for reply in replies:
            await reply(packed)
