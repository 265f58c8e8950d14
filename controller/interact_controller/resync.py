"""Finding what somebody changed in JetStream: one listing is compared with what reconciles saw.

Nothing tells us when a stream is changed by hand. A listing of all our streams costs one request for
256 of them, so that a thousand idle pipelines are looked at in a few requests; only a pipeline whose
streams differ from what its last reconcile saw is woken.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from interact_controller import labels, stream_json
from interact_controller.errors import ControllerError
from interact_controller.seen import Key, Kind, StreamSeen

logger = logging.getLogger(__name__)

SOON_SECONDS: Final = 1.0
"""After a new connection to NATS."""


class Watched(Protocol):
    """What is needed of JetStream."""

    saw: dict[tuple[str, str], int]
    """Signature of the streams that the last reconcile of each pipeline saw."""

    async def streams(self, installation: str) -> Sequence[StreamSeen]:
        """All streams of an installation."""
        ...


class Resync:
    """The loop that compares.

    Args:
        broker: JetStream.
        installation: Id of ours.
        wake: Called with the key of each pipeline whose streams differ.
        seconds: Between two listings.
    """

    def __init__(
        self,
        broker: Watched,
        installation: str,
        wake: Callable[[Key], None],
        seconds: float,
    ) -> None:
        self._broker = broker
        self._installation = installation
        self._wake = wake
        self._seconds = seconds
        self._soon = asyncio.Event()

    def soon(self) -> None:
        """Compare without waiting: NATS was away."""
        self._soon.set()

    async def run(self) -> None:
        """Compare for ever."""
        while True:
            try:
                async with asyncio.timeout(self._seconds):
                    await self._soon.wait()
                    await asyncio.sleep(SOON_SECONDS)
            except TimeoutError:
                pass
            self._soon.clear()
            try:
                await self.once()
            except ControllerError as error:
                logger.info("streams could not be listed", extra={"error": str(error)})

    async def once(self) -> None:
        """Compare once."""
        found: dict[tuple[str, str], list[StreamSeen]] = {}
        for one in await self._broker.streams(self._installation):
            place = (
                one.metadata.get(labels.STREAM_NAMESPACE, ""),
                one.metadata.get(labels.STREAM_PIPELINE, ""),
            )
            found.setdefault(place, []).append(one)
        for place, saw in list(self._broker.saw.items()):
            if saw != stream_json.signature(found.get(place, ())):
                self._wake(Key(Kind.PIPELINE, *place))

    def forget(self, namespace: str, pipeline: str) -> None:
        """A pipeline is gone."""
        self._broker.saw.pop((namespace, pipeline), None)
