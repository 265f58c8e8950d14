"""Sizes and times that are written well and mean nothing: admission sees their form alone."""

from collections.abc import Iterator

from interact_api.conditions import Reason
from interact_api.model import INT64
from interact_api.operator import OperatorSpec
from interact_api.pipeline import Pipeline
from interact_api.problem import Problem
from interact_api.quantities import byte_count
from interact_api.work_limits import time_problems, work_problems


def pipeline_limits(pipeline: Pipeline) -> Iterator[Problem]:
    """Sizes and times of a pipeline that JetStream would read otherwise: it takes 0 for its default."""
    for number, one in enumerate(pipeline.spec.operators):
        for port, output in enumerate(one.outputs):
            size = output.delivery.max_bytes
            if size is not None and not 1 <= byte_count(size) < INT64:
                yield Problem(
                    f"spec.operators[{number}].outputs[{port}].delivery.maxBytes",
                    Reason.INVALID_SPEC,
                    f"{size!r} is {byte_count(size):,} bytes; a stream has at least 1 and less "
                    "than 8Ei, write for example 256Mi",
                )
    for number, edge in enumerate(pipeline.spec.edges):
        if edge.ack_wait is not None:
            yield from time_problems(f"spec.edges[{number}].ackWait", edge.ack_wait)


def operator_limits(spec: OperatorSpec) -> Iterator[Problem]:
    """Times of an operator that nobody can keep, and forms that nobody can fill in."""
    yield from time_problems("spec.kernelTimeout", spec.kernel_timeout)
    yield from work_problems(spec.execution, "spec.execution")
    yield from time_problems("spec.execution.ttlAfterFinished", spec.execution.ttl_after_finished)
