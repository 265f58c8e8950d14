"""How long something has been waited for, and when a person is told."""

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from interact._tally import Tally

STUCK_SECONDS = 10.0
"""Of waiting for one and the same thing, after which a person is told."""

Waits = TypeVar("Waits")


class Patience(Generic[Waits]):
    """Watches what is waited for: something that changes is no reason to worry."""

    def __init__(self, tally: Tally, seconds: float = STUCK_SECONDS) -> None:
        self.seconds = seconds
        self._tally = tally
        self._waits: Waits | None = None
        self._since = 0.0

    def look(self, waits: Waits | None, words: Callable[[Waits, float], str]) -> None:
        """Take what is waited for now; tell in some words if it has been that for too long."""
        now = time.monotonic()
        if waits != self._waits:
            self._waits, self._since = waits, now
        elif waits is not None and now - self._since > self.seconds:
            self._tally.warn(words(waits, self.seconds))
