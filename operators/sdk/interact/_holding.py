"""What this process holds of its streams and has not answered."""

import time
from collections.abc import Iterable

from interact._ports import Delivery, Inlet

BEATS = 3
"""How often the server is told, in the time after which it gives a message to another."""


class Holding:
    """Messages taken and not answered: in a kernel, in a join, on their way out, before a checkpoint."""

    def __init__(self, ack_wait_seconds: float) -> None:
        self.pause = ack_wait_seconds / BEATS
        self.due = time.perf_counter() + self.pause
        self._taken: dict[Delivery, None] = {}
        self._known: list[Delivery] = []

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._taken)

    def take(self, delivery: Delivery) -> None:
        """From now on it is held."""
        self._taken[delivery] = None

    def drop(self, delivery: Delivery) -> None:
        """It is not answered: another delivery of it is."""
        self._taken.pop(delivery, None)

    async def done(self, delivery: Delivery) -> None:
        """Acknowledge."""
        if self._taken.pop(delivery, delivery) is None:
            await delivery.ack()

    async def hand_back(self, deliveries: Iterable[Delivery] | None = None) -> None:
        """Give messages, or everything held, to whoever asks next."""
        for delivery in [*self._taken] if deliveries is None else deliveries:
            if self._taken.pop(delivery, delivery) is None:
                await delivery.hand_back()

    async def beat(self, inlets: Iterable[Inlet]) -> None:
        """Tell the server that what is held is not lost."""
        self.due = time.perf_counter() + self.pause
        known, self._known = self._known, [*self._taken]
        for delivery in known:
            if delivery in self._taken:
                await delivery.in_progress()
        for inlet in inlets:
            for delivery in inlet.ahead:
                await delivery.in_progress()
