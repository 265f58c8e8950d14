"""The ledger of a port's chunks: one message of the data stream, changed by compare and set."""

import asyncio
import json
import logging
import random
from collections.abc import Callable

from nats.aio.client import Client

from interact import _chunks
from interact._chunks import Entries, Place
from interact._jetstream import _asking

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 0.05
"""Between two tries of a change that another was faster with, or that got no answer."""
MOST_PAUSE_SECONDS = 1.0


class Ledger:
    """What is reserved of a place, as this process last saw it."""

    def __init__(self, client: Client, place: Place) -> None:
        self.entries: Entries = ()
        self._client = client
        self._place = place
        self._revision: int | None = None
        self._lock = asyncio.Lock()

    async def load(self) -> bool:
        """Look at what is stored; whether there was an answer."""
        async with self._lock:
            return await self._load()

    async def change(self, step: Callable[[Entries], Entries]) -> Entries:
        """Replace the entries by what ``step`` makes of them; waits while NATS is away.

        ``step`` may be called several times, each time with what others have stored meanwhile.

        Raises:
            BrokerError: If the connection is closed for good.
        """
        async with self._lock:
            pause = PAUSE_SECONDS
            while True:
                if self._revision is not None:
                    wanted = step(self.entries)
                    if wanted == self.entries or await self._put(wanted):
                        return self.entries
                if not await self._load():
                    pause = min(2 * pause, MOST_PAUSE_SECONDS)
                await asyncio.sleep(pause * random.uniform(0.2, 1.0))  # noqa: S311

    async def _load(self) -> bool:
        found = await _asking.last_message(self._client, self._place.stream, self._place.ledger)
        if found is None:
            return False
        payload, self._revision = found
        self.entries = _chunks.decode_entries(payload) if payload else ()
        return True

    async def _put(self, entries: Entries) -> bool:
        headers = {"Nats-Expected-Last-Subject-Sequence": str(self._revision)}
        payload = _chunks.encode_entries(entries)
        answer = await _asking.ask(self._client, self._place.ledger, payload, headers)
        reply = json.loads(answer.data or b"{}") if answer is not None else {}
        code = _asking.refusal(reply)
        if code:
            self._revision = None
            if code > 0 and code not in _asking.WRONG_REVISION:
                text = (reply.get("error") or {}).get("description")
                logger.warning("stream %s refuses what is reserved: %s", self._place.stream, text)
            return False
        self.entries, self._revision = entries, int(reply["seq"])
        return True
