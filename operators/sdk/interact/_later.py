"""Messages a kernel has asked to be given again later, while others go on."""

import heapq
import time
from typing import Generic, TypeVar

FIRST_SECONDS = 0.2
LONGEST_SECONDS = 10.0
MOST = 64
"""Messages that may wait; then nothing new is begun."""

Task = TypeVar("Task")


def pause(tries: int) -> float:
    """Seconds to wait after so many tries."""
    return float(min(FIRST_SECONDS * 2 ** (tries - 1), LONGEST_SECONDS))


class Later(Generic[Task]):
    """Tasks by when they are due."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, int, Task]] = []
        self._number = 0

    def add(self, task: Task, tries: int) -> None:
        """Wait after so many tries."""
        self._number += 1
        entry = (time.monotonic() + pause(tries), self._number, tries, task)
        heapq.heappush(self._waiting, entry)

    def due(self) -> tuple[Task, int] | None:
        """A task whose time has come, and how often it was tried."""
        if not self._waiting or self._waiting[0][0] > time.monotonic():
            return None
        _, _, tries, task = heapq.heappop(self._waiting)
        return task, tries

    @property
    def seconds(self) -> float | None:
        """Until the next is due; None if none waits."""
        return max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else None

    def clear(self) -> None:
        """Forget all of them."""
        self._waiting.clear()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)
