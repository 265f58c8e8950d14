"""A broker without a network: what one process hands out, takes back and is told."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

Stored = Callable[[], Awaitable[None]]


class StubDelivery:
    """One message; answering it is counted."""

    __slots__ = ("_broker", "attempt", "order", "payload", "sequence")

    def __init__(self, broker: "StubBroker", payload: bytes) -> None:
        self._broker = broker
        self.payload = payload
        self.attempt = 1
        self.order = self.sequence = broker.left

    @property
    def answer_to(self) -> str:
        return ""

    async def ack(self) -> None:
        self._broker.acked += 1

    async def hand_back(self, seconds: float = 0.0) -> None:
        del seconds
        self._broker.handed_back += 1

    async def in_progress(self) -> None:
        pass


class StubInlet:
    """The same payload a number of times; calls back at the end."""

    def __init__(self, broker: "StubBroker") -> None:
        self._broker = broker

    async def take(self) -> StubDelivery | None:
        broker = self._broker
        if broker.began == 0.0:
            broker.began = time.process_time()
        if not broker.left:
            broker.ended = broker.ended or time.process_time()
            broker.empty()
            return None
        broker.left -= 1
        return StubDelivery(broker, broker.payload)

    @property
    def ahead(self) -> Sequence[StubDelivery]:
        return ()

    def pace(self, seconds: float) -> None:
        pass

    async def stop(self) -> Sequence[StubDelivery]:
        return ()


class StubBroker:
    """Implements what `interact._ports` asks of a broker; everything is stored at once."""

    def __init__(self, payload: bytes, messages: int) -> None:
        self.payload = payload
        self.messages = self.left = messages
        self.empty: Callable[[], None] = lambda: None
        self.state: dict[tuple[str, str], bytes] = {}
        self.began = self.ended = 0.0
        self.acked = self.handed_back = self.published = self.bytes_published = 0

    @property
    def microseconds(self) -> float:
        """CPU time of a message, from taking the first to asking for one more than there are."""
        return 1e6 * (self.ended - self.began) / self.messages

    async def publish(
        self,
        subject: str,
        payload: bytes,
        *,
        identity: str = "",
        stored: Stored | None = None,
        full: Stored | None = None,
        stays: bool = False,
    ) -> None:
        del subject, identity, full, stays
        self.published += 1
        self.bytes_published += len(payload)
        if stored is not None:
            await stored()

    async def flush(self) -> None:
        pass

    def refused(self, subject: str) -> bool:
        del subject
        return False

    @asynccontextmanager
    async def consume(
        self, stream: str, durable: str, *, wake: Callable[[], None], max_bytes: int
    ) -> AsyncIterator[StubInlet]:
        del stream, durable, wake, max_bytes
        yield StubInlet(self)

    @asynccontextmanager
    async def follow(
        self, stream: str, subject: str, heard: Callable[[bytes], Awaitable[None]]
    ) -> AsyncIterator[None]:
        del stream, subject, heard
        yield

    async def there(self, stream: str, durable: str = "") -> bool:
        del stream, durable
        return True

    async def tell(self, subject: str, payload: bytes) -> None:
        pass

    async def get(self, bucket: str, key: str) -> bytes | None:
        return self.state.get((bucket, key))

    async def forget(self, bucket: str, key: str) -> None:
        self.state.pop((bucket, key), None)

    async def purge(self, stream: str, subject: str) -> None:
        pass

    async def put(self, bucket: str, key: str, value: bytes) -> None:
        self.state[bucket, key] = value
