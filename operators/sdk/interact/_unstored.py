"""What an operator with a ledger has sent and is not stored: no checkpoint may say that it is done."""

import asyncio
from typing import Any

from interact._coverage import ScanLedger
from interact._ports import Stored


class Unstored:
    """The owner, for a checkpoint, of nothing but what is on its way.

    Attributes:
        count: Messages that are.
    """

    def __init__(self) -> None:
        self.count = 0
        self._none = asyncio.Event()
        self._none.set()

    def until(self, stored: Stored) -> Stored:
        """Count one message until it is stored; what to call then."""
        self.count += 1
        self._none.clear()

        async def done() -> None:
            self.count -= 1
            if not self.count:
                self._none.set()
            await stored()

        return done

    async def settled(self) -> None:
        """Wait until everything is stored."""
        while self.count:
            await self._none.wait()

    def kept(self, scan_id: str) -> Any:
        """Nothing: the bitmaps are all."""
        del scan_id

    def holds(self, scan_id: str) -> bool:
        """There is never anything to be restored."""
        del scan_id
        return True

    def release(self, scan_id: str) -> None:
        """There is nothing to forget."""

    def restored(self, ledger: ScanLedger, origin: str, data: Any) -> None:
        """There is nothing to take back."""
