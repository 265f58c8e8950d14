"""What is wrong with a pipeline, given its operators: every problem at once, each with a remedy."""

from collections.abc import Iterator
from dataclasses import dataclass

from interact_api import topology
from interact_api.conditions import Reason
from interact_api.operator import (
    ExecutionMode,
    Guarantee,
    InputPort,
    InteractOperator,
    Join,
    OutputPort,
    Role,
    types,
)
from interact_api.parameters import ParameterError, coerce, default_value
from interact_api.pipeline import OnFull, Pipeline, PipelineOperator
from interact_api.topology import Connection, Operators

Edges = tuple[Connection, ...]


@dataclass(frozen=True)
class Problem:
    """One thing a person has to change.

    Attributes:
        path: Where, for example ``spec.edges[2].to``.
        reason: Why, for programs.
        message: Why, for people: the value, the bound and the next step.
    """

    path: str
    reason: Reason
    message: str


class GraphError(ValueError):
    """A pipeline that cannot run as it is written."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(f"{one.path}: {one.message}" for one in problems))


def problems(pipeline: Pipeline, operators: Operators) -> tuple[Problem, ...]:
    """Everything that keeps a pipeline from running; empty if nothing does.

    Args:
        pipeline: The pipeline.
        operators: The InteractOperators it may use, by the name its operatorRefs give.
    """
    edges = topology.connections(pipeline, operators)
    found = [
        *_operators(pipeline, operators),
        *_endpoints(pipeline, operators),
        *_mismatches(edges),
        *_inputs(pipeline, operators),
        *_joins(pipeline, operators, edges),
    ]
    ring = topology.cycle(pipeline)
    if ring:
        path = " → ".join(ring)
        message = f"the operators feed each other in a ring ({path}); remove one of these edges"
        return (*found, Problem("spec.edges", Reason.CYCLE, message))
    return (*found, *_lanes(pipeline, edges), *_diamonds(pipeline, operators, edges))


def operator_problems(operator: InteractOperator) -> tuple[Problem, ...]:
    """Defaults of an operator that its own declarations do not allow."""
    declared = [
        (f"spec.parameters[{n}]", one) for n, one in enumerate(operator.spec.parameters)
    ] + [
        (f"spec.triggers[{t}].parameters[{n}]", one)
        for t, trigger in enumerate(operator.spec.triggers)
        for n, one in enumerate(trigger.parameters)
    ]
    found = []
    for path, parameter in declared:
        try:
            default_value(parameter)
        except ParameterError as error:
            found.append(Problem(f"{path}.default", Reason.INVALID_PARAMETER, str(error)))
    return tuple(found)


def compatible(output: OutputPort, input_port: InputPort) -> bool:
    """Whether an output port may feed an input port."""
    given, taken = set(types(output)), set(types(input_port))
    return "any" in given | taken or bool(given & taken)


def most_replicas(operator: PipelineOperator) -> int:
    """The most replicas an operator of a pipeline may come to have."""
    return operator.scale.max if operator.scale is not None else operator.replicas or 1


def _operators(pipeline: Pipeline, operators: Operators) -> Iterator[Problem]:
    for number, one in enumerate(pipeline.spec.operators):
        path = f"spec.operators[{number}]"
        if one.operator_ref.name not in operators:
            yield Problem(
                f"{path}.operatorRef.name",
                Reason.OPERATORS_NOT_FOUND,
                f"there is no InteractOperator {one.operator_ref.name!r}; "
                f"apply it, or choose one of: {_listed(operators)}",
            )
            continue
        yield from _use(path, one, operators[one.operator_ref.name])


def _use(path: str, one: PipelineOperator, operator: InteractOperator) -> Iterator[Problem]:
    spec = operator.spec
    if spec.execution.mode is ExecutionMode.INVOCATION:
        yield Problem(
            f"{path}.operatorRef.name",
            Reason.NOT_STREAMING,
            f"{operator.metadata.name!r} runs on demand only; choose a streaming operator",
        )
    if most_replicas(one) > 1 and not spec.parallel:
        yield Problem(
            f"{path}.{'scale.max' if one.scale else 'replicas'}",
            Reason.NOT_PARALLEL,
            f"{operator.metadata.name!r} ({spec.place}) runs as 1 replica, "
            f"not {most_replicas(one)}; remove replicas and scale",
        )
    known = {port.name for port in spec.outputs}
    for number, output in enumerate(one.outputs):
        if output.name not in known:
            yield Problem(
                f"{path}.outputs[{number}].name",
                Reason.UNKNOWN_PORT,
                f"{operator.metadata.name!r} has no output {output.name!r}; "
                f"its outputs: {_listed(known)}",
            )
    yield from _parameters(path, one, operator)


def _parameters(path: str, one: PipelineOperator, operator: InteractOperator) -> Iterator[Problem]:
    declared = {parameter.name: parameter for parameter in operator.spec.parameters}
    for name, value in one.parameters.items():
        at = f"{path}.parameters.{name}"
        if name not in declared:
            message = f"there is no parameter {name!r}; known: {_listed(declared)}"
            yield Problem(at, Reason.UNKNOWN_PARAMETER, message)
            continue
        try:
            coerce(declared[name], value)
        except ParameterError as error:
            yield Problem(at, Reason.INVALID_PARAMETER, str(error))
    for name, parameter in declared.items():
        if name in one.parameters:
            continue
        if parameter.required and parameter.default is None:
            yield Problem(
                f"{path}.parameters.{name}",
                Reason.MISSING_PARAMETER,
                f"parameter {name!r} ({parameter.type}) has no default; give a value",
            )
        try:
            default_value(parameter)
        except ParameterError as error:
            message = f"the default of {error}, in InteractOperator {operator.metadata.name!r}"
            yield Problem(f"{path}.parameters.{name}", Reason.INVALID_PARAMETER, message)


def _endpoints(pipeline: Pipeline, operators: Operators) -> Iterator[Problem]:
    placed = {one.name: one for one in pipeline.spec.operators}
    for number, edge in enumerate(pipeline.spec.edges):
        for side, endpoint in (("from", edge.source), ("to", edge.target)):
            at = f"spec.edges[{number}].{side}"
            name, port = topology.split(endpoint)
            if name not in placed:
                message = f"there is no operator {name!r} in this pipeline; {_listed(placed)} are"
                yield Problem(at, Reason.UNKNOWN_OPERATOR, message)
                continue
            operator = operators.get(placed[name].operator_ref.name)
            if operator is None:
                continue
            word = "output" if side == "from" else "input"
            ports = operator.spec.outputs if side == "from" else operator.spec.inputs
            known = {one.name for one in ports}
            if port not in known:
                message = f"{name!r} has no {word} {port!r}; its {word}s: {_listed(known)}"
                yield Problem(at, Reason.UNKNOWN_PORT, message)


def _mismatches(edges: Edges) -> Iterator[Problem]:
    for one in edges:
        if not compatible(one.output, one.input):
            yield Problem(
                one.path,
                Reason.TYPE_MISMATCH,
                f"{one.edge.source} gives {one.output.type}, {one.edge.target} takes "
                f"{one.input.type}; put an operator between them that converts",
            )


def _inputs(pipeline: Pipeline, operators: Operators) -> Iterator[Problem]:
    fed = {edge.target for edge in pipeline.spec.edges}
    for number, one in enumerate(pipeline.spec.operators):
        operator = operators.get(one.operator_ref.name)
        for port in operator.spec.inputs if operator else ():
            if f"{one.name}.{port.name}" not in fed and port.join is not Join.LATEST:
                yield Problem(
                    f"spec.operators[{number}]",
                    Reason.UNCONNECTED_INPUT,
                    f"nothing feeds {one.name}.{port.name} ({port.type}); add an edge to it",
                )


def _joins(pipeline: Pipeline, operators: Operators, edges: Edges) -> Iterator[Problem]:
    for one in edges:
        if one.side and one.guarantee is not Guarantee.LATEST:
            yield Problem(
                one.path,
                Reason.LATEST_MISUSE,
                f"{one.edge.target} is a side input, which reads the last message of a port; set "
                f"the delivery of {one.edge.source} to guarantee: Latest",
            )
        if one.input.join is Join.ZIP:
            yield from _zipped(one)
    yield from _repeated(edges)
    yield from _shared(pipeline, operators, edges)


def _zipped(one: Connection) -> Iterator[Problem]:
    loses = one.source.delivery(one.output.name).on_full is not OnFull.BLOCK
    if one.guarantee is Guarantee.LATEST or loses:
        yield Problem(
            one.path,
            Reason.LATEST_MISUSE,
            f"{one.edge.target} is zipped and would wait for frames that {one.edge.source} drops; "
            "set its delivery to guarantee: AtLeastOnce and onFull: Block",
        )
    if most_replicas(one.target) > 1:
        yield Problem(
            one.path,
            Reason.JOIN_MISUSE,
            f"{one.target.name!r} joins by zip and cannot run as {most_replicas(one.target)} "
            "replicas: the halves of a pair would reach different ones; remove replicas and scale",
        )


def _repeated(edges: Edges) -> Iterator[Problem]:
    """Refuse two unjoined edges from one port to one operator: their messages share a lane."""
    seen: dict[tuple[str, str], str] = {}
    for one in edges:
        key = (one.edge.source, one.target.name)
        if one.input.join is Join.NONE and key in seen:
            yield Problem(
                one.path,
                Reason.JOIN_MISUSE,
                f"{one.edge.source} feeds {one.target.name!r} twice (also {seen[key]}); "
                "join these inputs by zip, or remove an edge",
            )
        if one.input.join is Join.NONE:
            seen[key] = one.edge.target


def _shared(pipeline: Pipeline, operators: Operators, edges: Edges) -> Iterator[Problem]:
    for number, operator in enumerate(pipeline.spec.operators):
        known = operators.get(operator.operator_ref.name)
        for port in known.spec.inputs if known else ():
            fed = [o for o in edges if o.edge.target == f"{operator.name}.{port.name}"]
            if port.join is not Join.NONE and len(fed) > 1:
                sources = ", ".join(one.edge.source for one in fed)
                yield Problem(
                    f"spec.operators[{number}]",
                    Reason.JOIN_MISUSE,
                    f"{operator.name}.{port.name} (join: {port.join}) takes one edge, not "
                    f"{len(fed)} ({sources}); remove all but one",
                )


def _lanes(pipeline: Pipeline, edges: Edges) -> Iterator[Problem]:
    sent = topology.lanes(pipeline, edges)
    for one in edges:
        count = len(sent[one.source.name])
        if one.input.join is Join.ZIP and count > 1:
            yield Problem(
                one.path,
                Reason.JOIN_MISUSE,
                f"{one.edge.source} carries frames on {count} paths and {one.edge.target} would "
                "see each frame as often; zip before the paths meet",
            )
    for number, operator in enumerate(pipeline.spec.operators):
        if len(sent[operator.name]) > topology.MAX_LANES:
            yield Problem(
                f"spec.operators[{number}]",
                Reason.JOIN_MISUSE,
                f"frames reach {operator.name!r} on more than {topology.MAX_LANES} paths; "
                "join the paths by zip where they meet",
            )


def _diamonds(pipeline: Pipeline, operators: Operators, edges: Edges) -> Iterator[Problem]:
    """Refuse a zip of a scan's reduction with the scan itself: the frames wait for their end."""
    above = topology.ancestors(pipeline)
    reducers = {
        one.name
        for one in pipeline.spec.operators
        if one.operator_ref.name in operators
        and operators[one.operator_ref.name].spec.place is Role.REDUCER
    }
    zipped = [one for one in edges if one.input.join is Join.ZIP]
    for waits in zipped:
        if waits.source.delivery(waits.output.name).holds_scan:
            continue
        late = {
            reducer
            for other in zipped
            if other.target.name == waits.target.name and other.edge.target != waits.edge.target
            for reducer in (above[other.source.name] & reducers) - above[waits.source.name]
            if above[reducer] & above[waits.source.name]
        }
        if late:
            yield Problem(
                waits.path,
                Reason.DIAMOND_DEADLOCK,
                f"{waits.edge.target} waits for {_listed(late)}, which reduces the whole scan, "
                f"while {waits.edge.source} fills up; use join: latest, or give the delivery of "
                f"{waits.edge.source} a maxBytes for a whole scan and holdsScan: true",
            )


def _listed(names: object) -> str:
    words = sorted(str(name) for name in names)  # type: ignore[attr-defined]
    return ", ".join(words[:20]) + (" …" if len(words) > 20 else "") if words else "none"
