"""Running a reducer: states of the scans that are open, partial results, and the final one."""

import asyncio
import dataclasses
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np
from interact_api.report import ScanReport
from interact_api.wire import Header

from interact import _state
from interact._batches import Batch, Image
from interact._coverage import Lane, Ledger, ScanLedger, root
from interact._errors import BatchError
from interact._in_effect import Live
from interact._kernel import Failed, failure
from interact._operator import Operator
from interact._outlet import Outlet, Stored
from interact._parameters import Parameter
from interact._reducer import Progress, Reducer
from interact._scan import gaps
from interact._tally import Tally

Keep = Callable[[Header, tuple[Failed, ...]], Awaitable[None]]
"""Keeps frames of a message that could not be added, with the reason, and counts them."""


@dataclasses.dataclass(slots=True)
class _Open:
    """A scan that is not complete, or that lacks failed frames."""

    ledger: ScanLedger
    state: Any
    origin: str
    time: float
    """Of the last message; it alone is kept of it: a frame may be large."""
    changed: bool = False
    unsaved: bool = True
    number: int = 0


class Reducing:
    """A reducer at work."""

    def __init__(
        self,
        operator: Operator,
        live: Live,
        ledger: Ledger,
        outlet: Outlet,
        tally: Tally,
    ) -> None:
        self._operator = operator
        self._live = live
        self._ledger = ledger
        self._outlet = outlet
        self._tally = tally
        self._port = operator.outputs[0].name
        self._open: dict[str, _Open] = {}
        self._over: dict[str, _Open] = {}
        """Scans that are over, lack failed frames, and are not in a checkpoint as they are."""
        self.in_use = ""
        """A scan that is over whose state must stay in memory."""
        self.keep: Keep = self._count
        self._finals = 0
        self._no_finals = asyncio.Event()
        self._no_finals.set()
        self._sending = asyncio.Lock()
        """A partial result that waits for room must not come after the final one."""
        self.reducer: Reducer[Any] = configured(operator.function, operator.parameters, live.values)

    def configure(self, values: Mapping[str, Any]) -> None:
        """Use these values of the parameters from the next message, or result, on."""
        configure(self.reducer, self._operator.parameters, values)

    async def add(self, lane: Lane, header: Header, part: Batch, whole: Batch) -> None:
        """Take the frames of a message that are new; give a result if the scan is full.

        A scan that is over takes a newer edition of frames that failed, and gives its result again.
        Its state is in memory then, and `in_use` says so.
        """
        since = time.perf_counter()
        opened = self._opened(lane, header, whole)
        scan = opened.ledger
        failed = self._add(opened.state, part)
        if failed:
            await self.keep(header, failed)  # before they count as failed
        scan.mark(lane, whole if not failed else _lost(whole), header.edition)
        opened.changed, opened.time, opened.unsaved = True, whole.time, True
        size = sum(array.nbytes for array in part.arrays().values())
        port = self._operator.inputs[0].name
        self._tally.received(len(part), size, time.perf_counter() - since, port, header.time)
        if scan.complete:
            await self._close(opened, header.edition)
        self._tell(opened)

    def _opened(self, lane: Lane, header: Header, whole: Batch) -> _Open:
        """The scan a message changes; a new edition of all there is of it begins it anew."""
        ledger, scan_id = self._ledger, whole.scan.id
        if scan_id in ledger.over and ledger.replaces(lane, whole, header.edition):
            found = ledger.correctable.get(scan_id)
            if found is None or found.fresh(lane, whole, header.edition) is None:
                ledger.replaced(lane, scan_id, header.edition)
                fresh = ledger.correctable[scan_id] = ledger.opened(lane, whole.scan)
                self._over[scan_id] = _Open(
                    fresh, self.reducer.zero(whole.scan), root(header.lane), whole.time
                )
        opened = self._open.get(scan_id) or self._over.get(scan_id)
        if opened is None:
            scan, state = ledger.open[scan_id], self.reducer.zero(whole.scan)
            opened = self._open[scan_id] = _Open(scan, state, root(header.lane), whole.time)
        return opened

    def _add(self, state: Any, part: Batch) -> tuple[Failed, ...]:
        if not len(part):
            return ()
        try:
            self.reducer.add(state, part)
        except Exception as error:  # whatever it raises concerns this message
            return (failure({self._operator.inputs[0].name: part}, error),)
        return ()

    async def _count(self, header: Header, failed: tuple[Failed, ...]) -> None:
        del header
        for one in failed:
            frames = len(next(iter(one.part.values())))
            self._tally.fail(f"{self._operator.name}: {one.error}", frames)

    def _result(self, state: Any, progress: Progress) -> Any:
        try:
            return _checked(self.reducer.result(state, progress), progress)
        except Exception as error:  # the scan's messages are good; its picture is not
            self._tally.fail(f"{self._operator.name}: {type(error).__name__}: {error}", frames=0)
            return None

    def _final_sent(self) -> Stored:
        """Count a final result until it is stored."""
        self._finals += 1
        self._no_finals.clear()

        async def stored() -> None:
            self._finals -= 1
            if not self._finals:
                self._no_finals.set()

        return stored

    async def settled(self) -> None:
        """Wait until the results of scans that are over are stored."""
        while self._finals:
            await self._no_finals.wait()

    def holds(self, scan_id: str) -> bool:
        """Whether the state of a scan is in memory."""
        return scan_id in self._open or scan_id in self._over

    def release(self, scan_id: str) -> None:
        """The state of a scan that is over is in a checkpoint, or not wanted any more."""
        opened = self._over.get(scan_id)
        if opened is None or scan_id == self.in_use:
            return
        if not (opened.unsaved and scan_id in self._ledger.correctable):
            del self._over[scan_id]

    def kept(self, scan_id: str) -> Any:
        """What a checkpoint of a scan holds."""
        opened = self._open.get(scan_id) or self._over[scan_id]
        opened.unsaved = False
        return {"state": opened.state, "number": opened.number, "time": opened.time}

    def restored(self, ledger: ScanLedger, origin: str, data: Any) -> None:
        """Go on with a scan a former life left open, or one that is over and is to be corrected."""
        state = _state.restore(self.reducer.zero(ledger.scan), data["state"])
        scans = self._over if ledger.scan.id in self._ledger.correctable else self._open
        scans[ledger.scan.id] = _Open(
            ledger, state, origin, data["time"], unsaved=False, number=data["number"]
        )

    @property
    def states(self) -> dict[str, Any]:
        """The states of the open scans, by id."""
        return {scan_id: opened.state for scan_id, opened in self._open.items()}

    async def show_again(self) -> None:
        """Send what is known of all open scans now."""
        for opened in self._open.values():
            opened.changed = True
        await self.emit_partial()

    async def emit_partial(self) -> None:
        """Send what is known of the open scans that changed."""
        if self._port not in self._outlet.ports:
            return
        for scan_id in [*self._open]:
            async with self._sending:
                opened = self._open.get(scan_id)  # gone if the scan was closed meanwhile
                if opened is not None and opened.changed:
                    opened.changed = False
                    await self._send(opened, final=False)

    async def give_up(self, ledger: ScanLedger) -> None:
        """Give the result of a scan whose other frames will not come: all are accounted for."""
        opened = self._open.get(ledger.scan.id)
        if opened is None:
            state = self.reducer.zero(ledger.scan)
            opened = self._open[ledger.scan.id] = _Open(ledger, state, ledger.origin, time.time())
        await self._close(opened, 0)

    def discard(self, scan_id: str) -> None:
        """Forget a scan that is to have no result."""
        self._open.pop(scan_id, None)

    async def _close(self, opened: _Open, edition: int) -> None:
        scan_id, ledger = opened.ledger.scan.id, self._ledger
        stored = self._final_sent() if self._port in self._outlet.ports else None
        again = (
            scan_id in ledger.over
        )  # no wait before the end of this: no checkpoint is in between
        edition = ledger.next_edition(scan_id, edition) if again else 0
        if not again:
            del self._open[scan_id]
            ledger.close(scan_id, opened.origin)
        elif not opened.ledger.lacks:
            ledger.correctable.pop(scan_id, None)
        if opened.ledger.lacks:
            self._over[scan_id] = opened
        for known in self._over.keys() - ledger.correctable.keys():
            self.release(known)
        if stored is not None:
            async with self._sending:
                await self._send(opened, final=True, stored=stored, edition=edition)
        self._tally.scans_complete += not again

    async def _send(
        self, opened: _Open, *, final: bool, stored: Stored | None = None, edition: int = 0
    ) -> None:
        ledger = opened.ledger
        if self._live.stale(ledger.scan.revision):
            await self._live.turn(ledger.scan.revision)
        progress = Progress(ledger.scan, ledger.progress, ledger.total, dict(ledger.missing))
        result = self._result(opened.state, progress)
        if result is None and not final:
            return
        opened.number += 1
        await self._outlet.send(
            self._port,
            _covering(result, ledger, final=final).replace(
                total=ledger.total, time=opened.time, lane=opened.origin
            ),
            lane=opened.origin,
            parent=ledger.scan.id.encode(),
            number=0 if final else opened.number,
            edition=edition,
            stored=stored,
        )

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
    configure(reducer, parameters, values)
    return reducer


def configure(
    reducer: Reducer[Any], parameters: tuple[Parameter, ...], values: Mapping[str, Any]
) -> None:
    """Set a reducer's parameters."""
    for parameter in parameters:
        value = values.get(parameter.name, parameter.declared.default)
        setattr(reducer, parameter.name, parameter.native(value))


def _lost(batch: Batch) -> Batch:
    """The coverage of a message whose frames failed."""
    empty = np.empty(0, np.int64)
    left = gaps(batch.start, batch.stop, batch.tombstones, empty, "failed")
    return Batch(scan=batch.scan, start=batch.start, stop=batch.stop, tombstones=left)


def _checked(result: Any, progress: Progress) -> Any:
    """Refuse a result that is neither a picture nor about the whole scan."""
    if result is None or isinstance(result, Image):
        return result
    if not isinstance(result, Batch):
        raise BatchError(f"result returned {type(result).__name__}, expected a batch or None")
    if (result.start, result.stop) != (0, progress.total):
        raise BatchError(
            f"result covers frames {result.start} to {result.stop}, expected 0 to {progress.total}; "
            "return an Image, or one row for each frame of the scan"
        )
    return result


def _covering(result: Batch | None, ledger: ScanLedger, *, final: bool) -> Batch:
    """A result with what it accounts for: all of the scan at its end, nothing before."""
    if isinstance(result, Image):
        return result.replace(start=0, stop=ledger.total if final else 0, tombstones=())
    if result is not None:
        return result
    nothing = gaps(0, ledger.total, (), np.empty(0, np.int64), "reduced")
    return Batch(scan=ledger.scan, start=0, stop=ledger.total, tombstones=nothing)
