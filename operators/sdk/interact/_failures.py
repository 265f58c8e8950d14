"""What did not work: kept as dead letters, and counted by the breaker."""

from collections.abc import Mapping

from interact_api.wire import Header

from interact._batches import Batch
from interact._breaker import Breaker
from interact._kernel import Failed
from interact._letters import Letters
from interact._tally import Tally


class Failures:
    """The frames one replica could not do, and whether anything works at all."""

    def __init__(self, breaker: Breaker, letters: Letters, tally: Tally) -> None:
        self._breaker = breaker
        self._letters = letters
        self._tally = tally

    async def keep(self, header: Header, batch: Batch, failed: tuple[Failed, ...]) -> None:
        """Keep the frames of a message that failed."""
        await self._letters.failed(header, failed)
        frames = sum(len(next(iter(one.part.values()))) for one in failed)
        if frames >= len(batch):
            self.all_of_it(failed[-1].error)
        else:
            self.none()

    async def too_late(self, header: Header, given: Mapping[str, Batch]) -> None:
        """Keep a message that corrects a result nothing can correct any more."""
        scan = next(iter(given.values())).scan
        words = (
            f"scan {scan.id} is over, and what its result was made of is kept no more: "
            "send the scan again from its source, then drop this letter"
        )
        self._tally.warn(words)
        await self._letters.failed(header, (Failed(given, words, ""),))

    def all_of_it(self, error: str) -> None:
        """No frame of a message worked."""
        self._breaker.failed(error)
        self._tally.breaker = self._breaker.reason

    def none(self) -> None:
        """Some frame of a message worked."""
        if self._breaker.in_a_row:
            self._breaker.worked()
            self._tally.breaker = ""
