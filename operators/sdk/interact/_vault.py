"""Values of any size in a key-value bucket, replaced as a whole or not at all."""

import asyncio
import json
from hashlib import blake2b

from interact._ports import Broker

PART_BYTES = 4 << 20


class Vault:
    """Values of one owner.

    A value lies in parts under one of two places; a small head says which place is the good one.
    The head is written last, so that a crash leaves the value before.
    """

    def __init__(self, broker: Broker, bucket: str, owner: str) -> None:
        self._broker = broker
        self._bucket = bucket
        self._owner = owner
        self._heads: dict[str, dict[str, int | str]] = {}

    async def save(self, key: str, value: bytes) -> None:
        """Replace a value.

        Raises:
            BrokerError: If the bucket has no room.
        """
        before = self._heads.get(key) or {"place": 1, "parts": 0}
        place = 1 - int(before["place"])
        parts = [value[at : at + PART_BYTES] for at in range(0, len(value), PART_BYTES)] or [b""]
        for number, part in enumerate(parts):
            await self._broker.put(self._bucket, self._part(key, place, number), part)
        digest = await asyncio.to_thread(_digest, value)
        head: dict[str, int | str] = {"place": place, "parts": len(parts), "digest": digest}
        await self._broker.put(self._bucket, self._name(key), json.dumps(head).encode())
        self._heads[key] = head
        for number in range(int(before["parts"])):
            await self._broker.forget(self._bucket, self._part(key, int(before["place"]), number))

    async def load(self, key: str) -> bytes | None:
        """A value; None if there is none, or not all of it."""
        stored = await self._broker.get(self._bucket, self._name(key))
        if stored is None:
            return None
        head = json.loads(stored)
        parts = [
            await self._broker.get(self._bucket, self._part(key, head["place"], number))
            for number in range(head["parts"])
        ]
        if any(part is None for part in parts):
            return None
        value = b"".join(part for part in parts if part is not None)
        if _digest(value) != head["digest"]:
            return None
        self._heads[key] = head
        return value

    async def forget(self, key: str) -> None:
        """Remove a value."""
        head = self._heads.pop(key, None)
        if head is None:
            return
        await self._broker.forget(self._bucket, self._name(key))
        for number in range(int(head["parts"])):
            await self._broker.forget(self._bucket, self._part(key, int(head["place"]), number))

    def _name(self, key: str) -> str:
        return f"{self._owner}.{key}"

    def _part(self, key: str, place: int, number: int) -> str:
        return f"{self._owner}.{key}.{place}.{number}"


def _digest(value: bytes) -> str:
    return blake2b(value, digest_size=16).hexdigest()
