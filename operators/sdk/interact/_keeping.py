"""Checkpoints: what a reducer or sink knows is kept, and only then are its messages acknowledged."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
from interact_api.config import OperatorConfig
from interact_api.stream_plan import MAX_ACK_PENDING_HELD

from interact import _state
from interact._coverage import Ledger, ScanLedger
from interact._errors import BrokerError
from interact._ports import Broker
from interact._scan import Scan
from interact._tally import Tally
from interact._vault import Vault

CHECKPOINT_SECONDS = 1.0
IDLE_SECONDS = 0.05
MOST_UNACKNOWLEDGED = 4096
MOST_UNACKNOWLEDGED_BYTES = 32 << 20
"""What the stream must hold for us between two checkpoints."""
CORRECTABLE_BYTES = 64 << 20
"""Checkpoints of scans that are over and lack failed frames."""

Ack = Callable[[], Awaitable[None]]


class Owner(Protocol):
    """Whoever has something to keep beside the bitmaps of a scan."""

    def kept(self, scan_id: str) -> Any:
        """Plain data of a scan, or a state."""

    def holds(self, scan_id: str) -> bool:
        """Whether there is such data in memory."""
        ...

    def release(self, scan_id: str) -> None:
        """A scan that is over is kept, or not wanted any more: forget its data."""

    async def settled(self) -> None:
        """Wait until the results of scans that are over are stored."""

    def restored(self, ledger: ScanLedger, origin: str, data: Any) -> None:
        """Take it back."""


class Keeping:
    """The checkpoints of one operator."""

    def __init__(
        self,
        config: OperatorConfig,
        broker: Broker,
        ledger: Ledger,
        tally: Tally,
        owner: Owner | None,
        replica: int = 0,
    ) -> None:
        name = f"checkpoint.{config.operator}" + (f".{replica}" if replica else "")
        self._vault = Vault(broker, config.state_bucket, name)
        self._ledger = ledger
        self._tally = tally
        self._owner = owner
        self._acks: list[Ack] = []
        self._bytes = 0
        self._cost = 0.0
        self._failing = False
        self._changed: set[str] = set()
        self._saved: set[str] = set()
        self._sizes: dict[str, int] = {}
        """Bytes of the checkpoints of scans that are over."""
        self._lock = asyncio.Lock()
        self._last = time.monotonic()
        self._most = min(MOST_UNACKNOWLEDGED, MAX_ACK_PENDING_HELD // (2 * config.replicas))

    def acknowledge(self, scan_id: str, ack: Ack, size: int) -> None:
        """Acknowledge a message of so many bytes once what it changed is kept."""
        self._changed.add(scan_id)
        self._acks.append(ack)
        self._bytes += size

    @property
    def due(self) -> bool:
        """Whether it is time for a checkpoint."""
        if not self._acks:
            return False
        full = len(self._acks) >= self._most or self._bytes >= MOST_UNACKNOWLEDGED_BYTES
        pause = time.monotonic() - self._last
        return pause > CHECKPOINT_SECONDS or (full and not self._failing)

    @property
    def idle_pause(self) -> float | None:
        """Seconds until a checkpoint is due when nothing comes; None if nothing waits for one.

        Nothing comes also when the stream is full of what we did not acknowledge. A checkpoint
        then takes a twentieth of the time at most.
        """
        if not self._acks:
            return None
        pause = min(max(IDLE_SECONDS, 20 * self._cost), CHECKPOINT_SECONDS)
        if self._failing:
            pause = CHECKPOINT_SECONDS
        return max(0.0, self._last + pause - time.monotonic())

    async def checkpoint(self) -> None:
        """Keep what changed, forget what is over, then acknowledge; nothing is if it was not kept."""
        async with self._lock:
            acks, self._acks = self._acks, []
            size, self._bytes = self._bytes, 0
            if not acks:
                return
            since = time.monotonic()
            changed, self._changed = self._changed, set()
            if self._owner is not None:
                await self._owner.settled()
            try:
                await self._keep(changed)
            except (BrokerError, _state.StateError) as error:
                self._tally.unkept += 1
                self._tally.warn(f"no checkpoint, so nothing is acknowledged: {error}")
                self._acks = acks + self._acks
                self._bytes += size
                self._changed |= changed
                self._failing, self._last = True, time.monotonic()
                return
            self._failing = False
            for ack in acks:
                await ack()
            self._last = time.monotonic()
            self._cost = self._last - since

    async def _keep(self, changed: set[str]) -> None:
        """Keep one moment: all is packed before the first wait, in which scans may close."""
        ledger = self._ledger
        over = {one for one in changed & set(ledger.correctable) if self._in_memory(one)}
        scans = {one: _state.pack(self._scan(one)) for one in sorted(changed & set(ledger.open))}
        corrected = {one: _state.pack(self._scan(one)) for one in sorted(over)}
        self._bound({one: len(packed) for one, packed in corrected.items()})
        self._saved.update(scans)
        kept = {*ledger.open, *ledger.correctable}
        summary = self._summary()
        for scan_id, packed in scans.items():
            await self._vault.save(f"scan.{scan_id}", packed)
        for scan_id, packed in corrected.items():
            await self._keep_over(scan_id, packed, summary)
        await self._vault.save("scans", _state.pack(summary))
        for scan_id in self._saved - kept:
            await self._vault.forget(f"scan.{scan_id}")
            self._saved.discard(scan_id)

    def _summary(self) -> dict[str, Any]:
        ledger = self._ledger
        return {
            "open": sorted(self._saved & set(ledger.open)),
            "over": [list(item) for item in ledger.over.items()],
            "correctable": list(ledger.correctable),
            "sealed": list(ledger.sealed),
            "editions": [[scan_id, *lane, e] for (scan_id, lane), e in ledger.editions.items()],
            "results": [list(item) for item in ledger.results.items()],
            "completed": dict(ledger.completed),
            "expected": dict(ledger.expected),
        }

    def _in_memory(self, scan_id: str) -> bool:
        return self._owner is None or self._owner.holds(scan_id)

    def _bound(self, sizes: dict[str, int]) -> None:
        """Let go the oldest scans that are over where all of them take too many bytes."""
        correctable = self._ledger.correctable
        self._sizes = {one: n for one, n in (self._sizes | sizes).items() if one in correctable}
        while sum(self._sizes.values()) > CORRECTABLE_BYTES:
            self._seal(oldest := next(one for one in correctable if one in self._sizes))
            del self._sizes[oldest]

    def _seal(self, scan_id: str) -> None:
        self._tally.warn(
            f"scan {scan_id} lacks failed frames and is too large to be kept for them: "
            "what is sent again for it stays a dead letter"
        )
        self._ledger.seal(scan_id)
        if self._owner is not None:
            self._owner.release(scan_id)

    async def _keep_over(self, scan_id: str, packed: bytes, summary: dict[str, Any]) -> None:
        """Keep a scan that is over; one that finds no room must not hinder the others."""
        if scan_id not in summary["correctable"]:
            return
        try:
            await self._vault.save(f"scan.{scan_id}", packed)
        except BrokerError:
            summary["correctable"].remove(scan_id)
            summary["sealed"].append(scan_id)
            if scan_id in self._ledger.correctable:
                self._seal(scan_id)
            return
        self._saved.add(scan_id)
        if self._owner is not None:
            self._owner.release(scan_id)

    async def reopen(self, scan_id: str) -> bool:
        """Have a scan that is over, and lacks frames, at hand; whether it could be had."""
        async with self._lock:
            ledger = self._ledger.correctable.get(scan_id)
            if ledger is None or self._owner is None or self._owner.holds(scan_id):
                return True
            kept = await self._vault.load(f"scan.{scan_id}")
            if kept is None:
                self._seal(scan_id)
                return False
            self._owner.restored(ledger, ledger.origin, _state.unpack(kept)["kept"])
            return True

    def _scan(self, scan_id: str) -> dict[str, Any]:
        ledger = self._ledger.open.get(scan_id) or self._ledger.correctable[scan_id]
        return {
            "scan": msgspec.to_builtins(ledger.scan),
            "lanes": [list(lane) for lane in ledger.bitmaps],
            "bitmaps": [np.packbits(bits) for bits in ledger.bitmaps.values()],
            "missing": ledger.missing,
            "failed": [[*lane, np.packbits(bits)] for lane, bits in ledger.failed.items()],
            "lost": None if ledger.lost is None else np.packbits(ledger.lost),
            "origin": ledger.origin,
            "kept": self._owner.kept(scan_id) if self._owner is not None else None,
        }

    async def restore(self) -> None:
        """Go on where a former life left its last checkpoint."""
        stored = await self._vault.load("scans")
        if stored is None:
            return
        summary = _state.unpack(stored)
        ledger = self._ledger
        ledger.over.update((scan_id, origin) for scan_id, origin in summary["over"])
        ledger.sealed.update((scan_id, None) for scan_id in summary.get("sealed", ()))
        for scan_id, edge, lane, edition in summary.get("editions", ()):
            ledger.editions[scan_id, (edge, lane)] = edition
        ledger.results.update((one, edition) for one, edition in summary.get("results", ()))
        ledger.completed.update(summary["completed"])
        ledger.expected.update(summary["expected"])
        self._tally.scans_complete = sum(ledger.completed.values())
        for scan_id in (*summary["open"], *summary.get("correctable", ())):
            kept = await self._vault.load(f"scan.{scan_id}")
            if kept is not None:
                self._restore_scan(_state.unpack(kept), len(kept))
                self._saved.add(scan_id)
            elif scan_id in ledger.over:
                ledger.sealed[scan_id] = None

    def _restore_scan(self, data: dict[str, Any], size: int) -> None:
        scan = msgspec.convert(data["scan"], Scan)
        lanes = [(str(edge), str(lane)) for edge, lane in data["lanes"]]
        bitmaps = {
            lane: _bitmap(bits, scan.total)
            for lane, bits in zip(lanes, data["bitmaps"], strict=True)
        }
        covered = {lane: int(bits.sum()) for lane, bits in bitmaps.items()}
        lost = data["lost"] if "lost" in data else data["gone"]
        ledger = ScanLedger(
            scan, scan.total, bitmaps, covered, data["missing"], data["origin"],
            {(edge, lane): _bitmap(bits, scan.total) for edge, lane, bits in data.get("failed", ())},
            None if lost is None else _bitmap(lost, scan.total),
        )  # fmt: skip
        if scan.id in self._ledger.over:
            self._ledger.correctable[scan.id] = ledger
            self._sizes[scan.id] = size
            return
        self._ledger.open[scan.id] = ledger
        if self._owner is not None:
            self._owner.restored(ledger, data["origin"], data["kept"])


def _bitmap(packed: npt.NDArray[np.uint8], total: int) -> npt.NDArray[np.bool_]:
    return np.unpackbits(packed, count=total).astype(bool)
