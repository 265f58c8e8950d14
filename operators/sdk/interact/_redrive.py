"""Dead letters read back, and what to send so that their frames come again. Pure."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from interact_api import wire
from interact_api.wire import Header, WireError

from interact import _codec
from interact._batches import Batch, Bytes, Image
from interact._codec import Pieces
from interact._errors import InteractError
from interact._identity import identity

ADDRESSEE = "redrive"
"""The attribute of a frame sent again: the one input, "operator.port", that is to take it."""
_NO_SCAN = wire.Scan("undecodable", (0,))
UNREADABLE = "unreadable"
"""The kind of a letter that is none of ours."""


class RedriveError(InteractError):
    """A letter that cannot be sent again; says why, and what to do instead."""


@dataclasses.dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter.

    ``sequence`` is its number in the dead-letter stream, by which commands call it; ``message`` that
    of the message it was in, in the stream of ``source`` ("operator.port"). ``at`` is seconds since
    1970. ``start`` and ``stop`` are its frames, ``edition`` how often they had been sent again before.
    ``joined`` are the ports whose halves it was joined of. ``content`` is the kind of its data.
    ``batch`` is None where ``raw`` bytes are all there is, or where only the head was read, which
    ``deferred`` says; ``whole`` says that nothing was left out when it was kept.
    """

    sequence: int
    at: float
    kind: str
    error: str
    traceback: str = ""
    operator: str = ""
    port: str = ""
    source: str = ""
    image: str = ""
    revision: int = 0
    attempts: int = 0
    message: int = 0
    edition: int = 0
    scan: str = ""
    start: int = 0
    stop: int = 0
    joined: tuple[str, ...] = ()
    name: bytes = b""
    content: str = ""
    arrays: tuple[wire.Array, ...] = ()
    batch: Batch | None = None
    raw: bytes = b""
    whole: bool = True
    deferred: bool = False

    @property
    def frames(self) -> str:
        """Its frames in words: a number, a range, or - for none."""
        if self.stop <= self.start:
            return "-"
        return str(self.start) if self.stop == self.start + 1 else f"{self.start}-{self.stop - 1}"

    @property
    def half_of(self) -> tuple[object, ...]:
        """What the halves of one failed join share."""
        return self.operator, self.joined, self.scan, self.start, self.stop, self.edition


def letter(sequence: int, payload: bytes, at: float, operator: str = "") -> Letter:
    """A letter read back, whatever its bytes are.

    Args:
        sequence: Its number in the stream.
        payload: Its bytes.
        at: When it was stored, seconds since 1970.
        operator: Whose subject it lay at.
    """
    try:
        header, batch = _codec.decode(payload)
    except WireError as error:
        return _unreadable(sequence, payload, at, operator, error)
    known = _told(sequence, header, at, operator)
    if known.content == "bytes" and known.kind == "undecodable" and isinstance(batch, Bytes):
        return dataclasses.replace(known, raw=batch.data)
    own = _Facts(header.attributes).map("attributes")
    return dataclasses.replace(known, batch=batch.replace(attributes=own))


def head(sequence: int, payload: bytes, at: float, operator: str = "") -> Letter:
    """The same without the data; of the payload the beginning is enough."""
    try:
        known = _told(sequence, wire.parse(payload)[0], at, operator)
        return dataclasses.replace(known, deferred=True)
    except WireError as error:
        return _unreadable(sequence, payload, at, operator, error)


def _unreadable(
    sequence: int, payload: bytes, at: float, operator: str, error: WireError
) -> Letter:
    words = f"no dead letter of ours: {error}"
    return Letter(sequence, at, UNREADABLE, words, operator=operator, raw=payload, whole=False)


def _told(sequence: int, header: Header, at: float, operator: str) -> Letter:
    """What the header of a letter says."""
    why = _Facts(header.attributes)
    unread = header.kind == "bytes" and why.words("kind") == "undecodable"
    return Letter(
        sequence,
        why.number("at") or at,
        why.words("kind") or "exception",
        why.words("error"),
        why.words("traceback"),
        why.words("operator") or operator,
        why.words("port"),
        why.words("source"),
        why.words("image"),
        int(why.number("revision")),
        int(why.number("attempts")),
        int(why.number("sequence")),
        header.edition,
        "" if unread else wire.decoded_scan(header).id,
        header.start,
        header.stop,
        why.list("joined"),
        header.identity,
        header.kind,
        wire.decoded_arrays(header),
        whole=not (why.given("bare") or why.given("cut")),
    )


class _Facts:
    """Attributes that may hold anything."""

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self._attributes = attributes

    def given(self, name: str) -> bool:
        return name in self._attributes

    def words(self, name: str) -> str:
        value = self._attributes.get(name, "")
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> float:
        value = self._attributes.get(name, 0)
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        return value if plain and 0 <= value < 1 << 62 else 0  # NaN is neither

    def list(self, name: str) -> tuple[str, ...]:
        value = self._attributes.get(name)
        return tuple(map(str, value)) if isinstance(value, list) else ()

    def map(self, name: str) -> dict[str, Any]:
        value = self._attributes.get(name)
        return dict(value) if isinstance(value, dict) else {}


def again(one: Letter) -> tuple[str, Pieces]:
    """The identity and the message by which a letter's frames are sent again.

    They have the next edition, and an address: other readers of the same stream have had them.

    Raises:
        RedriveError: If they are not all there.
    """
    called = f"letter {one.sequence}"
    if one.kind == UNREADABLE or not (one.operator and one.port and one.source):
        raise RedriveError(
            f"{called} does not say where it came from; look at it with show --save, then drop it"
        )
    if not one.whole:
        raise RedriveError(
            f"{called} holds no whole frame: it was too large to be kept; send scan "
            f"{one.scan or 'of it'} again from its source, then drop the letter"
        )
    label = f"{one.operator}.{one.port}"
    if one.batch is None:
        nothing = Header("bytes", wire.encoded_scan(_NO_SCAN), 0, 0, b"", "")
        raw = Pieces(nothing, [one.raw], len(one.raw))
        return identity("", "redrive", label, one.name).hex(), raw
    if isinstance(one.batch, Image) and not one.batch.final:
        raise RedriveError(
            f"{called} is a picture of an unfinished scan, and a later one has replaced it: drop it"
        )
    edition = one.edition + 1
    name = identity("", "redrive", label, one.name, edition)
    marked = one.batch.replace(attributes={**one.batch.attributes, ADDRESSEE: label})
    return name.hex(), _codec.pieces(marked, identity=name, edition=edition)


def received(header: Header, batch: Batch, operator: str, port: str) -> Batch | None:
    """A frame that was sent again, without its address; None if it is for another input."""
    address = header.attributes.get(ADDRESSEE)
    if address is None:
        return batch
    if address != f"{operator}.{port}":
        return None
    left = {name: value for name, value in batch.attributes.items() if name != ADDRESSEE}
    return batch.replace(attributes=left)
