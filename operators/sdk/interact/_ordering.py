"""The messages of an operator that asks for order: held until their turn, and told when it does not come."""

from collections import deque
from dataclasses import dataclass

import numpy as np

from interact._computing import Work
from interact._coverage import Ledger
from interact._patience import Patience
from interact._ports import Delivery
from interact._resequencer import Resequencer
from interact._tally import Tally

ORDER_BYTES = 64 << 20
"""What may wait for its turn; more is given back, and comes again."""
EXCESS_SECONDS = 1.0
"""For which what is given back stays away, so that others can come."""

Works = tuple[Work, ...]
Key = tuple[str, str, str]
"""Scan, edge and lane."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Deliveries that are not processed: told that they are not needed, or to come again."""

    repeated: tuple[Delivery, ...] = ()
    excess: tuple[Delivery, ...] = ()


class Ordering:
    """One replica's messages in the order of their index, scan by scan.

    Args:
        ledger: What was processed, also in a former life.
        tally: Where to tell that a message does not come.
        max_bytes: What may wait.
    """

    def __init__(self, ledger: Ledger, tally: Tally, max_bytes: int = ORDER_BYTES) -> None:
        self._ledger = ledger
        self._sequence: Resequencer[Key, Works] = Resequencer(max_bytes, self._begin)
        self._patience: Patience[tuple[Key, int]] = Patience(tally)
        self.ready: deque[Works] = deque()

    def _begin(self, key: Key) -> int:
        scan_id, *lane = key
        if scan_id in self._ledger.over:
            return 1 << 62
        found = self._ledger.open.get(scan_id)
        bits = None if found is None else found.bitmaps.get((lane[0], lane[1]))
        if bits is None:
            return 0
        return len(bits) if bits.all() else int(np.argmin(bits))

    def add(self, works: Works) -> Answers:
        """Take one message; those whose turn has come are in ``ready``."""
        entry, _, header, batch = works[0]
        if batch.start == batch.stop:  # a result that is not final has no place
            self.ready.append(works)
            return Answers()
        size = sum(len(delivery.payload) for _, delivery, _, _ in works)
        key = (batch.scan.id, entry.source, header.lane)
        turn = self._sequence.add(key, batch.start, batch.stop, size, works)
        self.ready += turn.ready
        now = {delivery.sequence for _, delivery, _, _ in works}
        return Answers(
            tuple(one for one in _deliveries(turn.repeated) if one.sequence not in now),
            _deliveries(turn.excess),
        )

    def drop(self, scan_id: str) -> tuple[Delivery, ...]:
        """A scan is over: what waited of it."""
        keys = [key for key in self._sequence.keys if key[0] == scan_id]
        return tuple(one for key in keys for one in _deliveries(self._sequence.forget(key)))

    def clear(self) -> None:
        """Forget what waits: it is handed back."""
        self.ready.clear()
        self._sequence.clear()

    def look(self) -> None:
        """Tell a person when messages wait for one that does not come."""
        self._patience.look(self._sequence.gap, self._say)

    def _say(self, gap: tuple[Key, int], seconds: float) -> str:
        (scan_id, source, _), frame = gap
        return (
            f"frame {frame} of scan {scan_id} has not come by {source} for {seconds:g} s, and "
            f"{len(self._sequence)} messages wait for it: where the stream is full, raise maxBytes "
            f"of {source}; else look at what makes it, or end the scan with interact scan abort"
        )


def _deliveries(several: tuple[Works, ...]) -> tuple[Delivery, ...]:
    return tuple(work[1] for works in several for work in works)
