"""What is measured of external runs; names are API."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from interact_controller.metrics import registry
from interact_controller.seen import Key

_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
_runs = Gauge(
    "interact_external_runs", "External runs by phase.", ("driver", "phase"), registry=registry
)
_submit = Histogram(
    "interact_external_submit_seconds", "Time of one submit.", ("driver",), registry=registry,
    buckets=_SECONDS,
)  # fmt: skip
_wait = Histogram(
    "interact_external_wait_seconds", "From a run's creation to its submit.", ("driver",),
    registry=registry, buckets=_SECONDS,
)  # fmt: skip
_calls = Counter(
    "interact_external_calls", "Calls of drivers; result is ok, refused or failed.",
    ("driver", "call", "result"), registry=registry,
)  # fmt: skip
_swept = Counter(
    "interact_external_swept", "Work whose run was gone; result is cancelled, never or left.",
    ("driver", "result"), registry=registry,
)  # fmt: skip


class Census:
    """How many runs there are of each driver in each phase."""

    def __init__(self) -> None:
        self._known: dict[Key, tuple[str, str]] = {}

    def seen(self, key: Key, driver: str, phase: str) -> None:
        """A run is in this phase now."""
        before, now = self._known.get(key), (driver, phase)
        if before == now:
            return
        self.gone(key)
        self._known[key] = now
        _runs.labels(*now).inc()

    def gone(self, key: Key) -> None:
        """A run is there no more."""
        before = self._known.pop(key, None)
        if before is not None:
            _runs.labels(*before).dec()


def called(driver: str, call: str, result: str, seconds: float) -> None:
    """A call is over."""
    _calls.labels(driver, call, result).inc()
    if call == "submit":
        _submit.labels(driver).observe(seconds)


def waited(driver: str, seconds: float) -> None:
    """A run was submitted so long after its creation."""
    _wait.labels(driver).observe(seconds)


def swept(driver: str, result: str) -> None:
    """Work whose run was gone was dealt with."""
    _swept.labels(driver, result).inc()
