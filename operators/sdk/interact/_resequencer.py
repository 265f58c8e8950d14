"""Messages of scans in the order of their index, however they come. Pure."""

import dataclasses
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)


@dataclasses.dataclass(frozen=True, slots=True)
class _Waiting(Generic[Item]):
    """One message whose turn has not come."""

    start: int
    stop: int
    size: int
    item: Item


@dataclasses.dataclass(frozen=True, slots=True)
class Turn(Generic[Item]):
    """What follows from one message.

    ``ready`` are to be taken now, in this order. ``repeated`` came before under the same place and are
    replaced; ``excess`` is farthest from its turn and must be given back: there is no room for it.
    """

    ready: tuple[Item, ...] = ()
    repeated: tuple[Item, ...] = ()
    excess: tuple[Item, ...] = ()


class Resequencer(Generic[Key, Item]):
    """Holds messages until all before them have come, up to a number of bytes.

    Only a message closes a gap: one with frames, or with tombstones in their place.

    Args:
        max_bytes: What it may hold.
        begin: The first frame of a sequence that has not come; asked once for each.
    """

    def __init__(self, max_bytes: int, begin: Callable[[Key], int]) -> None:
        self._max_bytes = max_bytes
        self._begin = begin
        self._next: dict[Key, int] = {}
        self._waiting: dict[Key, dict[int, _Waiting[Item]]] = {}
        self.bytes = 0

    def add(self, key: Key, start: int, stop: int, size: int, item: Item) -> Turn[Item]:
        """Take one message that covers [start, stop) of a sequence."""
        following = self._next.get(key)
        if following is None:
            following = self._next[key] = self._begin(key)
        if start <= following:
            return Turn(ready=(item, *self._follow(key, max(following, stop))))
        waiting = self._waiting.setdefault(key, {})
        before = waiting.pop(start, None)
        waiting[start] = _Waiting(start, stop, size, item)
        self.bytes += size - (before.size if before is not None else 0)
        repeated = () if before is None else (before.item,)
        return Turn(repeated=repeated, excess=self._excess())

    def _follow(self, key: Key, following: int) -> list[Item]:
        """Everything whose turn has come now that all before a frame has."""
        ready: list[Item] = []
        waiting = self._waiting.get(key, {})
        while waiting:
            start = min(waiting)
            if start > following:
                break
            one = waiting.pop(start)
            self.bytes -= one.size
            ready.append(one.item)
            following = max(following, one.stop)
        if not waiting:
            self._waiting.pop(key, None)
        self._next[key] = following
        return ready

    def _excess(self) -> tuple[Item, ...]:
        given_back: list[Item] = []
        while self.bytes > self._max_bytes:
            key = max(self._waiting, key=lambda one: max(self._waiting[one]) - self._next[one])
            one = self._waiting[key].pop(max(self._waiting[key]))
            self.bytes -= one.size
            given_back.append(one.item)
            if not self._waiting[key]:
                del self._waiting[key]
        return tuple(given_back)

    @property
    def gap(self) -> tuple[Key, int] | None:
        """The sequence that waits longest for a frame, and that frame; None if none does."""
        key = next(iter(self._waiting), None)
        return None if key is None else (key, self._next[key])

    def forget(self, key: Key) -> tuple[Item, ...]:
        """A sequence is over: what waited in it."""
        self._next.pop(key, None)
        gone = self._waiting.pop(key, {})
        self.bytes -= sum(one.size for one in gone.values())
        return tuple(one.item for one in gone.values())

    def clear(self) -> None:
        """Begin anew: what waits is given back by others."""
        self._waiting.clear()
        self._next.clear()
        self.bytes = 0

    @property
    def keys(self) -> tuple[Key, ...]:
        """The sequences it knows."""
        return tuple(self._next)

    def __len__(self) -> int:
        """How many messages wait."""
        return sum(len(waiting) for waiting in self._waiting.values())
