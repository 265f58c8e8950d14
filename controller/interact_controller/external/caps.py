"""Who may begin: at most so many at once in all, of a system and of an operator, first come first.

Nothing here waits or asks anybody. A run that has to wait for its system's cap holds up nobody of
another system or operator.
"""

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from interact_controller.seen import Key

TOTAL: Final = ("", "")
"""The purse of all runs."""

Purse = tuple[str, str]
"""What a cap is on: ``("system", name)``, ``("operator", name)`` or `TOTAL`."""


class Turn(NamedTuple):
    """The order in which runs come: creation, then name. The key comes with it to be woken."""

    created: str
    name: str
    namespace: str


@dataclass(frozen=True)
class Candidate:
    """A run's attempt that may have to wait: its idempotency key, its object, turn and purses."""

    key: str
    run: Key
    turn: Turn
    purses: tuple[Purse, ...]


class Caps:
    """Who has begun and who waits.

    Args:
        limit: The most of a purse that may have begun; None for no bound. It may change.
    """

    def __init__(self, limit: Callable[[Purse], int | None]) -> None:
        self._limit = limit
        self._held: dict[str, tuple[Purse, ...]] = {}
        self._count: Counter[Purse] = Counter()
        self._waits: dict[str, Candidate] = {}
        self._lines: dict[tuple[Purse, ...], list[tuple[Turn, str]]] = {}

    def holds(self, key: str) -> bool:
        """Whether an attempt may begin, or has begun."""
        return key in self._held

    def hold(self, key: str, purses: tuple[Purse, ...]) -> None:
        """An attempt has begun, whatever the caps say: its claim was there."""
        self._waits.pop(key, None)
        if key not in self._held:
            self._held[key] = (TOTAL, *purses)
            self._count.update(self._held[key])

    def wait(self, one: Candidate) -> None:
        """An attempt would like to begin."""
        if one.key in self._held or one.key in self._waits:
            return
        self._waits[one.key] = one
        heapq.heappush(self._lines.setdefault(one.purses, []), (one.turn, one.key))

    def leave(self, key: str) -> None:
        """An attempt has ended, or would not like to begin now."""
        self._waits.pop(key, None)
        self._count.subtract(self._held.pop(key, ()))

    def admit(self) -> tuple[Key, ...]:
        """Let begin who may, in order; their objects are to be looked at."""
        admitted: list[Key] = []
        while (one := self._next()) is not None:
            self.hold(one.key, one.purses)
            admitted.append(one.run)
        return tuple(admitted)

    def behind(self, key: str) -> Purse | None:
        """The purse that an attempt waits for, for a person to be told; None if for none."""
        one = self._waits.get(key)
        if one is None:
            return None
        return next((purse for purse in (*one.purses, TOTAL) if self._full(purse)), TOTAL)

    def count(self, purse: Purse = TOTAL) -> int:
        """How many have begun."""
        return self._count[purse]

    def _next(self) -> Candidate | None:
        """The first in turn of those whose purses all have room."""
        if not self._lines or self._full(TOTAL):
            return None
        heads = [
            head for purses in tuple(self._lines)
            if (head := self._head(purses)) is not None and not any(map(self._full, purses))
        ]  # fmt: skip
        return self._waits[min(heads)[1]] if heads else None

    def _head(self, purses: tuple[Purse, ...]) -> tuple[Turn, str] | None:
        """The first of a line; who left it is dropped now."""
        line = self._lines[purses]
        while line and line[0][1] not in self._waits:
            heapq.heappop(line)
        if not line:
            del self._lines[purses]
            return None
        return line[0]

    def _full(self, purse: Purse) -> bool:
        limit = self._limit(purse)
        return limit is not None and self._count[purse] >= limit
