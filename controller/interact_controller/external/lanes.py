"""One queue for each other system, so that a slow one holds up nobody but its own runs."""

import asyncio
from collections.abc import Callable
from typing import Final

from interact_controller.queue import Look, Queue
from interact_controller.seen import Key

WORKERS: Final = 8
"""Looks at once on one lane."""


class Lanes:
    """Queues of keys that are looked at side by side.

    Args:
        look: Called for each key.
        lane: The lane of a key: the name of its system, or of its driver.
        beat: Called after each look.
        workers: Looks at once on one lane.
    """

    def __init__(
        self,
        look: Look,
        lane: Callable[[Key], str],
        beat: Callable[[], None] = lambda: None,
        workers: int = WORKERS,
    ) -> None:
        self._look = look
        self._lane = lane
        self._beat = beat
        self._workers = workers
        self._lanes: dict[str, Queue] = {}
        self._group: asyncio.TaskGroup | None = None
        self._stopping = asyncio.Event()

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting to be looked at now, nor being looked at."""
        return all(one.idle for one in self._lanes.values())

    def wake(self, key: Key) -> None:
        """Look at a key as soon as may be."""
        self._of(key).wake(key)

    def wake_after(self, key: Key, seconds: float) -> None:
        """Look at a key in some seconds, or before if something else says so."""
        self._of(key).wake_after(key, seconds)

    async def run(self) -> None:
        """Look at what is woken, until `stop`."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for name, lane in self._lanes.items():
                group.create_task(lane.run(self._workers), name=f"lane {name}")
            await self._stopping.wait()
            self._group = None

    def stop(self) -> None:
        """Finish the looks that go on, and begin no others."""
        self._stopping.set()
        for lane in self._lanes.values():
            lane.stop()

    def _of(self, key: Key) -> Queue:
        name = self._lane(key)
        found = self._lanes.get(name)
        if found is None:
            found = self._lanes[name] = Queue(self._look, self._beat, depth=lambda depth: None)
            if self._stopping.is_set():
                found.stop()
            elif self._group is not None:
                self._group.create_task(found.run(self._workers), name=f"lane {name}")
        return found
