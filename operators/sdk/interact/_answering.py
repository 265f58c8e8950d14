"""When a message is acknowledged: at once, or with the checkpoint that holds what it changed."""

from functools import partial

from interact._holding import Holding
from interact._keeping import Keeping
from interact._ports import Delivery, Stored


class Answering:
    """One replica's way of answering."""

    def __init__(self, holding: Holding, keeping: Keeping | None) -> None:
        self._holding = holding
        self._keeping = keeping

    def to(self, scan_id: str, deliveries: tuple[Delivery, ...]) -> Stored:
        """What to call when all that a message, or the halves of a join, became is stored."""
        if len(deliveries) == 1:
            done: Stored = partial(self._holding.done, deliveries[0])
        else:
            done = partial(self.all_done, deliveries)
        if self._keeping is None:
            return done
        size = sum(len(delivery.payload) for delivery in deliveries)
        return partial(self._once_kept, self._keeping, scan_id, done, size)

    async def all_done(self, deliveries: tuple[Delivery, ...]) -> None:
        """Acknowledge all of them."""
        for delivery in deliveries:
            await self._holding.done(delivery)

    async def _once_kept(self, keeping: Keeping, scan_id: str, done: Stored, size: int) -> None:
        keeping.acknowledge(scan_id, done, size)
