"""Dead letters of one pipeline: read, chosen, sent again, removed."""

import uuid
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from interact_api import names

from interact import _chunks, _jetstream, _redrive
from interact._codec import Pieces
from interact._errors import BrokerError
from interact._redrive import Letter, RedriveError
from interact.cli.exits import CommandError, Exit

MARGIN_BYTES = 1 << 20
"""For what a server stores beside the bytes of chunks."""


@dataclass(frozen=True)
class Choice:
    """Which letters a command is about; everything empty for all."""

    numbers: Collection[int] = ()
    operator: str = ""
    scan: str = ""

    def takes(self, one: Letter) -> bool:
        """Whether a letter is among them."""
        return (
            (not self.numbers or one.sequence in self.numbers)
            and self.operator in {"", one.operator}
            and self.scan in {"", one.scan}
        )


@dataclass(frozen=True)
class Sent:
    """What became of a letter: empty ``refused`` if it was sent again, else why not."""

    letter: Letter
    refused: str = ""


@dataclass(frozen=True)
class Box:
    """The dead letters of one pipeline."""

    broker: _jetstream.JetStream
    namespace: str
    pipeline: str

    @property
    def stream(self) -> str:
        """The stream they lie in."""
        return names.dead_letter_stream(self.namespace, self.pipeline)

    async def letters(self, choice: Choice) -> AsyncIterator[Letter]:
        """The chosen letters, oldest first.

        Raises:
            CommandError: If the pipeline has no place for letters, or NATS does not answer.
        """
        if not await self.broker.there(self.stream):
            raise CommandError(
                Exit.NOT_FOUND,
                f"pipeline {self.pipeline!r} in {self.namespace!r} has no dead-letter stream",
                "its streams are made when it starts: look at interact describe, or at interact run",
            )
        last, left = max(choice.numbers, default=0), len(set(choice.numbers))
        subject = names.dead_letter_subject(
            self.namespace, self.pipeline, choice.operator or "*"
        )  # fmt: skip
        found = _jetstream.stored(
            self.broker.context, self.stream, subject, min(choice.numbers, default=1)
        )
        try:
            async with aclosing(found) as messages:
                async for message in messages:
                    if last and message.sequence > last:
                        return
                    operator = message.subject.rpartition(".")[2]
                    one = await self._read(message, operator)
                    if choice.takes(one):
                        left -= 1
                        yield one
                        if choice.numbers and not left:
                            return
        except BrokerError as error:
            raise CommandError(Exit.NO_NATS, str(error)) from error

    async def _read(self, message: _jetstream.StoredMessage, operator: str) -> Letter:
        """A letter; of a large one the head only."""
        payload = await self.broker.large.beginning(message.payload)
        read = _redrive.letter if payload is message.payload else _redrive.head
        return read(message.sequence, payload, message.at, operator)

    async def whole(self, one: Letter) -> Letter:
        """A letter with its data, where only the head was read."""
        if not one.deferred:
            return one
        subject = names.dead_letter_subject(self.namespace, self.pipeline, "*")
        found = _jetstream.stored(self.broker.context, self.stream, subject, one.sequence)
        async with aclosing(found) as messages:
            async for message in messages:
                payload = await self.broker.whole(message.payload)
                if message.sequence != one.sequence or payload is None:
                    break
                return _redrive.letter(one.sequence, payload, message.at, one.operator)
        raise RedriveError(f"letter {one.sequence} is not there any more")

    async def chosen(self, choice: Choice) -> list[Letter]:
        """The same as a list; every number must be there.

        Raises:
            CommandError: If one is not.
        """
        found = [one async for one in self.letters(choice)]
        there = {one.sequence for one in found}
        gone = sorted(set(choice.numbers) - there)
        if gone:
            raise CommandError(
                Exit.NOT_FOUND,
                f"pipeline {self.pipeline!r} has no dead letter {', '.join(map(str, gone))}"
                f"{_narrowed(choice)}",
                f"see which there are: interact dlq list {self.pipeline}",
            )
        return found

    async def send_again(
        self, chosen: Iterable[Letter], *, dry_run: bool = False
    ) -> AsyncIterator[Sent]:
        """Send letters again, oldest first; each is removed once its frame is stored."""
        waiting = list(chosen)
        while waiting:
            group = _halves(waiting)
            waiting = [one for one in waiting if one not in group]
            refused = ""
            try:
                await self._send_group(group, dry_run=dry_run)
            except (RedriveError, BrokerError) as error:
                refused = str(error)
            for one in group:
                yield Sent(one, refused)

    async def _send_group(self, group: Sequence[Letter], *, dry_run: bool) -> None:
        """Send a letter, or all halves of a join: one would wait for the others."""
        first = group[0]
        absent = set(first.joined) - {one.port for one in group}
        if absent:
            raise RedriveError(
                f"letter {first.sequence} is half of a join and must be sent with the letter of "
                f"{first.operator}.{', '.join(sorted(absent))} for the same frames"
            )
        for one in group:
            await self._check_reader(one)
        messages = [_redrive.again(await self.whole(one)) for one in group]
        if dry_run:
            return
        for one, (identity, pieces) in zip(group, messages, strict=True):
            await self._put(one, pieces, identity)
        for one in group:
            await self.remove(one)

    async def _put(self, one: Letter, pieces: Pieces, identity: str) -> None:
        """Store a message where its edge reads, in chunks if it is large."""
        if pieces.size <= self.broker.message_bytes:
            payload = b"".join(pieces.parts)
            await _jetstream.put(self.broker.context, self._subject(one), payload, identity)
            return
        edge = names.stream(self.namespace, self.pipeline, *_port(one))
        key = (self.namespace, self.pipeline, await self.broker.storage(edge))
        place = _chunks.Place(
            names.chunks_stream(*key),
            names.chunks_subject(*key, *_port(one)),
            pieces.size + MARGIN_BYTES,  # all that is before it has to go first
            edge,
        )
        await self.broker.publish_large(
            place, self._subject(one), pieces.header, pieces.parts, pieces.size,
            identity=identity, owner=f"dlq/{uuid.uuid4().hex}",
        )  # fmt: skip

    async def _check_reader(self, one: Letter) -> None:
        """A stream nobody reads says "stored" and keeps nothing."""
        stream = names.stream(self.namespace, self.pipeline, *_port(one))
        if one.source and not await self.broker.there(
            stream, names.durable(one.operator, one.port)
        ):
            raise RedriveError(
                f"letter {one.sequence}: {one.operator}.{one.port} does not read {one.source} any "
                "more; connect it again, or drop the letter"
            )

    def _subject(self, one: Letter) -> str:
        prefix = names.port_subject(self.namespace, self.pipeline, *_port(one))
        return names.scan_subject(prefix, one.scan or "undecodable")

    async def remove(self, one: Letter) -> None:
        """Remove a letter for good.

        Raises:
            BrokerError: If NATS does not do it.
        """
        await _jetstream.remove(self.broker.context, self.stream, one.sequence)


def _port(one: Letter) -> tuple[str, str]:
    operator, _, port = one.source.partition(".")
    return operator, port


def _halves(waiting: Sequence[Letter]) -> list[Letter]:
    """The first letter with the halves it was joined with, each port once."""
    first = waiting[0]
    if not first.joined:
        return [first]
    found = {first.port: first}
    for one in waiting:
        if one.half_of == first.half_of:
            found.setdefault(one.port, one)
    return list(found.values())


def _narrowed(choice: Choice) -> str:
    words = [f"of operator {choice.operator!r}"] if choice.operator else []
    words += [f"of scan {choice.scan!r}"] if choice.scan else []
    return f" {' '.join(words)}" if words else ""
