"""A queue of keys: one look at a time for each, bursts collapse, failures wait longer each time."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

from interact_controller import metrics
from interact_controller.errors import ControllerError
from interact_controller.seen import Key

logger = logging.getLogger(__name__)

WORKERS: Final = 8
FIRST_SECONDS: Final = 0.25
LONGEST_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 120.0
"""Longest one look may take: a hung one must not keep its worker."""
STOP_SECONDS: Final = 5.0

Look = Callable[[Key], Awaitable[float | None]]
"""Looks at one object; gives the seconds after which to look again, or None."""


class Queue:
    """Keys that are to be looked at.

    Args:
        look: Called for each key, never twice at once for the same one.
        beat: Called after each look.
        jitter: A factor around one by which pauses after failures differ.
        depth: Called with how many keys wait to be looked at.
    """

    def __init__(
        self,
        look: Look,
        beat: Callable[[], None] = lambda: None,
        jitter: Callable[[], float] = lambda: random.uniform(0.8, 1.2),  # noqa: S311
        depth: Callable[[int], None] = metrics.queue_depth,
    ) -> None:
        self._look = look
        self._beat = beat
        self._jitter = jitter
        self._depth = depth
        self._ready: asyncio.Queue[Key | None] = asyncio.Queue()
        self._waiting: set[Key] = set()
        self._active: set[Key] = set()
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        self._workers = 0
        self._stopping = False

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting to be looked at now, nor being looked at."""
        return not self._waiting and not self._active

    def wake(self, key: Key) -> None:
        """Look at a key as soon as may be."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if self._stopping:
            return
        if key in self._active:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)
            self._depth(len(self._waiting))

    def wake_after(self, key: Key, seconds: float) -> None:
        """Look at a key in some seconds, or before if something else says so."""
        if self._stopping or key in self._waiting:
            return
        loop = asyncio.get_running_loop()
        at = loop.time() + seconds
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= at:
            return
        if timer is not None:
            timer.cancel()
        self._timers[key] = loop.call_at(at, self.wake, key)

    async def run(self, workers: int = WORKERS) -> None:
        """Look at what is woken, until `stop`."""
        self._workers = workers
        async with asyncio.TaskGroup() as group:
            for number in range(workers):
                group.create_task(self._work(), name=f"worker {number}")

    def stop(self) -> None:
        """Finish the looks that go on, and begin no others."""
        self._stopping = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._again.clear()
        while not self._ready.empty():
            self._ready.get_nowait()
        self._waiting.clear()
        for _ in range(self._workers):
            self._ready.put_nowait(None)

    async def _work(self) -> None:
        while (key := await self._ready.get()) is not None:
            self._waiting.discard(key)
            self._active.add(key)
            self._depth(len(self._waiting))
            try:
                wait = await self._once(key)
            finally:
                self._active.discard(key)
            self._beat()
            if key in self._again:
                self._again.discard(key)
                self.wake(key)
            elif wait is not None:
                self.wake_after(key, wait)

    async def _once(self, key: Key) -> float | None:
        """One look; the seconds until the next, after a failure longer each time."""
        began = time.monotonic()
        result = "failed"
        facts = {"kind": str(key.kind), "namespace": key.namespace, "object": key.name}
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                wait = await self._look(key)
            self._failures.pop(key, None)
            result = "ok" if wait is None else "waiting"
        except (ControllerError, TimeoutError) as error:
            pause = self._pause(key)
            said = str(error) or "it took too long"
            logger.warning("look failed", extra={**facts, "error": said, "again_in": pause})
            return pause
        except Exception:  # a mistake of ours with one object must not stop the others
            pause = self._pause(key)
            logger.exception("look broke", extra={**facts, "again_in": pause})
            return pause
        else:
            return wait
        finally:
            seconds = time.monotonic() - began
            metrics.reconciled(str(key.kind), result, seconds)
            logger.info("looked", extra={**facts, "result": result, "seconds": round(seconds, 4)})

    def _pause(self, key: Key) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        seconds: float = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(failures - 1, 16))
        return round(seconds * self._jitter(), 3)
