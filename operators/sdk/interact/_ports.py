"""What the runtime needs of a broker, in as few words as possible."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

from interact_api.stream_plan import StreamPlan
from interact_api.wire import Header

from interact._chunks import Elsewhere, Part, Place

Stored = Callable[[], Awaitable[None]]
"""Called once when the broker has stored a message for good."""


class Delivery(Protocol):
    """One message handed to this process; held until it is answered."""

    payload: bytes
    attempt: int
    sequence: int
    """Its number in the stream: the same each time it is given."""

    @property
    def order(self) -> int:
        """How many messages the consumer had given with this one, the same one again counted too."""
        ...

    @property
    def answer_to(self) -> str:
        """Where it is answered, also by a later life of this process."""
        ...

    async def ack(self) -> None:
        """Done; never send it again."""

    async def hand_back(self, seconds: float = 0.0) -> None:
        """Not started; give it to another replica at once, or after some seconds."""

    async def in_progress(self) -> None:
        """Still held; do not give it to another."""


class Inlet(Protocol):
    """Messages of one durable consumer, fetched ahead within bounds."""

    async def take(self) -> Delivery | None:
        """The next message that has arrived; None if none has."""

    @property
    def ahead(self) -> Sequence[Delivery]:
        """What has arrived and was not taken."""
        ...

    def pace(self, seconds: float) -> None:
        """Tell how long one message takes, so that replicas share what there is."""

    async def stop(self) -> Sequence[Delivery]:
        """Fetch no more; what had arrived and was not taken."""
        ...


class Broker(Protocol):
    """Streams as the runtime sees them."""

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
        """Send one message; wait only while the window is full.

        ``stored`` follows; with ``full``, that is called instead where the stream is full. One that
        ``stays`` is the last of its subject, though it was stored before and others after it.
        """

    async def flush(self) -> None:
        """Wait until everything sent is stored."""

    def refused(self, subject: str) -> bool:
        """Whether a message to a subject was refused for want of room, and waits for it."""
        ...

    def consume(
        self,
        stream: str,
        durable: str,
        *,
        wake: Callable[[], None],
        max_bytes: int,
        streamed: bool = False,
    ) -> AbstractAsyncContextManager[Inlet]:
        """Fetch from a durable consumer; ``wake`` is called when something has arrived.

        Large messages come whole, or ``streamed``: as what stands for their chunks.
        """
        ...

    def follow(
        self, stream: str, subject: str, heard: Callable[[bytes], Awaitable[None]]
    ) -> AbstractAsyncContextManager[None]:
        """Call ``heard`` with the last message of each subject, and with every later one."""
        ...

    async def there(self, stream: str, durable: str = "") -> bool:
        """Whether a stream, or a consumer of it, can be used now."""
        ...

    async def tell(self, subject: str, payload: bytes) -> None:
        """Send one message nobody stores."""

    async def get(self, bucket: str, key: str) -> bytes | None:
        """A key's last value."""

    async def put(self, bucket: str, key: str, value: bytes) -> None:
        """Set a key, durably."""

    async def purge(self, stream: str, subject: str) -> None:
        """Remove what a stream holds of a subject, as far as that can be had now."""

    async def forget(self, bucket: str, key: str) -> None:
        """Remove a key and its history."""


@runtime_checkable
class LargeBroker(Protocol):
    """A broker that takes messages of any size, in chunks."""

    message_bytes: int
    """The largest message that goes in one piece."""

    def tend(self, place: Place, owner: str) -> object:
        """Look after the chunks of a place: what a former life left is freed."""

    async def publish_large(
        self,
        place: Place,
        subject: str,
        header: Header,
        parts: Sequence[Part] | Elsewhere,
        size: int,
        *,
        identity: str,
        owner: str,
        patient: bool = True,
    ) -> bool:
        """Store a large message; False where an impatient one found no room."""
        ...

    async def whole(self, payload: bytes) -> bytes | None:
        """A message with its chunks put together; None if it was done with."""


class Plumber(Protocol):
    """Makes and removes streams; the local runner's side of the broker."""

    async def make(self, stream: StreamPlan) -> None:
        """Make a stream and its consumers, in the order that loses nothing."""
