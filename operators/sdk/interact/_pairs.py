"""Halves of a join that wait for each other."""

from collections import OrderedDict
from typing import Generic, TypeVar

Half = TypeVar("Half")
Key = tuple[str, int, int, int]
"""Scan, start and stop: what both halves cover; and the edition."""


class Pairs(Generic[Half]):
    """Messages by what they cover, until every joined port has brought one.

    How many wait is bounded by the consumers: what is held is not acknowledged, and the server
    gives no more than ``max_ack_pending``.
    """

    def __init__(self, ports: set[str]) -> None:
        self._ports = sorted(ports)
        self._waiting: OrderedDict[Key, dict[str, Half]] = OrderedDict()

    def add(self, key: Key, port: str, half: Half) -> tuple[list[Half], Half | None]:
        """Take one message.

        Args:
            key: What it covers.
            port: Where it came in.
            half: The message.

        Returns:
            All halves of the key, by the names of their ports, if this was the last of them,
            else none; and a half that had come before by the same port, which this one replaces.
        """
        halves = self._waiting.setdefault(key, {})
        repeated = halves.pop(port, None)
        halves[port] = half
        if len(halves) < len(self._ports):
            return [], repeated
        del self._waiting[key]
        return [halves[name] for name in self._ports], repeated

    @property
    def oldest(self) -> tuple[Key, str] | None:
        """What has waited longest, and a port it waits for; None if nothing waits."""
        for key, halves in self._waiting.items():
            return key, next(port for port in self._ports if port not in halves)
        return None

    def drop(self, scan_id: str) -> list[Half]:
        """Forget the halves of a scan; those that waited."""
        gone = [key for key in self._waiting if key[0] == scan_id]
        return [half for key in gone for half in self._waiting.pop(key).values()]

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    def __len__(self) -> int:
        """How many keys wait."""
        return len(self._waiting)
