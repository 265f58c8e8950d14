"""How far a source has come, kept so that another life neither repeats nor skips a frame."""

from __future__ import annotations

import dataclasses
import json
import time
from collections import deque
from typing import Any

import msgspec
from interact_api.config import OperatorConfig
from interact_api.wire import Scan

from interact._ports import Broker
from interact._signature import Resume

SAVE_SECONDS = 0.5


@dataclasses.dataclass(slots=True)
class Sent:
    """One batch on its way; the position moves past it once all before it are stored.

    ``local`` is its scan as the source gave it, ``revision`` that of the parameters it began with.
    """

    scan: int
    start: int
    stop: int
    local: Scan
    revision: int
    stored: bool = False

    @property
    def last(self) -> bool:
        """Whether its scan ends with it."""
        return self.stop >= self.local.total


class Position:
    """Where a source is: a message it would send next, never the end of a scan.

    After a scan's last message it stays at that message until the next scan has begun, or the
    source has ended. So a source that is killed in between sends one message a second time, under
    its old name, and need not know whether another scan follows.

    Attributes:
        resume: Where another life would go on.
        revision: Of the parameters of the scan it lies in.
        local: That scan, as the source gave it; None before the first.
        pause: Least seconds between two times it is kept.
    """

    def __init__(self, config: OperatorConfig, broker: Broker) -> None:
        self._bucket = config.state_bucket
        self._key = f"source.{config.operator}"
        self._broker = broker
        self._way: deque[Sent] = deque()
        self._saved_at = 0.0
        self.pause = SAVE_SECONDS
        self.resume = Resume()
        self.revision = 0
        self.local: Scan | None = None

    async def restore(self) -> bool | None:
        """Take what a former life left: whether it had finished, None if there was none."""
        saved = await self._broker.get(self._bucket, self._key)
        if saved is None:
            return None
        state: dict[str, Any] = json.loads(saved)
        self.resume = Resume(scan=int(state["scan"]), index=int(state["index"]))
        self.revision = int(state.get("revision", 0))
        local = state.get("local")
        self.local = None if local is None else msgspec.convert(local, Scan)
        return bool(state["done"])

    @property
    def under_way(self) -> int:
        """Batches that were sent and are not stored, or wait for one before them."""
        return len(self._way)

    def sending(self, entry: Sent) -> None:
        """One more is on its way."""
        self._way.append(entry)

    async def stored(self, entry: Sent) -> None:
        """One is stored for good."""
        entry.stored = True
        while self._way and self._way[0].stored:
            first = self._way.popleft()
            self.resume = Resume(first.scan, first.start if first.last else first.stop)
            self.revision, self.local = first.revision, first.local
        if time.monotonic() - self._saved_at >= self.pause:
            self._saved_at = time.monotonic()
            await self.save(done=False)

    async def save(self, *, done: bool) -> None:
        """Keep it.

        Raises:
            BrokerError: If it was not stored.
        """
        state = {
            "scan": self.resume.scan, "index": self.resume.index, "done": done,
            "revision": self.revision, "local": msgspec.to_builtins(self.local),
        }  # fmt: skip
        await self._broker.put(self._bucket, self._key, json.dumps(state).encode())
