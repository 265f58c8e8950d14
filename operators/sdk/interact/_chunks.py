"""Messages too large for one: cut in chunks, named by a descriptor, accounted for in a ledger. Pure.

The chunks of a message are a *group*: messages of their own on a data stream. The descriptor is a
small message on the edge, with the header of the whole and encoding ``chunked``; while it is stored
its group is needed. Before its first chunk a group stands in the ledger of its port, a list in the
order of arrival: it may be written once all that is listed before it and itself fit the port's bytes.
So what is half written always has room for its rest, and nobody overtakes for ever.
"""

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import msgspec
from interact_api import wire
from interact_api.config import ChunksConfig
from interact_api.wire import Header, WireError

Part = bytes | memoryview

MESSAGE_BYTES = 8 << 20
"""A larger message goes as chunks: far below max_payload (64 MiB) and records of files (32 MiB)."""
CHUNK_BYTES = 4 << 20
OVERHEAD_BYTES = 512
"""What a server stores beside the bytes of a chunk: its subject and a record's head."""
ENCODING = "chunked"
_KEY = "chunks"


class Unread(Exception):  # noqa: N818  # caught where it is raised for
    """A large message that cannot be read."""


class Gone(Unread):
    """The group was swept: its message was done with, or is sent again under another name."""


class Broken(Unread):
    """A chunk is missing or changed."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the chunks of a port go.

    Attributes:
        stream: The data stream.
        subject: What the subjects of the port's chunks begin with.
        max_bytes: What they may take together.
        refers: The stream of the descriptors.
        drops: Whether the oldest gives way when there is no room.
    """

    stream: str
    subject: str
    max_bytes: int
    refers: str
    drops: bool = False

    def subject_of(self, group: str, number: int | str) -> str:
        """The subject of a chunk; ``*`` for all of a group."""
        return f"{self.subject}.{group}.{number}"

    @property
    def ledger(self) -> str:
        """The subject of what is reserved."""
        return f"{self.subject}._ledger"


def place(config: ChunksConfig | None, refers: str, *, drops: bool = False) -> Place | None:
    """The place a process is told of."""
    if config is None:
        return None
    return Place(config.stream, config.subject, config.max_bytes, refers, drops)


class Descriptor(msgspec.Struct, frozen=True):
    """What a receiver must know of a group; ``digest`` is SHA-256, hexadecimal."""

    stream: str
    ledger: str
    subject: str
    count: int
    size: int
    digest: str


def descriptor_message(header: Header, descriptor: Descriptor) -> bytes:
    """The message that stands for the chunks: it covers what the whole covers."""
    attributes = {_KEY: msgspec.to_builtins(descriptor)}
    return wire.prefix_and_header(
        msgspec.structs.replace(
            header, arrays=wire.NO_ARRAYS, attributes=attributes, encoding=ENCODING
        )
    )


def described(payload: bytes) -> Descriptor | None:
    """The descriptor in a message; None if the message is whole, or not one of ours."""
    if payload[wire.FLAGS] != wire.ENCODED:
        return None
    try:
        header, _ = wire.parse(payload)
        if header.encoding != ENCODING:
            return None
        found = msgspec.convert(header.attributes.get(_KEY), Descriptor)
    except (WireError, msgspec.MsgspecError):
        return None
    return found if 0 < found.count <= found.size else None


class Elsewhere(Protocol):
    """A message that is not in memory."""

    def parts(self) -> AsyncGenerator[Part]:
        """Its bytes from the first; each call begins anew."""
        ...


class Cutter:
    """A message in pieces of so many bytes, as its parts come; views where they can be."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._pending: list[memoryview] = []
        self._have = 0

    def add(self, part: Part) -> Iterator[Part]:
        """The pieces that are whole with another part."""
        view = memoryview(part).cast("B") if len(part) else memoryview(b"")
        while len(view):
            piece = view[: self._size - self._have]
            view = view[len(piece) :]
            self._pending.append(piece)
            self._have += len(piece)
            if self._have == self._size:
                yield from self.rest()

    def rest(self) -> Iterator[Part]:
        """What is left, if anything."""
        pending, self._pending, self._have = self._pending, [], 0
        if pending:
            yield pending[0] if len(pending) == 1 else b"".join(pending)


def slices(parts: Iterable[Part], size: int) -> Iterator[Part]:
    """A message in pieces of so many bytes, the last one shorter."""
    cutter = Cutter(size)
    for part in parts:
        yield from cutter.add(part)
    yield from cutter.rest()


async def cut(parts: Iterable[Part] | Elsewhere, size: int) -> AsyncGenerator[Part]:
    """The same, of a message that may be elsewhere.

    Raises:
        Unread: If it is not there any more.
    """
    if isinstance(parts, Iterable):
        for piece in slices(parts, size):
            yield piece
        return
    cutter = Cutter(size)
    async with aclosing(parts.parts()) as found:
        async for part in found:
            for piece in cutter.add(part):
                yield piece
            del part
    for piece in cutter.rest():
        yield piece


def reserved_bytes(size: int, chunk_bytes: int) -> int:
    """What a message takes of its port's room."""
    return size + -(-size // chunk_bytes) * OVERHEAD_BYTES


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A group in the ledger.

    ``owner`` writes it, in one ``life``; ``beat`` grows while it does. ``sequence`` is that of the
    stored descriptor, 0 before. A ``dead`` entry is being swept: its owner must not use it.
    """

    group: str
    size: int
    owner: str
    life: str
    beat: int = 0
    sequence: int = 0
    dead: bool = False


Entries = tuple[Entry, ...]

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Entries)


def encode_entries(entries: Entries) -> bytes:
    """The ledger as it is stored."""
    return _encoder.encode(entries)


def decode_entries(payload: bytes) -> Entries:
    """The ledger read back; empty if it is not one."""
    try:
        return _decoder.decode(payload)
    except msgspec.MsgspecError:
        return ()


def find(entries: Entries, group: str) -> Entry | None:
    """A group's entry."""
    return next((one for one in entries if one.group == group), None)


def granted(entries: Entries, group: str, max_bytes: int) -> bool:
    """Whether a group may be written: it fits together with all before it."""
    total = 0
    for one in entries:
        total += one.size
        if one.group == group:
            return total <= max_bytes and not one.dead
    return False


def without(entries: Entries, groups: Sequence[str] | set[str]) -> Entries:
    """The ledger without some groups."""
    return tuple(one for one in entries if one.group not in groups)


def changed(entries: Entries, entry: Entry) -> Entries:
    """The ledger with one entry changed."""
    return tuple(entry if one.group == entry.group else one for one in entries)
