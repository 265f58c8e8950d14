"""Replicas by what is pending: from what was seen of a pipeline to the decisions of `scaling`."""

import dataclasses
from collections.abc import Iterator, MutableMapping

from interact_api.board import Board
from interact_api.choices import Join, Role
from interact_api.flow import Edge
from interact_api.pipeline import PipelineOperator, Scale

from interact_controller import labels
from interact_controller.edges import edges
from interact_controller.observed import Observed, Scaled
from interact_controller.scaling import Choice, Load, Memory, Range, choice

Memories = MutableMapping[str, Memory]
"""What is remembered of a pipeline's operators, by name."""


def scaled(observed: Observed, memories: Memories, now: float, calm: float) -> Observed:
    """The same with the replicas of the operators that scale.

    Where NATS does not answer, and nobody knows what is pending, they stay as they are.
    """
    asked = {one.name: one.scale for one in observed.pipeline.spec.operators if one.scale}
    for gone in memories.keys() - asked.keys():
        del memories[gone]
    if not asked:
        return observed
    seen = edges(observed)
    found: dict[str, Scaled] = {}
    for one in observed.pipeline.spec.operators:
        if one.scale is None or one.operator_ref.key not in observed.operators:
            continue
        range_ = _range(observed, one, one.scale)
        memory = memories.get(one.name, Memory())
        chosen = Choice(_current(observed, one.name, range_), memory)
        if observed.streams is not None:
            load = _load(observed, one, seen)
            chosen = choice(range_, load, chosen.replicas, memory, now, calm)
            memories[one.name] = chosen.memory
        found[one.name] = Scaled(chosen.replicas, chosen.memory.why)
    return dataclasses.replace(observed, scaled=found)


def unsettled(observed: Observed) -> bool:
    """Whether some operator may soon have another number of replicas, though nothing is heard."""
    return any(
        one.scale is not None and observed.scaled[one.name].replicas > max(one.scale.min, 0)
        for one in observed.pipeline.spec.operators
        if one.name in observed.scaled
    )


def _range(observed: Observed, one: PipelineOperator, scale: Scale) -> Range:
    """What the pipeline asks for; what feeds itself never goes to nothing."""
    source = observed.operators[one.operator_ref.key].spec.place is Role.SOURCE
    least = max(scale.min, 1) if source else scale.min
    if scale.target_pending_frames is not None:
        return Range(least, scale.max, scale.target_pending_frames)
    return Range(least, scale.max, scale.target_pending_messages, "messages")


def _current(observed: Observed, operator: str, range_: Range) -> int:
    """The replicas we chose last; those of a Deployment that is not ours to scale as they are."""
    for live in observed.workloads.values():
        if live.operator == operator and live.owner == observed.uid:
            said, _, _ = str(live.annotations.get(labels.REPLICAS_OURS, "")).partition("/")
            return int(said) if said.isdigit() else live.replicas
    return range_.least


def _load(observed: Observed, one: PipelineOperator, seen: tuple[Edge, ...]) -> Load:
    mine = [edge for edge in seen if edge.reader == one.name]
    messages = [edge.pending + edge.held for edge in mine]
    joined = any(
        port.join is Join.ZIP for port in observed.operators[one.operator_ref.key].spec.inputs
    )
    waiting = float(max(messages, default=0) if joined else sum(messages))
    if one.scale is not None and one.scale.target_pending_frames is not None:
        givers = dict.fromkeys(edge.giver for edge in mine)
        waiting *= frames_per_message(observed.board, observed.name, one.name, tuple(givers))
    record = observed.board.operators.get((observed.name, one.name))
    return Load(waiting, record.pace().busy if record is not None else 0.0)


def frames_per_message(board: Board, pipeline: str, reader: str, givers: tuple[str, ...]) -> float:
    """Frames of a message on the edges to an operator: as it took them, else as they were sent."""
    return next(_means(board, pipeline, reader, givers), 1.0)


def _means(board: Board, pipeline: str, reader: str, givers: tuple[str, ...]) -> Iterator[float]:
    counters = [(reader, "in"), *((giver, "out") for giver in givers)]
    for operator, way in counters:
        record = board.operators.get((pipeline, operator))
        messages = record.count(f"messages_{way}") if record is not None else 0.0
        if record is not None and messages:
            yield max(record.count(f"frames_{way}") / messages, 1.0)
