"""The shape of a pipeline: its connections, the order it flows in, and the lanes of its messages.

A lane is the path label of a message. A source's lane is its name. An operator with one incoming
data edge, or with joined inputs, passes lanes through; one with several unjoined edges appends
``>operator.port`` of the edge, so that messages that cover the same frames stay apart. A reducer
waits for all its lanes and sends one message a scan, on the lane of the scan's source.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Final

from interact_api.choices import Guarantee, Join, Role
from interact_api.operator import InputPort, InteractOperator, OutputPort
from interact_api.pipeline import Edge, Pipeline, PipelineOperator

MAX_LANES: Final = 256
"""Paths of one scan to one operator; a reader keeps a bitmap for each."""

Operators = Mapping[str, InteractOperator]
"""InteractOperators by the `OperatorRef.key` that names them."""


@dataclass(frozen=True)
class Connection:
    """An edge with both its ends looked up; ``reduces`` says that its target is a reducer."""

    number: int
    edge: Edge
    source: PipelineOperator
    output: OutputPort
    target: PipelineOperator
    input: InputPort
    reduces: bool = False

    @property
    def path(self) -> str:
        """Where the edge stands in the pipeline."""
        return f"spec.edges[{self.number}]"

    @property
    def side(self) -> bool:
        """Whether the edge feeds a side input, which no frame waits for."""
        return self.input.join is Join.LATEST

    @property
    def guarantee(self) -> Guarantee:
        """What the stream of the edge promises."""
        return guarantee(self.source, self.output)


def split(endpoint: str) -> tuple[str, str]:
    """The operator and the port of ``operator.port``."""
    operator, _, port = endpoint.partition(".")
    return operator, port


def guarantee(operator: PipelineOperator, output: OutputPort) -> Guarantee:
    """What an output port promises in a pipeline."""
    return operator.delivery(output.name).guarantee or output.guarantee


def most_replicas(operator: PipelineOperator) -> int:
    """The most replicas an operator of a pipeline may come to have."""
    return operator.scale.max if operator.scale is not None else operator.replicas or 1


def connections(pipeline: Pipeline, operators: Operators) -> tuple[Connection, ...]:
    """The edges whose ends both exist, in the order they are written."""
    placed = {
        one.name: (one, operators[one.operator_ref.key].spec)
        for one in pipeline.spec.operators
        if one.operator_ref.key in operators
    }
    outputs = {
        f"{name}.{port.name}": port for name, (_, spec) in placed.items() for port in spec.outputs
    }
    inputs = {
        f"{name}.{port.name}": port for name, (_, spec) in placed.items() for port in spec.inputs
    }
    found: list[Connection] = []
    for number, edge in enumerate(pipeline.spec.edges):
        if edge.source in outputs and edge.target in inputs:
            source, _ = placed[split(edge.source)[0]]
            target, spec = placed[split(edge.target)[0]]
            ports = outputs[edge.source], inputs[edge.target]
            reduces = spec.place is Role.REDUCER
            found.append(Connection(number, edge, source, ports[0], target, ports[1], reduces))
    return tuple(found)


def cycle(pipeline: Pipeline) -> tuple[str, ...]:
    """Operators that feed each other in a ring, the first one again at the end; empty if none."""
    feeds: dict[str, set[str]] = {one.name: set() for one in pipeline.spec.operators}
    for edge in pipeline.spec.edges:
        source, target = split(edge.source)[0], split(edge.target)[0]
        if source == target:
            return (source, source)
        if source in feeds and target in feeds:
            feeds[target].add(source)
    try:
        TopologicalSorter({name: sorted(feeds[name]) for name in feeds}).prepare()
    except CycleError as error:
        return tuple(error.args[1])
    return ()


def order(pipeline: Pipeline) -> tuple[str, ...]:
    """The operators' names, each after those that feed it.

    Raises:
        ValueError: If the pipeline has a cycle.
    """
    feeds: dict[str, set[str]] = {one.name: set() for one in pipeline.spec.operators}
    for edge in pipeline.spec.edges:
        source, target = split(edge.source)[0], split(edge.target)[0]
        if source in feeds and target in feeds:
            feeds[target].add(source)
    return tuple(TopologicalSorter({name: sorted(feeds[name]) for name in feeds}).static_order())


def ancestors(pipeline: Pipeline) -> dict[str, frozenset[str]]:
    """The operators each operator's data comes from, itself included.

    Raises:
        ValueError: If the pipeline has a cycle.
    """
    found: dict[str, frozenset[str]] = {}
    for name in order(pipeline):
        sources = {
            split(edge.source)[0] for edge in pipeline.spec.edges if split(edge.target)[0] == name
        }
        found[name] = frozenset({name}).union(*(found[one] for one in sources if one in found))
    return found


def reduced(
    pipeline: Pipeline, edges: tuple[Connection, ...], operators: Operators
) -> frozenset[str]:
    """The operators that send results of a whole scan: reducers, and those that get such results."""
    found = {
        one.name
        for one in pipeline.spec.operators
        if one.operator_ref.key in operators
        and operators[one.operator_ref.key].spec.place is Role.REDUCER
    }
    for name in order(pipeline):
        data = [one for one in edges if one.target.name == name and not one.side]
        if any(one.source.name in found for one in data):
            found.add(name)
    return frozenset(found)


def merges(name: str, edges: tuple[Connection, ...]) -> bool:
    """Whether an operator appends to the lanes: several unjoined data edges come in."""
    data = [one for one in edges if one.target.name == name and one.input.join is Join.NONE]
    return len(data) > 1 and not data[0].reduces


def lanes(pipeline: Pipeline, edges: tuple[Connection, ...]) -> dict[str, tuple[str, ...]]:
    """The lanes of the messages each operator sends, sorted, at most one more than the limit.

    Args:
        pipeline: The pipeline; acyclic.
        edges: Its `connections`.
    """
    sent: dict[str, tuple[str, ...]] = {}
    for name in order(pipeline):
        data = [one for one in edges if one.target.name == name and not one.side]
        if not data:
            sent[name] = (name,)
        elif data[0].reduces:
            found = {lane.partition(">")[0] for one in data for lane in sent[one.source.name]}
            sent[name] = tuple(sorted(found))
        elif merges(name, edges):
            found = {f"{lane}>{one.edge.source}" for one in data for lane in sent[one.source.name]}
            sent[name] = tuple(sorted(found)[: MAX_LANES + 1])
        else:
            sent[name] = sent[_first(data).source.name]
    return sent


def _first(data: list[Connection]) -> Connection:
    """The edge whose lanes a joined operator passes on: that of its first port by name."""
    return min(data, key=lambda one: one.input.name)
