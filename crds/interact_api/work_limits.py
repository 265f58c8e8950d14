"""Times and forms of external work that are written well and mean nothing."""

from collections.abc import Iterator
from typing import Final

from interact_api.conditions import Reason
from interact_api.external_work import Work
from interact_api.file_names import file_problem
from interact_api.forms import form_problems
from interact_api.problem import Problem
from interact_api.quantities import seconds

LEAST_SECONDS: Final = 0.001
MOST_SECONDS: Final = 365 * 24 * 3600.0
"""A year; JetStream counts nanoseconds in 64 bits, which end at 292 years."""


def time_problems(path: str, duration: str | None) -> Iterator[Problem]:
    """What is wrong with a time: nobody can keep less than 1 ms or more than a year."""
    if duration is not None and not LEAST_SECONDS <= seconds(duration) <= MOST_SECONDS:
        yield Problem(
            path,
            Reason.INVALID_SPEC,
            f"{duration!r} is {seconds(duration):g} seconds; it is from 1ms to 8760h, write for "
            "example 30s",
        )


def work_problems(work: Work, path: str) -> Iterator[Problem]:
    """What is wrong with what a run, or an operator, asks of its driver.

    Args:
        work: What it asks.
        path: Where that stands, for example ``spec``.
    """
    yield from time_problems(f"{path}.timeout", work.timeout)
    yield from time_problems(f"{path}.waitingTimeout", work.waiting_timeout)
    yield from time_problems(f"{path}.retry.backoff", work.retry.backoff)
    yield from time_problems(f"{path}.retry.maxBackoff", work.retry.max_backoff)
    if work.human is not None:
        yield from time_problems(f"{path}.human.expiresAfter", work.human.expires_after)
        yield from form_problems(work.human.form, f"{path}.human.form")
    if work.custom is not None:
        yield from time_problems(f"{path}.custom.callTimeout", work.custom.call_timeout)
    if work.slurm is not None:
        for number, name in enumerate(work.slurm.artifacts):
            problem = file_problem(name, f"{path}.slurm.artifacts[{number}]")
            if problem is not None:
                yield problem
