"""Joined inputs: halves of the same frames become one message, and a person hears of those that wait."""

from functools import reduce

import numpy as np
from interact_api.config import OperatorConfig

from interact._computing import Work
from interact._pairs import Key, Pairs
from interact._patience import Patience
from interact._ports import Delivery
from interact._tally import Tally


class Joining:
    """The joined inputs of one replica.

    Attributes:
        ports: Names of those inputs; none for most operators.
    """

    def __init__(self, config: OperatorConfig, tally: Tally) -> None:
        self.ports = {entry.port for entry in config.inputs if entry.join == "zip"}
        self._pairs: Pairs[Work] = Pairs(self.ports)
        self._patience: Patience[tuple[Key, str]] = Patience(tally)

    def add(self, work: Work) -> tuple[tuple[Work, ...], Delivery | None]:
        """Take one half.

        Returns:
            All halves, with the frames that all of them have, if this was the last, else none; and
            the delivery of a half that had come before by the same port, which this one replaces.
        """
        entry, _, header, batch = work
        key = (batch.scan.id, batch.start, batch.stop, header.edition)
        halves, repeated = self._pairs.add(key, entry.port, work)
        return _common(halves) if halves else (), None if repeated is None else repeated[1]

    def drop(self, scan_id: str) -> list[Delivery]:
        """Forget the halves of a scan; those that waited."""
        return [delivery for _, delivery, *_ in self._pairs.drop(scan_id)]

    def clear(self) -> None:
        """Forget what waits."""
        self._pairs.clear()

    def look(self) -> None:
        """Tell a person when halves wait for others that do not come."""
        self._patience.look(self._pairs.oldest, self._words)

    def _words(self, waits: tuple[Key, str], seconds: float) -> str:
        (scan_id, start, stop, _), port = waits
        return (
            f"frames {start} to {stop} of scan {scan_id} have not come by {port} for {seconds:g} s, and "
            f"{len(self._pairs)} messages wait for their other halves: look at what makes them, and at "
            "the dead letters; or end the scan with interact scan abort"
        )


def _common(halves: list[Work]) -> tuple[Work, ...]:
    index = reduce(np.intersect1d, (batch.index for _, _, _, batch in halves))
    return tuple(
        (entry, delivery, header, batch.select(np.isin(batch.index, index)))
        for entry, delivery, header, batch in halves
    )
