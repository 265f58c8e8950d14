"""Calling a kernel where it belongs: inline, in a thread, or awaited."""

import asyncio
import inspect
import time
from collections.abc import Mapping

from interact._batches import Batch
from interact._errors import TransientError
from interact._kernel import Done, Kernel, failure
from interact._operator import Operator
from interact._tally import Tally


class Caller:
    """One operator's way of calling its kernel, with what it counts."""

    def __init__(self, operator: Operator, kernel: Kernel, tally: Tally) -> None:
        self._operator = operator
        self._kernel = kernel
        self._tally = tally
        self._awaits = inspect.iscoroutinefunction(operator.function)

    async def call(self, given: Mapping[str, Batch], size: int) -> Done:
        """Call the kernel with one message of ``size`` bytes; one without frames is not for it.

        Raises:
            TransientError: If the kernel asks for another try.
        """
        since = time.perf_counter()
        frames = len(next(iter(given.values())))
        if not frames and not any(part.kind in {"image", "bytes"} for part in given.values()):
            done = Done(dict.fromkeys((port.name for port in self._operator.outputs), None))
        elif self._awaits:
            done = await self._awaited(given)
        elif self._operator.thread:
            done = await asyncio.to_thread(self._kernel.process, given)
        else:
            done = self._kernel.process(given)
        self._tally.received(frames, size, time.perf_counter() - since)
        return done

    async def _awaited(self, given: Mapping[str, Batch]) -> Done:
        """Call an asynchronous kernel; where it raises, all frames of the message have failed."""
        kernel, operator = self._kernel, self._operator
        ports = [given.get(p.name, kernel.side.get(p.name)) for p in operator.inputs]
        try:
            returned = await operator.function(*ports, *kernel.resources, **kernel.parameters)
            return Done(kernel.outputs(returned, given))
        except TransientError:
            raise
        except Exception as error:  # whatever a kernel raises concerns its frames
            nothing = dict.fromkeys((port.name for port in operator.outputs), None)
            return Done(nothing, (failure(given, error),))
