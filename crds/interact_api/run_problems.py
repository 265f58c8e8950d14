"""What is wrong with an external run, or a system, beside its form, which admission sees alone."""

import json
from collections.abc import Iterator
from typing import Final

from interact_api.conditions import Reason
from interact_api.execution import ExecutionMode
from interact_api.external_asks import MESSAGE
from interact_api.external_run import ExternalRun, ExternalRunSpec
from interact_api.external_system import ExternalSystem
from interact_api.operator import InteractOperator
from interact_api.parameters import ParameterError, coerce
from interact_api.problem import Problem, listed
from interact_api.work_limits import time_problems, work_problems

PARAMETERS_LIMIT: Final = 256 * 2**10
"""Bytes of all parameters as JSON, which travel with each submit."""


def run_problems(run: ExternalRun) -> tuple[Problem, ...]:
    """What is wrong with a run, all of it; without asking which systems and operators there are."""
    spec = run.spec
    return (
        *work_problems(spec, "spec"),
        *time_problems("spec.deadline", spec.deadline),
        *time_problems("spec.ttlAfterFinished", spec.ttl_after_finished),
        *_sizes(spec),
    )


def _sizes(spec: ExternalRunSpec) -> Iterator[Problem]:
    size = len(json.dumps(spec.values).encode())
    if size > PARAMETERS_LIMIT:
        yield Problem(
            "spec.parameters",
            Reason.TOO_LARGE,
            f"{size:,} bytes of JSON; at most {PARAMETERS_LIMIT:,}, put the rest into an input",
        )


def operator_run_problems(run: ExternalRun, operator: InteractOperator) -> tuple[Problem, ...]:
    """What is wrong with a run of an operator of the catalogue; its parameters are as declared."""
    if operator.spec.execution.mode is not ExecutionMode.EXTERNAL:
        message = (
            f"operator {operator.metadata.name!r} has execution.mode "
            f"{operator.spec.execution.mode}; name one whose mode is external"
        )
        return (Problem("spec.operator.name", Reason.INVALID_SPEC, message),)
    return tuple(_parameters(run.spec, operator))


def _parameters(spec: ExternalRunSpec, operator: InteractOperator) -> Iterator[Problem]:
    declared = {one.name: one for one in operator.spec.parameters}
    given = {one.name for one in spec.parameters}
    for number, one in enumerate(spec.parameters):
        path = f"spec.parameters[{number}]"
        if one.name == MESSAGE and MESSAGE not in declared:
            continue  # the message of a pipeline that the run is for
        if one.name not in declared:
            message = f"{one.name!r}: {operator.metadata.name!r} has no such parameter; it has {listed(declared)}"
            yield Problem(f"{path}.name", Reason.UNKNOWN_PARAMETER, message)
            continue
        try:
            coerce(declared[one.name], one.value)
        except ParameterError as error:
            yield Problem(f"{path}.value", Reason.INVALID_PARAMETER, str(error))
    for name, parameter in declared.items():
        if parameter.required and parameter.default is None and name not in given:
            message = f"{name!r} has no value; {operator.metadata.name!r} cannot do without"
            yield Problem("spec.parameters", Reason.MISSING_PARAMETER, message)


def system_problems(system: ExternalSystem) -> tuple[Problem, ...]:
    """What is wrong with a system, all of it."""
    spec = system.spec
    found = [*time_problems("spec.pollInterval", spec.poll_interval)]
    if spec.http is not None:
        found += time_problems("spec.http.timeout", spec.http.timeout)
    if spec.slurm is not None:
        for name, part in (("ssh", spec.slurm.ssh), ("rest", spec.slurm.rest)):
            if part is not None:
                found += time_problems(f"spec.slurm.{name}.timeout", part.timeout)
    return tuple(found)
