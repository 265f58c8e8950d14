"""Stops an operator that fails on everything, before it makes a dead letter of a whole scan."""

import time
from collections.abc import Callable

MESSAGES = 20
FIRST_SECONDS = 30.0
LONGEST_SECONDS = 300.0


class Breaker:
    """Opens after many messages in a row of which every frame failed; then tries one now and then.

    Args:
        messages: How many in a row; 0 for never.
        seconds: Pause before the first probe; each one that fails doubles it, up to ten times.
        now: The time.
    """

    def __init__(
        self,
        messages: int = MESSAGES,
        seconds: float = FIRST_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = messages
        self._first = self._pause = seconds
        self._now = now
        self._again = 0.0
        self.in_a_row = 0
        self.open = False
        self.reason = ""

    def failed(self, error: str) -> None:
        """A message of which every frame failed."""
        self.in_a_row += 1
        if not 0 < self._most <= self.in_a_row:
            return
        self.open = True
        self._again = self._now() + self._pause
        self.reason = (
            f"the last {self.in_a_row} messages failed with every frame, so no more are taken: {error}; "
            "correct its parameters (taken at once) or its code; "
            f"one message is tried every {self._pause:g} s"
        )
        self._pause = min(2 * self._pause, self._first * LONGEST_SECONDS / FIRST_SECONDS)

    def worked(self) -> None:
        """A message of which some frame did not fail."""
        self.in_a_row = 0
        self._pause = self._first
        self.reason = ""

    def probe(self) -> None:
        """Try one message now: something has changed."""
        self._again = 0.0

    @property
    def seconds(self) -> float:
        """Until a message is tried again."""
        return max(0.0, self._again - self._now())

    def half_open(self) -> bool:
        """Whether it is time to try a message; the next that fails opens it again."""
        if self.seconds:
            return False
        self.open = False
        return True
