# ruff: noqa: N818  # named for what happened
"""What the loop asks of a driver, which speaks to one other system, and how a driver says no.

A driver keeps nothing between calls: what it has to know again travels in the handle, which lies in
the run's status and in its claim, so it never holds a secret. Each call ends within
``call_seconds``, and may come again after a crash: `Driver.prepare` gives an equal handle for an
equal run, `Driver.cancel` of what has ended is confirmed.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

from interact_api.external import Handle, Observation, OperatorResult, Repeat, Run
from interact_api.problem import Problem

from interact_controller.errors import ControllerError

Ask = Callable[[str, bytes, float], Awaitable[bytes | None]]
"""Asks over NATS at a subject, for so many seconds; None if nobody listens. Raises `BrokerError`."""


class ExternalError(ControllerError):
    """The other system did not do what was asked: it is away, slow, or answers rubbish.

    The run's status stays as it is, and the call is made again, after a longer pause each time.
    Raised by `Driver.submit`, it says that nothing was submitted.
    """


class Ambiguous(ExternalError):
    """A submit that may have happened: its answer did not come, or is not to be understood.

    What follows is up to `Driver.repeat`: it is made again with the same key, the key is looked up,
    or a person has to decide.
    """


class Refused(ControllerError):
    """The other system will never do this: the attempt has failed."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(f"{problem.path}: {problem.message}" if problem.path else problem.message)


class Driver(Protocol):
    """One other system, or one way of doing work; made for each ExternalSystem.

    Any call may raise `ExternalError`; what it raises beside the errors of this module is logged
    and counts as an `ExternalError`, after `submit` as an `Ambiguous`.
    """

    @property
    def repeat(self) -> Repeat:
        """How a submit whose end nobody knows may be repeated."""
        ...

    @property
    def call_seconds(self) -> float:
        """Longest time any call takes; the lease must hold for longer before one that changes things."""
        ...

    async def validate(self, run: Run) -> list[Problem]:
        """What is wrong with a run, without asking the other system; empty if nothing is."""
        ...

    async def prepare(self, run: Run) -> Handle:
        """Make ready what the submit needs; nothing begins. May come twice, with an equal handle.

        Raises:
            Refused: If it can never be made ready.
        """
        ...

    async def submit(self, run: Run, handle: Handle) -> Handle:
        """Begin the work under ``run.key``; the handle with its external id.

        Raises:
            Refused: If the other system will never take it.
            ExternalError: If nothing was submitted; it is tried again.
            Ambiguous: If it may have been submitted.
        """
        ...

    async def lookup(self, run: Run) -> Handle | None:
        """The handle of the work with ``run.key``, running or ended; None if there is none.

        Asked before a submit that may be a second one, and for runs that were deleted. Where
        ``repeat`` is not LOOKUP, None may also mean that it cannot be known.
        """
        ...

    async def check(self, handle: Handle) -> Observation:
        """How the work stands; a state that is not known is UNKNOWN, work that is not found LOST."""
        ...

    async def collect(self, handle: Handle) -> OperatorResult:
        """The results of work that succeeded; may come again until it succeeds.

        Raises:
            Refused: If what there is can never be results.
        """
        ...

    async def cancel(self, handle: Handle) -> bool:
        """Stop the work; True once it is known to have ended, whichever way.

        False if it was asked to stop and may still run: the call comes again.
        """
        ...


@runtime_checkable
class RepeatsByRun(Protocol):
    """A driver whose runs say for themselves how a submit may be repeated."""

    def repeat_of(self, run: Run) -> Repeat:
        """How a submit of this run may be repeated; goes before `Driver.repeat`."""
        ...


def repeat_of(driver: Driver, run: Run) -> Repeat:
    """How a submit of a run whose end nobody knows may be repeated."""
    return driver.repeat_of(run) if isinstance(driver, RepeatsByRun) else driver.repeat
