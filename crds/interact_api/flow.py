"""What waits on the edges of a pipeline, and what is wrong there, in words for people. Pure.

The controller's conditions and a local run say the same because both ask here. Times are seconds
since 1970.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Final

from interact_api.conditions import ConditionType, Reason
from interact_api.records import OperatorRecord

FULL_SHARE: Final = 0.9
"""Share of a stream's bytes from which its producers are about to wait."""
STILL_SECONDS: Final = 30.0
"""Least silence of an edge's readers before it counts as stuck."""
RING_SECONDS: Final = 15.0
"""The same for edges of operators that wait for each other."""
ACK_WAITS: Final = 1.5
"""What a dead reader held is given to another after one ack wait; that is not stuck."""


@dataclass(frozen=True)
class Edge:
    """One edge with its stream and consumer as they are.

    Attributes:
        source: Output port, as operator.port.
        target: Input port, as operator.port.
        pending: Messages not yet delivered.
        held: Messages delivered and not acknowledged.
        held_limit: Most there may be.
        bytes: In the stream, for all its readers.
        bytes_limit: Most there may be.
        refuses: Whether a full stream refuses.
        redelivered: Messages delivered more than once and not acknowledged.
        oldest_at: When the oldest message of the stream came; 0 if there is none.
        acknowledged_at: When the reader acknowledged last; 0 if never.
        ack_wait_seconds: Silence after which a message is given again.
        joined: Whether the target needs a message of each such edge to go on.
    """

    source: str
    target: str
    pending: int = 0
    held: int = 0
    held_limit: int = 0
    bytes: int = 0
    bytes_limit: int = 0
    refuses: bool = True
    redelivered: int = 0
    oldest_at: float = 0.0
    acknowledged_at: float = 0.0
    ack_wait_seconds: float = 30.0
    joined: bool = False

    @property
    def giver(self) -> str:
        """The operator it comes from."""
        return self.source.partition(".")[0]

    @property
    def reader(self) -> str:
        """The operator it goes to."""
        return self.target.partition(".")[0]

    @property
    def idle(self) -> bool:
        """Whether its reader has nothing left to do."""
        return not self.pending and not self.held

    @property
    def full(self) -> bool:
        """Whether its stream has no room, so that who writes there waits."""
        return self.refuses and 0 < self.bytes_limit * FULL_SHARE <= self.bytes

    @property
    def waits_since(self) -> float:
        """Since when its oldest message has waited for any acknowledgement; 0 if none waits."""
        return 0.0 if self.idle else max(self.oldest_at, self.acknowledged_at)

    def age(self, now: float) -> float:
        """Seconds the oldest message has been there; other readers of the stream may be why."""
        return 0.0 if self.idle or not self.oldest_at else max(now - self.oldest_at, 0.0)

    def still(self, now: float, least: float = STILL_SECONDS) -> float:
        """Seconds for which nothing was acknowledged; 0 where that is not yet too long."""
        since = self.waits_since
        silence = now - since if since else 0.0
        return silence if silence >= max(least, ACK_WAITS * self.ack_wait_seconds) else 0.0


@dataclass(frozen=True)
class Letters:
    """The dead letters of a pipeline; ``by_operator`` counts them."""

    pipeline: str
    messages: int
    bytes: int
    bytes_limit: int
    by_operator: Mapping[str, int]


@dataclass(frozen=True)
class Trouble:
    """Something abnormal: a condition that holds, why, and what to do."""

    type: ConditionType
    reason: Reason
    message: str


def troubles(
    records: Sequence[OperatorRecord], edges: Sequence[Edge], letters: Letters | None, now: float
) -> Iterator[Trouble]:
    """Everything abnormal about a pipeline's frames, one trouble of a type at most.

    Args:
        records: Its operators.
        edges: Its edges; those whose streams are not there are left out.
        letters: Its dead letters, if that stream is there.
        now: Seconds since 1970.
    """
    yield from _full(edges)
    yield from _ring(edges, now)
    yield from _stuck(edges, now)
    if letters is not None and letters.messages:
        yield Trouble(ConditionType.DEAD_LETTERING, Reason.FRAMES_FAILED, _kept(letters))
    yield from _store_full(records, letters)
    open_ = [
        f"{one.place.operator}: {words}"
        for one in records
        for words in dict.fromkeys(r.report.breaker for r in one.present if r.report is not None)
        if words
    ]
    if open_:
        yield Trouble(ConditionType.BREAKER_OPEN, Reason.TOO_MANY_FAILURES, "; ".join(open_))


def _full(edges: Sequence[Edge]) -> Iterator[Trouble]:
    full = sorted({edge.source for edge in edges if edge.full})
    if full:
        words = f"the streams of {', '.join(full)} are full; their producers wait for the readers"
        yield Trouble(ConditionType.BACK_PRESSURED, Reason.STREAM_FULL, words)


def _kept(letters: Letters) -> str:
    listed = ", ".join(f"{name}: {count:,}" for name, count in sorted(letters.by_operator.items()))
    return (
        f"{counted(letters.messages, 'dead letter')} kept{f' ({listed})' if listed else ''}; "
        f"interact dlq list {letters.pipeline} shows them, interact dlq redrive sends them again"
    )


def _store_full(records: Sequence[OperatorRecord], letters: Letters | None) -> Iterator[Trouble]:
    told = [
        one.place.operator
        for one in records
        if any(r.report is not None and r.report.dead_letters_full for r in one.present)
    ]
    full = letters is not None and 0 < letters.bytes_limit * FULL_SHARE <= letters.bytes
    if not told and not full:
        return
    held = f"{letters.bytes:,} of {letters.bytes_limit:,} bytes" if letters is not None else "full"
    stopped = f"; {', '.join(told)} stopped fetching, so that nothing is lost" if told else ""
    name = letters.pipeline if letters is not None else "PIPELINE"
    words = (
        f"the dead-letter stream is full ({held}){stopped}; make room with interact dlq redrive "
        f"{name} or interact dlq drop {name}, and work goes on"
    )
    yield Trouble(ConditionType.DEAD_LETTER_FULL, Reason.STORE_FULL, words)


def _stuck(edges: Sequence[Edge], now: float) -> Iterator[Trouble]:
    found = [f"{_silence(edge, now)}: {_remedy(edge)}" for edge in edges if edge.still(now)]
    if found:
        yield Trouble(ConditionType.STUCK, Reason.NOTHING_ACKNOWLEDGED, "; ".join(found))


def _silence(edge: Edge, now: float) -> str:
    waits = f"{counted(edge.pending, 'message')} pending and {edge.held:,} held"
    return f"{edge.target} has acknowledged nothing for {edge.still(now):.0f} s, with {waits}"


def _remedy(edge: Edge) -> str:
    if not edge.held:
        return f"nobody takes them; does {edge.reader} run, and does it wait for another input?"
    if edge.held_limit and edge.held >= edge.held_limit:
        return f"{edge.reader} holds as many as it may; read its log, and look at what it waits for"
    return f"read the log of {edge.reader}; a kernel that takes long needs a larger kernelTimeout"


def _ring(edges: Sequence[Edge], now: float) -> Iterator[Trouble]:
    """Operators that wait for each other, where nothing moves."""
    waits: dict[str, dict[str, str]] = {}
    for edge in edges:
        if edge.full and not edge.idle and edge.still(now, RING_SECONDS):
            words = (
                f"{edge.giver} waits for room in {edge.source}, which {edge.reader} does not read"
            )
            waits.setdefault(edge.giver, {})[edge.reader] = words
    for edge in _starving(edges):
        words = f"{edge.reader} waits for frames of {edge.source}"
        waits.setdefault(edge.reader, {}).setdefault(edge.giver, words)
    ring = _cycle({name: list(others) for name, others in waits.items()})
    if not any(edge.full for edge in edges if edge.giver in ring):
        return
    told = [waits[one][other] for one, other in pairwise(ring)]
    words = (
        f"operators wait for each other and nothing moves: {'; '.join(told)}. Raise "
        "delivery.maxBytes of the full ports until they hold what the others need"
    )
    yield Trouble(ConditionType.DEADLOCKED, Reason.WAITS_IN_A_RING, words)


def _starving(edges: Sequence[Edge]) -> Iterator[Edge]:
    """Edges without a message whose reader cannot go on without one."""
    by_reader: dict[str, list[Edge]] = {}
    for edge in edges:
        by_reader.setdefault(edge.reader, []).append(edge)
    for mine in by_reader.values():
        needs_all = any(edge.joined for edge in mine)
        for edge in mine:
            if edge.idle and (edge.joined if needs_all else all(one.idle for one in mine)):
                yield edge


def _cycle(waits: Mapping[str, Iterable[str]]) -> list[str]:
    """Some ring of names, the first one again at its end; empty if there is none."""
    try:
        TopologicalSorter(waits).prepare()
    except CycleError as error:
        return [*reversed(error.args[1])]
    return []


def counted(number: int, word: str) -> str:
    """A number with its noun.

    >>> counted(1200, "message")
    '1,200 messages'
    """
    return f"{number:,} {word}{'' if number == 1 else 's'}"
