"""Calling a trigger's function: once or until nothing more comes, in time, with its pictures sent."""

import asyncio
import contextlib
import dataclasses
import inspect
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import Any

from interact_api.calls import Outcome
from interact_api.config import OperatorConfig
from interact_api.parameters import Value

from interact._batches import Batch, Image
from interact._errors import InteractError
from interact._operator import Operator, Trigger
from interact._outlet import Outlet
from interact._plain import Json, ResultError, plain

MAX_CALLS = 1000
"""Of a drain; one that goes on is ended."""
MOST_WORDS = 2000

Guard = Callable[[], contextlib.AbstractContextManager[None]]


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """What became of one call."""

    outcome: Outcome
    result: Json = None
    error: str = ""
    published: int = 0
    calls: int = 0


class _EndlessError(InteractError):
    """A drain does not come to its end."""


class Calling:
    """One operator's way of calling its triggers.

    Attributes:
        given: The positional arguments a function may declare, of which it gets as many as it does.
        guard: Entered around each call that holds the event loop.
        after: Called when a function has been.
    """

    def __init__(self, operator: Operator, config: OperatorConfig, outlet: Outlet) -> None:
        self._operator = operator
        self._config = config
        self._outlet = outlet
        self.given: Callable[[], tuple[Any, ...]] = tuple
        self.guard: Guard = contextlib.nullcontext
        self.after: Callable[[], Awaitable[None]] = _nothing

    async def call(
        self, trigger: Trigger, values: Mapping[str, Value | None], call_id: str, seconds: float
    ) -> Done:
        """Call a trigger's function; whatever it raises is an answer."""
        native = {one.name: one.native(values.get(one.name)) for one in trigger.parameters}
        told: list[Json] = []
        counts = [0, 0]
        try:
            async with asyncio.timeout(seconds):
                await self._collect(trigger, native, call_id, told, counts)
                await self.after()
        except TimeoutError:
            error = f"it did not end within {seconds:.3g} s"
        except Exception as raised:  # whatever an author's function raises is theirs
            error = f"{type(raised).__name__}: {raised}"[:MOST_WORDS]
        else:
            result: Json = told if trigger.mode == "drain" else next(iter(told), None)
            try:
                return Done(Outcome.DONE, plain(result), "", *counts)
            except ResultError as raised:
                error = str(raised)
        return Done(Outcome.FAILED, None, error, *counts)

    async def _collect(
        self, trigger: Trigger, native: Mapping[str, Any], call_id: str, told: list[Json],
        counts: list[int],
    ) -> None:  # fmt: skip
        """Call until nothing more comes, or once; ``counts`` are pictures sent and calls."""
        positional = self.given()[: trigger.positional]
        step = self._steps(trigger, positional, native)
        while True:
            if counts[1] >= MAX_CALLS:
                raise _EndlessError(f"it goes on after {MAX_CALLS} calls")
            value = await step()
            counts[1] += 1
            if trigger.mode == "drain" and value is None:
                return
            sent = await self._sent(value, f"{call_id}.{counts[1]}")
            counts[0] += sent
            if not sent:
                told.append(plain(value))
            if trigger.mode == "single":
                return
            await asyncio.sleep(0)

    def _steps(
        self, trigger: Trigger, positional: tuple[Any, ...], native: Mapping[str, Any]
    ) -> Callable[[], Awaitable[Any]]:
        """What gives one value after the other; None when a drain is over."""
        function = trigger.function
        if inspect.isgeneratorfunction(function):
            following: Generator[Any, None, None] = function(*positional, **native)

            async def from_generator() -> Any:
                return await self._held(lambda: next(following, None))

            return from_generator
        if inspect.isasyncgenfunction(function):
            coming = function(*positional, **native)

            async def from_async_generator() -> Any:
                return await anext(coming, None)

            return from_async_generator
        if inspect.iscoroutinefunction(function):

            async def awaited() -> Any:
                return await function(*positional, **native)

            return awaited

        async def called() -> Any:
            return await self._held(lambda: function(*positional, **native))

        return called

    async def _held(self, call: Callable[[], Any]) -> Any:
        """Call what does not await: in a thread where the operator's kernel runs in one."""
        if self._operator.thread:
            return await asyncio.to_thread(call)
        with self.guard():
            return call()

    async def _sent(self, value: Any, parent: str) -> int:
        """Publish the pictures among what came; how many there were.

        Raises:
            ResultError: If it holds batches that are none, or for no port.
        """
        by_port = self._by_port(value)
        if by_port is None:
            return 0
        for port, picture in by_port.items():
            if not isinstance(picture, Image):
                raise ResultError(
                    f"a trigger returned {type(picture).__name__}; only an Image can be sent: "
                    "frames come from messages, so that each is counted once"
                )
            bare = picture.replace(start=0, stop=0, tombstones=())
            if self._operator.display:
                await self._outlet.show(
                    bare, source=f"{port}.out", parent=parent.encode(), stored=_nothing
                )
            elif port in self._outlet.ports:
                await self._outlet.send(
                    port, bare, parent=parent.encode(), lane=self._config.operator
                )
        return len(by_port)

    def _by_port(self, value: Any) -> dict[str, Any] | None:
        """A returned batch, or batches by port; None for plain data."""
        ports = (
            (self._config.operator,) if self._operator.display
            else tuple(port.name for port in self._operator.outputs)
        )  # fmt: skip
        if isinstance(value, Batch):
            if len(ports) != 1:
                raise ResultError(
                    f"a trigger returned a picture; name its port: {', '.join(ports) or 'none'}"
                )
            return {ports[0]: value}
        if isinstance(value, dict) and any(isinstance(one, Batch) for one in value.values()):
            strangers = sorted(str(port) for port in value.keys() - set(ports))
            if strangers:
                raise ResultError(f"a trigger returned port {strangers[0]!r}; there is none")
            return {port: one for port, one in value.items() if one is not None}
        return None


async def _nothing() -> None:
    """Nobody waits for it."""
