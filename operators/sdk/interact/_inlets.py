"""Where an operator's messages come from, opened and closed together."""

from collections.abc import Callable, Collection
from contextlib import AsyncExitStack

from interact_api.config import InputConfig, OperatorConfig

from interact._ports import Broker, Inlet

PREFETCH_BYTES = 16 << 20


class Inlets:
    """The durable consumers of one replica."""

    def __init__(
        self,
        config: OperatorConfig,
        broker: Broker,
        wake: Callable[[], None],
        streamed: Collection[str] = (),
    ) -> None:
        """Begin.

        Args:
            config: Names the consumers.
            broker: Where they are.
            wake: Called when something has arrived.
            streamed: Ports whose messages are read in pieces.
        """
        self._streamed = streamed
        self._entries = [entry for entry in config.inputs if entry.join != "latest"]
        self._broker = broker
        self._wake = wake
        self._stack = AsyncExitStack()
        self.open: list[tuple[InputConfig, Inlet]] = []

    async def start(self) -> None:
        """Begin to fetch."""
        for entry in self._entries:
            more = {"streamed": True} if entry.port in self._streamed else {}
            inlet = await self._stack.enter_async_context(
                self._broker.consume(
                    entry.stream,
                    entry.durable,
                    wake=self._wake,
                    max_bytes=PREFETCH_BYTES,
                    **more,
                )
            )
            self.open.append((entry, inlet))

    async def stop(self) -> None:
        """Fetch no more, and hand back what was not taken."""
        inlets, self.open = self.open, []
        for _, inlet in inlets:
            for left in await inlet.stop():
                await left.hand_back()
        await self._stack.aclose()
