"""The edges of a pipeline and its dead letters as they were seen, for figures, conditions and scale."""

from collections.abc import Iterator
from dataclasses import replace

from interact_api import names
from interact_api.choices import Join
from interact_api.flow import Edge, Letters
from interact_api.operator import InteractOperator
from interact_api.topology import split

from interact_controller.observed import Observed
from interact_controller.seen import StreamSeen


def edges(observed: Observed) -> tuple[Edge, ...]:
    """The edges whose streams are there, in the order of the specification."""
    return tuple(_edges(observed))


def _edges(observed: Observed) -> Iterator[Edge]:
    placed = {one.name: one.operator_ref.key for one in observed.pipeline.spec.operators}
    for edge in observed.pipeline.spec.edges:
        (source, port), (target, entry) = split(edge.source), split(edge.target)
        name = names.stream(observed.namespace, observed.name, source, port)
        stream = (observed.streams or {}).get(name)
        if stream is None:
            continue
        operator = observed.operators.get(placed.get(target, ""))
        joined = operator is not None and _joined(operator, entry)
        yield _edge(edge.source, edge.target, stream, names.durable(target, entry), joined=joined)


def _joined(operator: InteractOperator, entry: str) -> bool:
    return any(port.name == entry and port.join is Join.ZIP for port in operator.spec.inputs)


def _edge(source: str, target: str, stream: StreamSeen, durable: str, *, joined: bool) -> Edge:
    consumer = (stream.consumers or {}).get(durable)
    seen = Edge(
        source=source,
        target=target,
        bytes=stream.bytes,
        bytes_limit=stream.max_bytes,
        refuses=stream.discard.lower() == "new",
        oldest_at=stream.oldest_at,
        joined=joined,
    )
    if consumer is None:
        return seen
    return replace(
        seen,
        pending=consumer.pending,
        held=consumer.ack_pending,
        held_limit=consumer.max_ack_pending,
        redelivered=consumer.redelivered,
        acknowledged_at=consumer.acknowledged_at,
        ack_wait_seconds=consumer.ack_wait_seconds,
    )


def letters(observed: Observed) -> Letters | None:
    """The dead letters; None where their stream is not there."""
    name = names.dead_letter_stream(observed.namespace, observed.name)
    stream = (observed.streams or {}).get(name)
    if stream is None:
        return None
    by_operator = {
        one.name: count
        for one in observed.pipeline.spec.operators
        if (count := stream.subjects_held.get(_subject(observed, one.name), 0))
    }
    return Letters(observed.name, stream.messages, stream.bytes, stream.max_bytes, by_operator)


def _subject(observed: Observed, operator: str) -> str:
    return names.dead_letter_subject(observed.namespace, observed.name, operator)


def letters_ever(observed: Observed) -> int:
    """Dead letters there ever were; a count that never goes back while the stream is there."""
    name = names.dead_letter_stream(observed.namespace, observed.name)
    stream = (observed.streams or {}).get(name)
    return stream.last_sequence if stream is not None else 0
