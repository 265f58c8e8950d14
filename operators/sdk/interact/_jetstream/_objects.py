"""Objects of JetStream's object store: what is too large for a parameter of an external run."""

from contextlib import suppress
from typing import Final

import nats.errors
import nats.js.errors
from nats.js.object_store import ObjectStore

from interact._errors import BrokerError
from interact._jetstream._connection import JetStream

_TROUBLE: Final = (nats.js.errors.Error, nats.errors.Error, TimeoutError, OSError)


class Objects:
    """Objects of one bucket over one connection.

    Args:
        broker: The connection.
        bucket: Its name.
    """

    def __init__(self, broker: JetStream, bucket: str) -> None:
        self._context = broker.context
        self.bucket = bucket
        self._store: ObjectStore | None = None

    async def put(self, name: str, data: bytes) -> None:
        """Store an object, in place of one of its name.

        Raises:
            BrokerError: If it is not stored, for example because the bucket is full.
        """
        try:
            store = await self._opened()
            await store.put(name, data)
        except _TROUBLE as error:
            words = f"object {self.bucket}/{name} of {len(data):,} bytes was not stored: {error}"
            raise BrokerError(words) from error

    async def remove(self, name: str) -> None:
        """Remove an object, as far as that can be had now."""
        with suppress(*_TROUBLE):
            store = await self._opened()
            await store.delete(name)

    async def _opened(self) -> ObjectStore:
        if self._store is None:
            self._store = await self._context.object_store(self.bucket)
        return self._store
