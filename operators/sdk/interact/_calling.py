"""Calling a kernel where it belongs: inline, in a thread, or awaited."""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from functools import partial

from interact import _codec
from interact._batches import WHOLE_KINDS, Batch
from interact._chunks import Unread
from interact._errors import BatchError, TimedOut
from interact._kernel import Done, Kernel, Outputs
from interact._operator import Operator
from interact._streamed import Streamed, reading, streamed
from interact._watchdog import Watchdog


class Caller:
    """One operator's way of calling its kernel.

    Args:
        operator: What is called.
        kernel: It, with its parameters.
        seconds: How long one call may take.
        watchdog: Ends the process where a call takes longer and cannot be stopped.
    """

    def __init__(
        self, operator: Operator, kernel: Kernel, seconds: float, watchdog: Watchdog | None = None
    ) -> None:
        self._operator = operator
        self._kernel = kernel
        self._seconds = seconds
        self._watchdog = watchdog
        self._awaits = inspect.iscoroutinefunction(operator.function)
        self.inline = not (self._awaits or operator.thread)
        """Whether `now` will do."""
        if watchdog is not None:
            kernel.before_again = watchdog.begin
        self.nothing: Outputs = dict.fromkeys(port.name for port in operator.outputs)
        """What is sent of a message of which no frame is left."""

    def begin(self) -> None:
        """Other work of the author's begins, which may take as long as a kernel.

        It is done without a wait; one that follows, for room in a stream, may take any time.
        """
        if self._watchdog is not None:
            self._watchdog.begin()
            self._watchdog.end()

    async def call(self, given: Mapping[str, Batch], *, last: bool = False) -> Done:
        """Call the kernel with one message; one without frames is not for it.

        Args:
            given: The message, or the halves of a join, by input port.
            last: Whether there is no other try.

        Raises:
            TransientError: If the kernel asks for another try, or an asynchronous one did not end in
                time, and this is not the last.
        """
        if empty(given):
            return Done(dict(self.nothing))
        watchdog = self._watchdog
        if watchdog is None:
            return await self._called(given, last)
        watchdog.begin(alone=self._awaits)
        try:
            return await self._called(given, last)
        finally:
            watchdog.end()

    def now(self, given: Mapping[str, Batch]) -> Done:
        """Call an inline kernel with one message, at its first try.

        Raises:
            TransientError: If the kernel asks for another try.
        """
        for part in given.values():
            if len(part) or part.kind in WHOLE_KINDS:
                break
        else:
            return Done(dict(self.nothing))
        watchdog = self._watchdog
        if watchdog is None:
            return self._kernel.process(given)
        watchdog.begin()
        try:
            return self._kernel.process(given)
        finally:
            watchdog.end()

    async def _called(self, given: Mapping[str, Batch], last: bool) -> Done:
        if self._awaits:
            return await self._awaited(given, last)
        if self._operator.thread:
            return await asyncio.to_thread(self._kernel.process, given, last=last)
        return self._kernel.process(given, last=last)

    async def _awaited(self, given: Mapping[str, Batch], last: bool) -> Done:
        """Call an asynchronous kernel; frames it fails on are found as others' are."""
        try:
            return Done(await self.once(given))
        except Unread:
            raise
        except Exception as error:  # whatever a kernel raises concerns its frames
            search = self._kernel.search(given, error, last=last)
        step: Callable[[], Mapping[str, Batch]] = partial(next, search)
        try:
            while True:
                part = step()
                self._kernel.before_again()
                try:
                    step = partial(search.send, await self.once(part))
                except Unread:
                    raise
                except Exception as error:
                    step = partial(search.throw, error)
        except StopIteration as found:
            done: Done = found.value
            return done

    async def once(self, given: Mapping[str, Batch]) -> Outputs:
        """Call an asynchronous kernel once.

        Raises:
            TimedOut: If it does not end in time.
            Unread: If what it reads in pieces is not there.
            Exception: What it raises.
        """
        if not self._operator.streamed:
            return await self._once(given)
        async with reading(given):
            return await self._once(given)

    async def _once(self, given: Mapping[str, Batch]) -> Outputs:
        kernel, operator = self._kernel, self._operator
        ports = [given.get(p.name, kernel.side.get(p.name)) for p in operator.inputs]
        limit = asyncio.timeout(self._seconds)
        try:
            async with limit:
                returned = await operator.function(*ports, *kernel.resources, **kernel.parameters)
        except TimeoutError as error:
            if limit.expired():
                raise TimedOut(self._seconds) from error
            raise
        if isinstance(returned, Streamed):
            raise BatchError(
                f"operator {operator.name} returned its streamed input; return what is made of it, "
                "for example frames.values(…), or None"
            )
        return kernel.outputs(returned, given)


def empty(given: Mapping[str, Batch]) -> bool:
    """Whether a message has nothing for a kernel: its coverage only."""
    for part in given.values():  # noqa: SIM110  # a generator costs as much as a kernel's call
        if len(part) or part.kind in WHOLE_KINDS:
            return False
    return True


def tried(operator: Operator, kernel: Kernel, batch: Batch, seconds: float) -> Outputs:
    """What a kernel makes of one message alone, without a pipeline.

    Args:
        operator: Whose kernel it is.
        kernel: It, with its parameters.
        batch: The message, for the input that is no side input.
        seconds: How long an asynchronous one may take.

    Raises:
        Exception: What it raises.
    """
    port = next((one.name for one in operator.inputs if one.join == "none"), "in")
    if not inspect.iscoroutinefunction(operator.function):
        return kernel.call({port: batch})
    if port in operator.streamed:
        batch = streamed(_codec.encode(batch, identity=bytes(16)))
    return asyncio.run(Caller(operator, kernel, seconds).once({port: batch}))
