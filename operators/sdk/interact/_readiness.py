"""Waiting at a process's start for what others make: streams, consumers, parameters."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from interact_api.config import OperatorConfig

from interact._errors import BrokerError
from interact._in_effect import Live
from interact._ports import Broker
from interact._tally import Tally
from interact._tasks import wanted

logger = logging.getLogger(__name__)

LOOK_SECONDS = (0.05, 1.0)
"""Between two looks: at first, and at most."""


class Waiting:
    """The patience of one process; what it waits for is in the tally while it does."""

    def __init__(self, tally: Tally, patience: float, ending: asyncio.Event) -> None:
        self._tally = tally
        self._ending = ending
        self._patience = patience
        self._until = time.monotonic() + patience

    async def ready(self, config: OperatorConfig, broker: Broker, live: Live) -> bool:
        """Wait for everything an operator needs; False if the process is to end before.

        Raises:
            BrokerError: If it is not there in time.
        """
        for stream, durable in _needed(config):
            words = f"consumer {durable} of stream {stream}" if durable else f"stream {stream}"

            async def there(stream: str = stream, durable: str = durable) -> bool:
                return await broker.there(stream, durable)

            if not await self._until_holds(there, words):
                return False
        words = f"the parameters in bucket {config.state_bucket}"
        return await self._until_holds(lambda: live.given(broker), words)

    async def _until_holds(self, holds: Callable[[], Awaitable[bool]], words: str) -> bool:
        pause, longest = LOOK_SECONDS
        reason = ""
        while wanted() and not self._ending.is_set():
            try:
                if await holds():
                    self._tally.waits_for = ""
                    return True
            except BrokerError as error:
                reason = f" ({error})"
            if time.monotonic() > self._until:
                raise BrokerError(f"waited {self._patience:g} s for {words} in vain{reason}")
            if not self._tally.waits_for:
                logger.info("waiting for %s", words)
            self._tally.waits_for = words
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._ending.wait()
            pause = min(2 * pause, longest)
        return False


def _needed(config: OperatorConfig) -> list[tuple[str, str]]:
    """Streams and durable consumers an operator uses."""
    found = [(entry.stream, entry.durable) for entry in config.inputs]
    found += [(entry.stream, "") for entry in config.outputs]
    return [*dict.fromkeys(found)]
