"""How long publishing has waited for room."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Blocked:
    """Seconds that coroutines have waited, those that still wait included."""

    def __init__(self) -> None:
        self._over = 0.0
        self._since: list[float] = []

    @property
    def seconds(self) -> float:
        """Of all together."""
        now = time.monotonic()
        return self._over + sum(now - since for since in self._since)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """One more waits."""
        since = time.monotonic()
        self._since.append(since)
        try:
            yield
        finally:
            self._since.remove(since)
            self._over += time.monotonic() - since
