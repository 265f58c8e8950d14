"""What is wrong with a pipeline, given its operators: every problem at once, each with a remedy."""

from collections.abc import Iterator

from interact_api import joins, limits, topology
from interact_api.choices import Join
from interact_api.conditions import Reason
from interact_api.external_places import external, place_problems
from interact_api.operator import ExecutionMode, InputPort, InteractOperator, OutputPort, types
from interact_api.parameters import ParameterError, coerce, default_value
from interact_api.pipeline import Pipeline, PipelineOperator
from interact_api.problem import GraphError, Problem, listed
from interact_api.topology import Connection, Operators

__all__ = ["GraphError", "Problem", "compatible", "operator_problems", "problems"]

Edges = tuple[Connection, ...]


def problems(pipeline: Pipeline, operators: Operators) -> tuple[Problem, ...]:
    """Everything that keeps a pipeline from running; empty if nothing does.

    Args:
        pipeline: The pipeline.
        operators: The InteractOperators it may use, by the name its operatorRefs give.
    """
    edges = topology.connections(pipeline, operators)
    found = [
        *limits.pipeline_limits(pipeline),
        *_operators(pipeline, operators),
        *_endpoints(pipeline, operators),
        *_mismatches(edges),
        *_inputs(pipeline, operators),
        *joins.join_problems(pipeline, operators, edges),
    ]
    ring = topology.cycle(pipeline)
    if ring:
        path = " → ".join(ring)
        message = f"the operators feed each other in a ring ({path}); remove one of these edges"
        return (*found, Problem("spec.edges", Reason.CYCLE, message))
    return (
        *found,
        *joins.lane_problems(pipeline, edges),
        *joins.diamond_problems(pipeline, operators, edges),
    )


def operator_problems(operator: InteractOperator) -> tuple[Problem, ...]:
    """Times of an operator that cannot be kept, and defaults that its declarations do not allow."""
    declared = [
        (f"spec.parameters[{n}]", one) for n, one in enumerate(operator.spec.parameters)
    ] + [
        (f"spec.triggers[{t}].parameters[{n}]", one)
        for t, trigger in enumerate(operator.spec.triggers)
        for n, one in enumerate(trigger.parameters)
    ]
    found = list(limits.operator_limits(operator.spec))
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


def _operators(pipeline: Pipeline, operators: Operators) -> Iterator[Problem]:
    for number, one in enumerate(pipeline.spec.operators):
        path = f"spec.operators[{number}]"
        if one.operator_ref.key not in operators:
            yield Problem(
                f"{path}.operatorRef.name",
                Reason.OPERATORS_NOT_FOUND,
                f"there is no InteractOperator {one.operator_ref.key!r}; "
                f"apply it, or choose one of: {listed(operators)}",
            )
            continue
        yield from _use(path, one, operators[one.operator_ref.key])


def _use(path: str, one: PipelineOperator, operator: InteractOperator) -> Iterator[Problem]:
    spec = operator.spec
    if spec.execution.mode is ExecutionMode.INVOCATION:
        yield Problem(
            f"{path}.operatorRef.name",
            Reason.NOT_STREAMING,
            f"{operator.metadata.name!r} runs on demand only; choose a streaming operator",
        )
    if external(operator):
        yield from place_problems(path, operator)
    if topology.most_replicas(one) > 1 and not spec.parallel:
        yield Problem(
            f"{path}.{'scale.max' if one.scale else 'replicas'}",
            Reason.NOT_PARALLEL,
            f"{operator.metadata.name!r} ({spec.place}) runs as 1 replica, "
            f"not {topology.most_replicas(one)}; remove replicas and scale",
        )
    known = {port.name for port in spec.outputs}
    for number, output in enumerate(one.outputs):
        if output.name not in known:
            yield Problem(
                f"{path}.outputs[{number}].name",
                Reason.UNKNOWN_PORT,
                f"{operator.metadata.name!r} has no output {output.name!r}; "
                f"its outputs: {listed(known)}",
            )
    for problem in limits.operator_limits(spec):
        message = (
            f"{problem.path} of InteractOperator {operator.metadata.name!r}: {problem.message}"
        )
        yield Problem(f"{path}.operatorRef.name", problem.reason, message)
    yield from _parameters(path, one, operator)


def _parameters(path: str, one: PipelineOperator, operator: InteractOperator) -> Iterator[Problem]:
    declared = {parameter.name: parameter for parameter in operator.spec.parameters}
    for name, value in one.parameters.items():
        at = f"{path}.parameters.{name}"
        if name not in declared:
            message = f"there is no parameter {name!r}; known: {listed(declared)}"
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
                message = f"there is no operator {name!r} in this pipeline; {listed(placed)} are"
                yield Problem(at, Reason.UNKNOWN_OPERATOR, message)
                continue
            operator = operators.get(placed[name].operator_ref.key)
            if operator is None:
                continue
            word = "output" if side == "from" else "input"
            ports = operator.spec.outputs if side == "from" else operator.spec.inputs
            known = {one.name for one in ports}
            if port not in known:
                message = f"{name!r} has no {word} {port!r}; its {word}s: {listed(known)}"
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
        operator = operators.get(one.operator_ref.key)
        for port in operator.spec.inputs if operator else ():
            if f"{one.name}.{port.name}" not in fed and port.join is not Join.LATEST:
                yield Problem(
                    f"spec.operators[{number}]",
                    Reason.UNCONNECTED_INPUT,
                    f"nothing feeds {one.name}.{port.name} ({port.type}); add an edge to it",
                )
