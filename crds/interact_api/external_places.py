"""External operators in the graph of a pipeline: what they may be there, and why not."""

from collections.abc import Iterator

from interact_api.choices import Join, Role
from interact_api.conditions import Reason
from interact_api.execution import ExecutionMode
from interact_api.external_asks import MESSAGE
from interact_api.operator import InteractOperator, types
from interact_api.problem import Problem


def external(operator: InteractOperator) -> bool:
    """Whether an operator's work is done on another system."""
    return operator.spec.execution.mode is ExecutionMode.EXTERNAL


def place_problems(path: str, operator: InteractOperator) -> Iterator[Problem]:
    """What keeps an external operator from a place in a pipeline.

    Args:
        path: The place, for example ``spec.operators[2]``.
        operator: The external operator.
    """
    at, name, spec = f"{path}.operatorRef.name", operator.metadata.name, operator.spec
    if spec.place is Role.SOURCE:
        words = f"external operator {name!r} has no input a message could come by; declare one"
        yield Problem(at, Reason.INVALID_SPEC, words)
    if spec.place is Role.REDUCER:
        words = (
            f"external operator {name!r} has role reducer; remove the role, and put a reducer "
            "before it: that one's final message is the complete scan"
        )
        yield Problem(at, Reason.INVALID_SPEC, words)
    for port in spec.inputs:
        if port.join is not Join.NONE or port.ordered:
            words = (
                f"input {port.name!r} of external operator {name!r} is joined or ordered, and each "
                "message is a run of its own; put an operator before it that joins"
            )
            yield Problem(at, Reason.JOIN_MISUSE, words)
    for output in spec.outputs:
        if not {"values", "any"} & set(types(output)):
            words = (
                f"output {output.name!r} of external operator {name!r} has type {output.type}; "
                "results are numbers, write type: values"
            )
            yield Problem(at, Reason.TYPE_MISMATCH, words)
    if any(one.name == MESSAGE for one in spec.parameters):
        words = (
            f"parameter {MESSAGE!r} of external operator {name!r} is the platform's own in "
            "pipelines; choose another name"
        )
        yield Problem(at, Reason.INVALID_PARAMETER, words)
