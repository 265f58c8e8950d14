"""Running a reducer: states of the scans that are open, partial results, and the final one."""

import dataclasses
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from interact_api.config import OperatorConfig
from interact_api.report import ScanReport
from interact_api.wire import Header

from interact._batches import Batch, Image
from interact._coverage import Lane, Ledger, ScanLedger, root
from interact._operator import Operator
from interact._outlet import Outlet
from interact._parameters import Parameter
from interact._reducer import Progress, Reducer
from interact._scan import gaps
from interact._tally import Tally

Stored = Callable[[], Awaitable[None]]


@dataclasses.dataclass(slots=True)
class _Open:
    """A scan that is not complete."""

    ledger: ScanLedger
    state: Any
    origin: str
    last: Batch
    changed: bool = False
    number: int = 0


class Reducing:
    """A reducer at work."""

    def __init__(
        self,
        operator: Operator,
        config: OperatorConfig,
        ledger: Ledger,
        outlet: Outlet,
        tally: Tally,
    ) -> None:
        self._operator = operator
        self._ledger = ledger
        self._outlet = outlet
        self._tally = tally
        self._port = operator.outputs[0].name
        self._open: dict[str, _Open] = {}
        self.reducer: Reducer[Any] = configured(
            operator.function, operator.parameters, config.parameters
        )

    async def add(
        self, lane: Lane, header: Header, part: Batch, whole: Batch, stored: Stored
    ) -> None:
        """Take the frames of a message that are new; acknowledge it; close the scan if it is full."""
        since = time.perf_counter()
        scan = self._ledger.scan(lane, whole)
        if scan is None:
            await stored()
            return
        opened = self._open.get(whole.scan.id)
        if opened is None:
            state = self.reducer.zero(whole.scan)
            opened = self._open[whole.scan.id] = _Open(scan, state, root(header.lane), whole)
        failed = self._add(opened.state, part)
        scan.mark(lane, whole if not failed else _lost(whole))
        opened.changed, opened.last = True, whole
        size = sum(array.nbytes for array in part.arrays().values())
        self._tally.received(len(part), size, time.perf_counter() - since)
        if scan.complete:
            await self._close(opened)
        self._tell(opened)
        await stored()

    def _add(self, state: Any, part: Batch) -> bool:
        if not len(part):
            return False
        try:
            self.reducer.add(state, part)
        except Exception as error:  # whatever it raises concerns this message
            text = f"{self._operator.name}: {type(error).__name__}: {error}"
            self._tally.fail(text, frames=len(part))
            return True
        return False

    async def emit_partial(self) -> None:
        """Send what is known of the open scans that changed."""
        for opened in [*self._open.values()]:
            if opened.changed and self._port in self._outlet.ports:
                opened.changed = False
                await self._send(opened, final=False)

    async def _close(self, opened: _Open) -> None:
        scan_id = opened.ledger.scan.id
        if self._port in self._outlet.ports:
            await self._send(opened, final=True)
        del self._open[scan_id]
        self._ledger.close(scan_id, opened.origin)
        self._tally.scans_complete += 1

    async def _send(self, opened: _Open, *, final: bool) -> None:
        ledger = opened.ledger
        progress = Progress(ledger.scan, ledger.progress, ledger.total, dict(ledger.missing))
        result = self.reducer.result(opened.state, progress)
        if result is None and not final:
            return
        if result is None:
            result = Batch(scan=ledger.scan, start=0, stop=0)
        opened.number += 1
        stop = ledger.total if final else 0
        covering = result.replace(start=0, stop=stop, tombstones=(), total=ledger.total,
            time=opened.last.time, lane=opened.origin,
        )  # fmt: skip
        if final and not isinstance(result, Image):
            empty = np.empty(0, np.int64)
            covering = covering.replace(tombstones=gaps(0, stop, (), empty, "reduced"))
        await self._outlet.send(
            self._port, covering, lane=opened.origin,
            parent=ledger.scan.id.encode(), number=0 if final else opened.number,
        )  # fmt: skip

    def _tell(self, opened: _Open) -> None:
        ledger = opened.ledger
        self._tally.scan(
            ledger.scan.id,
            ScanReport(
                ledger.progress,
                ledger.total,
                ledger.complete,
                dict(ledger.missing),
                ledger.scan.shape,
            ),
        )


def configured(
    kind: Callable[[], Reducer[Any]], parameters: tuple[Parameter, ...], values: dict[str, Any]
) -> Reducer[Any]:
    """A reducer with its parameters set as attributes."""
    reducer = kind()
    for parameter in parameters:
        value = values.get(parameter.name, parameter.declared.default)
        setattr(reducer, parameter.name, parameter.native(value))
    return reducer


def _lost(batch: Batch) -> Batch:
    """The coverage of a message whose frames failed."""
    empty = np.empty(0, np.int64)
    left = gaps(batch.start, batch.stop, batch.tombstones, empty, "failed")
    return Batch(scan=batch.scan, start=batch.start, stop=batch.stop, tombstones=left)
