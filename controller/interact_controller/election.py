"""Who leads: a Lease of our own, renewed by a thread that the event loop cannot hold up.

The rules are those of client-go's leader election: a holder that did not renew for the lease's
duration, measured by the clock of the one who looks, has lost it. A leader gives up earlier, after
two thirds of it, and its process ends at once: then nothing it still had in mind is written.
"""

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

logger = logging.getLogger(__name__)

LOST: Final = 4
"""Exit code of a process that lost its lease."""
RETRY_PARTS: Final = 7
"""Looks within one lease; client-go's defaults are 15 s and 2 s."""
_FORMAT: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


class Door(Protocol):
    """Plain requests to the API server, for this thread alone."""

    def request(
        self, method: str, path: str, body: Mapping[str, Any] | None, timeout: float
    ) -> tuple[int, dict[str, Any]]:
        """The HTTP status and the object, or the reason.

        Raises:
            OSError: If there is no answer in time.
        """
        ...


@dataclass(frozen=True)
class Terms:
    """What the lease is.

    Attributes:
        namespace: Where it lies.
        name: Its name.
        identity: Who we are; another one after each start.
        seconds: How long it holds without a renewal.
    """

    namespace: str
    name: str
    identity: str
    seconds: float

    @property
    def path(self) -> str:
        """The collection it is in."""
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"

    @property
    def patience(self) -> float:
        """Seconds without a renewal after which a leader gives up."""
        return self.seconds * 2 / 3

    @property
    def pause(self) -> float:
        """Seconds between two looks."""
        return self.seconds / RETRY_PARTS


def clock() -> float:
    """Seconds that go on while a process is frozen and while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _end() -> None:
    os._exit(LOST)


class Lease:
    """The lease as this process sees it; `hold` runs in a thread of its own.

    Args:
        door: The API server.
        terms: What the lease is.
        won: Called once, from the thread, when this process leads.
        lost: Called, from the thread, when it no longer does; ends the process.
        now: A clock that goes on while the process is frozen.
    """

    def __init__(
        self,
        door: Door,
        terms: Terms,
        won: Callable[[], None],
        *,
        lost: Callable[[], None] = _end,
        now: Callable[[], float] = clock,
    ) -> None:
        self._door = door
        self._terms = terms
        self._won = won
        self._lost = lost
        self._now = now
        self._stop = threading.Event()
        self._renewed_at: float | None = None
        self._seen: tuple[Any, ...] = ()
        self._seen_at = now()
        self._seen_seconds = 0.0

    def valid(self) -> bool:
        """Whether this process may write now."""
        renewed = self._renewed_at
        return renewed is not None and self._now() - renewed < self._terms.patience

    def remaining(self) -> float:
        """Seconds for which this process leads even if it cannot renew; at most 0 if it does not."""
        renewed = self._renewed_at
        return 0.0 if renewed is None else self._terms.patience - (self._now() - renewed)

    @property
    def longest(self) -> float:
        """Seconds that `remaining` gives at any time while renewals do not take long."""
        return self._terms.patience - 1.5 * self._terms.pause

    def hold(self) -> None:
        """Try to get the lease, then keep it, until `release`."""
        while not self._stop.is_set():
            started = self._now()
            held = self._look_safely()
            if held:
                first = self._renewed_at is None
                self._renewed_at = started
                if first:
                    logger.info("leading", extra={"identity": self._terms.identity})
                    self._won()
            if self._renewed_at is not None and not self.valid():
                logger.error("the lease is lost", extra={"identity": self._terms.identity})
                self._lost()
                return
            self._stop.wait(self._terms.pause)

    def release(self) -> None:
        """Stop; whoever waits may lead at once."""
        self._stop.set()

    def give_back(self) -> None:
        """After `hold` has ended: say that nobody leads."""
        if not self.valid():
            return
        try:
            status, found = self._get()
            if status == 200 and _holder(found) == self._terms.identity:
                self._put(found, holder="", seconds=1)
        except OSError as error:
            logger.warning("the lease could not be given back", extra={"error": str(error)})
        self._renewed_at = None

    def _look_safely(self) -> bool:
        try:
            return self._look()
        except OSError as error:
            logger.warning("the lease cannot be looked at", extra={"error": str(error)})
            return False

    def _look(self) -> bool:
        """Look at the lease, and take or renew it where that is right; whether we hold it."""
        status, found = self._get()
        if status == 404:  # its leader makes a deleted one again, and may write until it has
            return self._now() - self._seen_at >= self._seen_seconds and self._make()
        if status != 200:
            logger.warning("the lease cannot be read", extra={"status": status, "answer": found})
            return False
        holder = _holder(found)
        if holder and holder != self._terms.identity and not self._expired(found):
            if self._renewed_at is not None:
                self._renewed_at = -math.inf  # another leads: not one write more
            return False
        return self._put(found, holder=self._terms.identity, seconds=self._terms.seconds)

    def _expired(self, found: Mapping[str, Any]) -> bool:
        """Whether another's lease was not renewed for its duration, by our own clock."""
        spec = found.get("spec", {})
        seen = (
            spec.get("holderIdentity"),
            spec.get("renewTime"),
            found["metadata"]["resourceVersion"],
        )
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._now()
            self._seen_seconds = float(spec.get("leaseDurationSeconds", self._terms.seconds))
            return False
        return self._now() - self._seen_at > self._seen_seconds

    def _get(self) -> tuple[int, dict[str, Any]]:
        path = f"{self._terms.path}/{self._terms.name}"
        return self._door.request("GET", path, None, self._terms.pause * 2)

    def _make(self) -> bool:
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._terms.name, "namespace": self._terms.namespace},
            "spec": self._spec({}, self._terms.identity, self._terms.seconds),
        }
        status, _ = self._door.request("POST", self._terms.path, body, self._terms.pause * 2)
        return status in {200, 201}

    def _put(self, found: Mapping[str, Any], *, holder: str, seconds: float) -> bool:
        """Write the version we read, and no other."""
        body = {**found, "spec": self._spec(found.get("spec", {}), holder, seconds)}
        path = f"{self._terms.path}/{self._terms.name}"
        status, _ = self._door.request("PUT", path, body, self._terms.pause * 2)
        return status == 200

    def _spec(self, before: Mapping[str, Any], holder: str, seconds: float) -> dict[str, Any]:
        now = datetime.now(UTC).strftime(_FORMAT)
        same = before.get("holderIdentity") == holder
        return {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(1, round(seconds)),
            "renewTime": now,
            "acquireTime": before.get("acquireTime", now) if same else now,
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + (0 if same else 1),
        }


def _holder(found: Mapping[str, Any]) -> str:
    return str(found.get("spec", {}).get("holderIdentity") or "")
