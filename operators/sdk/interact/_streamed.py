"""A message that is read in pieces, so that a frame may be larger than the memory there is."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Generic, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
from interact_api import wire
from interact_api.wire import Header

from interact import _chunks, _codec
from interact._batches import Array, Batch
from interact._chunks import Descriptor, Elsewhere, Part, Unread
from interact._errors import BatchError
from interact._ports import Delivery

T = TypeVar("T")
B = TypeVar("B", bound=Batch)


class Source(Elsewhere, Protocol):
    """Where the bytes of a message are; its parts have a chunk at most."""

    size: int


@runtime_checkable
class Chunked(Protocol):
    """A broker that gives large messages chunk by chunk."""

    def chunks(self, descriptor: Descriptor) -> AsyncGenerator[bytes]:
        """The chunks in order; see `interact._jetstream._assembly`."""
        ...

    async def chunk(self, descriptor: Descriptor, number: int) -> bytes:
        """One of them."""
        ...


class Held:
    """The bytes of a message that came in one piece."""

    def __init__(self, payload: bytes) -> None:
        self.size = len(payload)
        self._payload = payload

    async def parts(self) -> AsyncGenerator[Part]:
        """All of them."""
        view = memoryview(self._payload)
        for at in range(0, self.size, _chunks.CHUNK_BYTES):
            yield view[at : at + _chunks.CHUNK_BYTES]


class Remote:
    """The bytes of a message whose chunks are in a stream; the first one has been read."""

    def __init__(self, broker: Chunked, descriptor: Descriptor) -> None:
        self.size = descriptor.size
        self._broker = broker
        self._descriptor = descriptor
        self._begun: tuple[bytes, AsyncGenerator[bytes]] | None = None

    async def beginning(self) -> bytes:
        """The first chunk; it is kept until it is read again."""
        following = self._broker.chunks(self._descriptor)
        first = await anext(following)
        self._begun = first, following
        return first

    async def parts(self) -> AsyncGenerator[Part]:
        """All of them, and at the end whether they are what was sent."""
        begun, self._begun = self._begun, None
        first, following = begun or (b"", self._broker.chunks(self._descriptor))
        async with aclosing(following):
            if first:
                yield first
            del begun, first
            async for chunk in following:
                yield chunk
                del chunk  # while the next one comes

    async def array(self, place: wire.Array, body: int, chunk_bytes: int) -> Array:
        """A small array, wherever it is."""
        begin, end = body + place.offset, body + place.offset + place.size
        numbers = range(begin // chunk_bytes, -(-end // chunk_bytes))
        found = b"".join([await self._broker.chunk(self._descriptor, one) for one in numbers])
        at = begin - numbers.start * chunk_bytes
        return np.frombuffer(found[at : at + place.size], place.dtype).reshape(place.shape)

    async def close(self) -> None:
        """Read no more."""
        begun, self._begun = self._begun, None
        if begun is not None:
            await begun[1].aclose()


@dataclasses.dataclass
class Message:
    """What was sent, as it was sent: ``fault`` is what kept it from being read."""

    source: Source
    header: Header
    body: int
    arrays: tuple[wire.Array, ...]
    frames: Batch
    fault: Unread | None = None
    _loops: list[AsyncGenerator[Any]] = dataclasses.field(default_factory=list)

    async def parts(self) -> AsyncGenerator[Part]:
        """Its bytes; what goes wrong is remembered, whatever a kernel makes of it."""
        try:
            async with aclosing(self.source.parts()) as parts:
                async for part in parts:
                    yield part
                    del part
        except Unread as fault:
            self.fault = fault
            raise

    async def walk(self, units: Mapping[str, int]) -> AsyncGenerator[tuple[wire.Array, int, Part]]:
        """The arrays named, as they come: the array, a byte's place in it, whole units from there.

        A unit that lies in two parts is put together and comes alone.
        """
        places = [place for place in self.arrays if place.size and place.name in units]
        at = 0
        rest = bytearray()
        async with aclosing(self.parts()) as parts:
            async for part in parts:
                view = memoryview(part).cast("B")
                for place in places:
                    begin = self.body + place.offset
                    low, high = max(begin, at), min(begin + place.size, at + len(view))
                    if low < high:
                        inside = view[low - at : high - at]
                        for first, whole in _units(inside, low - begin, units[place.name], rest):
                            yield place, first, whole
                            del whole
                        del inside
                at += len(view)
                del part, view

    def loop(self, begun: AsyncGenerator[T]) -> AsyncIterator[T]:
        """A loop of a kernel, which may leave it early."""
        self._loops.append(begun)
        return begun

    async def close(self) -> None:
        """Read no more."""
        left, self._loops = self._loops, []
        for begun in left:
            await begun.aclose()
        if isinstance(self.source, Remote):
            await self.source.close()


def _units(
    view: memoryview, first: int, unit: int, rest: bytearray
) -> list[tuple[int, bytes | memoryview]]:
    """Bytes of an array from a place on, as whole units; what is left over goes into ``rest``."""
    found: list[tuple[int, bytes | memoryview]] = []
    if rest:
        missing = unit - len(rest)
        begin = first - len(rest)
        rest += view[:missing]
        first, view = first + len(view[:missing]), view[missing:]
        if len(rest) == unit:
            found.append((begin, bytes(rest)))
            rest.clear()
    whole = len(view) // unit * unit
    if whole:
        found.append((first, view[:whole]))
    rest += view[whole:]
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of one frame: ``data`` has shape (rows, columns) and begins at row ``first``.

    ``frame`` is the number of the frame in the acquisition.
    """

    frame: int
    first: int
    data: Array


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """Some elements of one array: ``data`` has shape (n,) and begins at element ``first``, C order."""

    array: str
    first: int
    data: Array


class Streamed(Batch, Generic[B], frozen=True, kw_only=True, eq=False):
    """An input that is read in pieces: annotate it ``Streamed[DenseFrames]``, in an ``async def``.

    It says what every batch says, and has `values`, `dense` and `sparse` for what is made of it; its
    numbers come by one of the loops below, each of which begins anew. What has been read is compared
    with what was sent after the last piece: a loop that comes to its end has read the message as it was
    sent, and until then nothing should be done that cannot be done again.
    """

    message: Message

    @property
    def kind(self) -> str:  # type: ignore[override]  # that of what was sent
        """Kind of the message: dense, sparse, values, image or bytes."""
        return self.message.header.kind

    @property
    def divisible(self) -> bool:
        """Whether its frames can be tried one by one: those of images can."""
        return self.kind == "dense"

    @property
    def size(self) -> int:
        """Bytes of the message."""
        return self.message.source.size

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each array by its name, as it was sent."""
        return {place.name: place.shape for place in self.message.arrays}

    def rows(self) -> AsyncIterator[Rows]:
        """The frames from the first to the last, some rows at a time: a chunk of 4 MiB at most.

        A row is never cut, however long it is.

        Raises:
            BatchError: If the message has no images.
        """
        place = next((one for one in self.message.arrays if one.name == "data"), None)
        if self.kind != "dense" or place is None:
            raise BatchError(f"a message of kind {self.kind} has no rows: read its pieces()")
        return self.message.loop(self._rows(place))

    async def _rows(self, place: wire.Array) -> AsyncGenerator[Rows]:
        _, rows, columns = place.shape
        width = columns * int(place.dtype[-1])
        index, wanted = self.message.frames.index, set(self.index.tolist())
        async with aclosing(self.message.walk({"data": width})) as walk:
            async for _, first, part in walk:
                data = np.frombuffer(part, place.dtype).reshape(-1, columns)
                row, done = first // width, 0
                while done < len(data):
                    number, begin = divmod(row + done, rows)
                    count = min(rows - begin, len(data) - done)
                    frame = int(index[number])
                    if frame in wanted:
                        yield Rows(frame, begin, data[done : done + count])
                    done += count
                del part, data

    def pieces(self) -> AsyncIterator[Piece]:
        """All arrays one after the other, some elements at a time: a chunk of 4 MiB at most.

        Raises:
            BatchError: If frames of the message were left out since it was sent.
        """
        if len(self) != len(self.message.frames):
            raise BatchError(
                f"{len(self)} of {len(self.message.frames)} frames of this message are to be taken: "
                "read it with rows() or whole()"
            )
        return self.message.loop(self._pieces())

    async def _pieces(self) -> AsyncGenerator[Piece]:
        units = {one.name: int(one.dtype[-1]) for one in self.message.arrays}
        async with aclosing(self.message.walk(units)) as walk:
            async for place, first, part in walk:
                data = np.frombuffer(part, place.dtype)
                yield Piece(place.name, first // units[place.name], data)
                del part, data

    async def whole(self) -> B:
        """The batch in memory, as an input that is not streamed."""
        buffer = io.BytesIO()
        async with aclosing(self.message.parts()) as parts:
            async for part in parts:
                buffer.write(part)
                del part
        _, batch = _codec.decode(buffer.getvalue())
        if len(self) != len(batch):
            batch = batch.select(np.isin(batch.index, self.index))
        facts: dict[str, Any] = {
            name: getattr(self, name) for name in ("start", "stop", "tombstones", "attributes")
        }
        return cast("B", batch.replace(**facts))


@asynccontextmanager
async def reading(given: Mapping[str, Batch]) -> AsyncIterator[None]:
    """While a kernel reads: what kept it from that counts, not what it raised or returned then."""
    messages = [part.message for part in given.values() if isinstance(part, Streamed)]
    try:
        yield
    finally:
        for message in messages:
            await message.close()
            if message.fault is not None:
                raise message.fault


async def opened(broker: object, delivery: Delivery) -> tuple[Header, Batch]:
    """The header of a message, and the message itself, to be read in pieces.

    Raises:
        WireError: If it is not a whole message.
        Unread: If its chunks are not there.
    """
    descriptor: Descriptor | None = getattr(delivery, "chunks", None)
    if descriptor is None or not isinstance(broker, Chunked):
        header, batch = _codec.decode(delivery.payload)
        return header, batch if header.kind in {"none", "end"} else streamed(delivery.payload)
    source = Remote(broker, descriptor)
    try:
        first = await source.beginning()
        _, body = wire.parse(first)
        header, _ = wire.parse(first[:body])  # a header keeps the bytes it was read from
        places = wire.decoded_arrays(header, source.size - body)
        arrays = {
            place.name: await source.array(place, body, len(first))
            for place in places
            if place.name in {"y", "x"}
        }
        return header, _made(source, header, body, _codec.frames_of(header, arrays))
    except BaseException:
        await source.close()
        raise


def streamed(payload: bytes) -> Streamed[Any]:
    """A message that is in memory, to be read as one that is not.

    Raises:
        WireError: If it is not a whole message.
    """
    header, body = wire.parse(payload)
    _, batch = _codec.decode(payload)
    return _made(Held(payload), header, body, Batch(**batch.frame()))


def _made(source: Source, header: Header, body: int, frames: Batch) -> Streamed[Any]:
    message = Message(source, header, body, wire.decoded_arrays(header, source.size - body), frames)
    return Streamed(**frames.frame(), message=message)
