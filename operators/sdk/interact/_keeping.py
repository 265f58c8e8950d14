"""Checkpoints: what a reducer or sink knows is kept, and only then are its messages acknowledged."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
from interact_api.config import OperatorConfig

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

Ack = Callable[[], Awaitable[None]]


class Owner(Protocol):
    """Whoever has something to keep beside the bitmaps of a scan."""

    def kept(self, scan_id: str) -> Any:
        """Plain data of an open scan, or a state."""

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
        self._changed: set[str] = set()
        self._saved: set[str] = set()
        self._lock = asyncio.Lock()
        self._last = time.monotonic()

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
        full = len(self._acks) >= MOST_UNACKNOWLEDGED or self._bytes >= MOST_UNACKNOWLEDGED_BYTES
        return full or time.monotonic() - self._last > CHECKPOINT_SECONDS

    @property
    def idle_pause(self) -> float | None:
        """Seconds until a checkpoint is due when nothing comes; None if nothing waits for one.

        Nothing comes also when the stream is full of what we did not acknowledge. A checkpoint
        then takes a twentieth of the time at most.
        """
        if not self._acks:
            return None
        pause = min(max(IDLE_SECONDS, 20 * self._cost), CHECKPOINT_SECONDS)
        return max(0.0, self._last + pause - time.monotonic())

    async def checkpoint(self) -> None:
        """Keep what changed, forget what is over, then acknowledge."""
        async with self._lock:
            acks, self._acks, self._bytes = self._acks, [], 0
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
                self._tally.warn(f"no checkpoint, a crash would lose the scan: {error}")
            for ack in acks:
                await ack()
            self._last = time.monotonic()
            self._cost = self._last - since

    async def _keep(self, changed: set[str]) -> None:
        """Keep one moment: all is packed before the first wait, in which scans may close."""
        ledger = self._ledger
        still_open = set(ledger.open)
        scans = {
            scan_id: _state.pack(self._scan(scan_id)) for scan_id in sorted(changed & still_open)
        }
        self._saved.update(scans)
        summary = _state.pack(
            {
                "open": sorted(self._saved & still_open),
                "over": [list(item) for item in ledger.over.items()],
                "completed": ledger.completed,
                "expected": ledger.expected,
            }
        )
        for scan_id, packed in scans.items():
            await self._vault.save(f"scan.{scan_id}", packed)
        await self._vault.save("scans", summary)
        for scan_id in self._saved - still_open:
            await self._vault.forget(f"scan.{scan_id}")
            self._saved.discard(scan_id)

    def _scan(self, scan_id: str) -> dict[str, Any]:
        ledger = self._ledger.open[scan_id]
        return {
            "scan": msgspec.to_builtins(ledger.scan),
            "lanes": [list(lane) for lane in ledger.bitmaps],
            "bitmaps": [np.packbits(bits) for bits in ledger.bitmaps.values()],
            "missing": ledger.missing,
            "gone": None if ledger.gone is None else np.packbits(ledger.gone),
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
        ledger.completed.update(summary["completed"])
        ledger.expected.update(summary["expected"])
        self._tally.scans_complete = sum(ledger.completed.values())
        for scan_id in summary["open"]:
            kept = await self._vault.load(f"scan.{scan_id}")
            if kept is not None:
                self._restore_scan(_state.unpack(kept))
                self._saved.add(scan_id)

    def _restore_scan(self, data: dict[str, Any]) -> None:
        scan = msgspec.convert(data["scan"], Scan)
        lanes = [(str(edge), str(lane)) for edge, lane in data["lanes"]]
        bitmaps = {
            lane: _bitmap(bits, scan.total)
            for lane, bits in zip(lanes, data["bitmaps"], strict=True)
        }
        covered = {lane: int(bits.sum()) for lane, bits in bitmaps.items()}
        gone = None if data["gone"] is None else _bitmap(data["gone"], scan.total)
        ledger = ScanLedger(
            scan, scan.total, bitmaps, covered, data["missing"], data["origin"], gone
        )
        self._ledger.open[scan.id] = ledger
        if self._owner is not None:
            self._owner.restored(ledger, data["origin"], data["kept"])


def _bitmap(packed: npt.NDArray[np.uint8], total: int) -> npt.NDArray[np.bool_]:
    return np.unpackbits(packed, count=total).astype(bool)
