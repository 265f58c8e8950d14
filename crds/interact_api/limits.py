"""Sizes and times that are written well and mean nothing: admission sees their form alone."""

from collections.abc import Iterator
from typing import Final

from interact_api.conditions import Reason
from interact_api.model import INT64
from interact_api.operator import OperatorSpec
from interact_api.pipeline import Pipeline
from interact_api.problem import Problem
from interact_api.quantities import byte_count, seconds

LEAST_SECONDS: Final = 0.001
MOST_SECONDS: Final = 365 * 24 * 3600.0
"""A year; JetStream counts nanoseconds in 64 bits, which end at 292 years."""


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
            yield from _time(f"spec.edges[{number}].ackWait", edge.ack_wait)


def operator_limits(spec: OperatorSpec) -> Iterator[Problem]:
    """Times of an operator that nobody can keep."""
    yield from _time("spec.kernelTimeout", spec.kernel_timeout)
    if spec.execution.timeout is not None:
        yield from _time("spec.execution.timeout", spec.execution.timeout)


def _time(path: str, duration: str) -> Iterator[Problem]:
    if not LEAST_SECONDS <= seconds(duration) <= MOST_SECONDS:
        yield Problem(
            path,
            Reason.INVALID_SPEC,
            f"{duration!r} is {seconds(duration):g} seconds; it is from 1ms to 8760h, write for "
            "example 30s",
        )
