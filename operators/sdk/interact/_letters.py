"""Dead letters: what could not be processed is kept, with the reason."""

import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from interact_api.config import InputConfig, OperatorConfig
from interact_api.wire import Header, Json, Scan, WireError

from interact import _chunks, _codec, _copied
from interact._batches import Batch, Bytes
from interact._carrier import Carrier
from interact._chunks import Unread
from interact._errors import TooLarge
from interact._identity import identity
from interact._kernel import MOST_WORDS, Failed
from interact._ports import Broker, Delivery
from interact._scan import Tombstone
from interact._streamed import Streamed
from interact._tally import Tally

MOST_COUNTED = 1024
"""Failures that are remembered, so that none is counted twice."""
IMAGE_VARIABLE = "INTERACT_IMAGE"
"""Names the image the process runs in; whoever starts it sets it."""
MOST_NAME = 300
UNREADABLE_SCAN = Scan("undecodable", (0,))
"""What messages belong to that nobody can read."""

Work = tuple[InputConfig, Delivery, Header, Batch]


class Letters:
    """One operator's way to the dead-letter stream.

    Attributes:
        revision: Of the parameters in use.
        works: What is being processed, the halves of a join: facts of the delivery.
    """

    def __init__(
        self, config: OperatorConfig, broker: Broker, tally: Tally, image: str | None = None
    ) -> None:
        self.revision = config.revision
        self.works: Sequence[Work] = ()
        self._config = config
        self._broker = broker
        self._carrier = Carrier(broker, f"{config.operator}/{tally.replica}")
        self._place = _chunks.place(config.dead_letter_chunks, config.dead_letter_stream)
        self._tally = tally
        self._image = os.environ.get(IMAGE_VARIABLE, "") if image is None else image
        self._sources = {entry.port: entry.source for entry in config.inputs}
        self._counted: dict[tuple[bytes, int, int], None] = {}

    async def undecodable(
        self,
        port: str,
        payload: bytes,
        error: WireError,
        *,
        stored: Callable[[], Awaitable[None]],
        came: tuple[InputConfig, Delivery] | None = None,
    ) -> None:
        """Keep a message nobody can read, as it came; ``stored`` follows."""
        self._tally.undecodable += 1
        self._tally.fail(f"{self._config.operator}.{port}: {error}", 0, "undecodable")
        why = self._why(port, f"{type(error).__name__}: {error}", "", "undecodable")
        sequence = 0  # of the message: sent again it is another, and another letter
        if came is not None:
            entry, delivery = came
            sequence = delivery.sequence
            why |= {
                "source": entry.source, "attempts": delivery.attempt, "sequence": delivery.sequence,
            }  # fmt: skip
        name = identity(self._config.run, self._config.operator, port, payload, sequence)
        letter = Bytes(scan=UNREADABLE_SCAN, start=0, stop=0, data=payload, attributes=why)
        try:
            await self._publish(name, letter, stored=stored)
        except TooLarge as size:  # another program may send to the last byte
            fitting = payload[: size.limit // 2]
            cut = letter.replace(data=fitting, attributes={**why, "cut": len(payload)})
            await self._publish(name, cut, stored=stored)

    async def failed(self, header: Header, failures: Sequence[Failed]) -> None:
        """Keep each frame a kernel failed on, alone, as a message of its kind.

        Args:
            header: Of the message they came in.
            failures: The frames; the halves of a join make a letter each.
        """
        came = {work[0].port: work for work in self.works}
        for failure in failures:
            self._count(header, failure)
            ports = list(failure.part)
            for port, part in failure.part.items():
                why = self._why(port, failure.error, failure.digest, failure.kind)
                why["attempts"] = failure.attempts
                if len(ports) > 1:
                    why["joined"] = list[Json](ports)
                own = header
                if port in came:
                    entry, delivery, own, _ = came[port]
                    why |= {"source": entry.source, "sequence": delivery.sequence}
                await self._keep(own, port, part, why)
        if failures:
            await self._broker.flush()  # the input is acknowledged only when they are safe

    def _count(self, header: Header, failure: Failed) -> None:
        """Count frames that failed; those of a message that is given once more are counted already."""
        part = next(iter(failure.part.values()))
        mark = header.identity, header.edition, alone(part).start
        if mark in self._counted:
            return
        self._counted[mark] = None
        if len(self._counted) > MOST_COUNTED:
            del self._counted[next(iter(self._counted))]
        words = f"{self._config.operator}: {failure.error}"
        self._tally.fail(words, max(len(part), 1), failure.kind)

    def _why(self, port: str, error: str, trace: str, kind: str) -> dict[str, Json]:
        return {
            "error": error[:MOST_WORDS],
            "traceback": trace[-MOST_WORDS:],
            "kind": kind,
            "operator": self._config.operator,
            "port": port,
            "source": self._sources.get(port, ""),
            "image": self._image[:MOST_NAME],
            "revision": self.revision,
            "attempts": 1,
            "sequence": 0,
            "at": round(time.time(), 3),
        }

    async def _keep(self, header: Header, port: str, part: Batch, why: Mapping[str, Json]) -> None:
        part = alone(part)
        label = f"dead.{port}" if "joined" in why else "dead"
        name = identity(
            self._config.run, self._config.operator, label, header.identity, part.start
        )  # fmt: skip
        own = {"attributes": dict(part.attributes)} if part.attributes else {}
        try:
            await self._publish(name, part.replace(attributes={**why, **own}), header)
        except (TooLarge, WireError, Unread):  # no room for it, or gone: it goes without the data
            facts: dict[str, Any] = {**part.frame(), "attributes": {**why, "bare": True}}
            await self._publish(name, Batch(**{**facts, "y": None, "x": None}), header)

    async def _publish(
        self,
        name: bytes,
        letter: Batch,
        header: Header | None = None,
        stored: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        edition = header.edition if header is not None else 0
        if isinstance(letter, Streamed):
            pieces = _copied.pieces(letter, name, edition)
        else:
            pieces = _codec.pieces(letter, name, edition=edition)
        await self._carrier.publish(
            self._config.dead_letter_subject,
            pieces,
            place=self._place,
            identity=name.hex(),
            stored=stored,
        )


def alone(part: Batch) -> Batch:
    """A part of a message as one that covers nothing but its own frames."""
    if not part.divisible or not len(part):
        return part
    start, stop = int(part.index[0]), int(part.index[-1]) + 1
    left = tuple(
        Tombstone(gap.reason, max(gap.start, start), min(gap.stop, stop))
        for gap in part.tombstones
        if gap.start < stop and gap.stop > start
    )
    return part.replace(start=start, stop=stop, tombstones=left)
