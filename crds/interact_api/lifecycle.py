"""The lifecycle of external runs: seven phases and the moves between them; no clock and no I/O.

A run has attempts; each follows the table from
CREATED to an end. A retry is a new attempt, the only way a run comes back to CREATED. The run
itself ends once, with its last attempt, and nothing that is told later changes its end.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from interact_api.conditions import Reason
from interact_api.external import Observation, State
from interact_api.problem import Problem


class RunPhase(StrEnum):
    """Where a run, or one attempt of it, is in its life."""

    CREATED = "CREATED"
    SUBMITTED = "SUBMITTED"
    RUNNING = "RUNNING"
    WAITING_EXTERNAL = "WAITING_EXTERNAL"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


_P: Final = RunPhase
TERMINAL: Final = frozenset({_P.COMPLETED, _P.FAILED, _P.CANCELLED})
MOVES: Final[Mapping[RunPhase, frozenset[RunPhase]]] = MappingProxyType(
    {
        _P.CREATED: frozenset(
            {_P.SUBMITTED, _P.WAITING_EXTERNAL, _P.RUNNING, _P.FAILED, _P.CANCELLED}
        ),
        _P.SUBMITTED: frozenset({_P.RUNNING, _P.WAITING_EXTERNAL, *TERMINAL}),
        _P.RUNNING: frozenset({_P.WAITING_EXTERNAL, _P.SUBMITTED, *TERMINAL}),
        _P.WAITING_EXTERNAL: frozenset({_P.SUBMITTED, _P.RUNNING, *TERMINAL}),
        **dict.fromkeys(TERMINAL, frozenset()),
    }
)
"""Where an attempt may go from each phase; to stay is always allowed."""


class RunReason(StrEnum):
    """Why a run is where it is; drivers add words of their own for what their system tells."""

    # CREATED
    ACCEPTED = "Accepted"
    QUEUED = "Queued"
    SUSPENDED = "Suspended"
    RETRYING = "Retrying"
    SUBMITTING = "Submitting"
    SYSTEM_UNREACHABLE = "SystemUnreachable"
    # On the other system
    SUBMITTED = "Submitted"
    ADOPTED = "Adopted"
    REQUEUED = "Requeued"
    RUNNING = "Running"
    WAITING_EXTERNAL = "WaitingExternal"
    INVALID_RESPONSE = "InvalidResponse"
    SUBMIT_UNCERTAIN = "SubmitUncertain"
    CANCELLING = "Cancelling"
    COLLECTING = "Collecting"
    COLLECT_FAILED = "CollectFailed"
    RESULTS_COLLECTED = "ResultsCollected"
    # Ends
    COMPLETED = "Completed"
    FAILED = "Failed"
    SUBMIT_FAILED = "SubmitFailed"
    REFUSED = "Refused"
    INVALID_SPEC = "InvalidSpec"
    SYSTEM_NOT_FOUND = "SystemNotFound"
    SYSTEM_NOT_ALLOWED = "SystemNotAllowed"
    TIMEOUT = "Timeout"
    WAITING_TIMEOUT = "WaitingTimeout"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    LOST = "Lost"
    CANCELLED = "Cancelled"
    DELETED = "Deleted"


REACHED: Final[Mapping[State, RunPhase]] = MappingProxyType(
    {
        State.QUEUED: _P.SUBMITTED,
        State.REQUEUED: _P.SUBMITTED,
        State.RUNNING: _P.RUNNING,
        State.WAITING: _P.WAITING_EXTERNAL,
        State.SUCCEEDED: _P.COMPLETED,
        State.FAILED: _P.FAILED,
        State.LOST: _P.FAILED,
        State.CANCELLED: _P.CANCELLED,
    }
)
"""The phase that each state of the other system means; UNKNOWN means none."""


@dataclass(frozen=True)
class Standing:
    """Where a run is: in which phase of which attempt, and why.

    Attributes:
        phase: One of the seven.
        attempt: From 1; a retry counts on.
        reason: One word, of `RunReason` or a driver's own.
        message: The same for people.
    """

    phase: RunPhase
    attempt: int = 1
    reason: str = RunReason.ACCEPTED.value
    message: str = ""

    @property
    def terminal(self) -> bool:
        """Whether it stays so for ever."""
        return self.phase in TERMINAL


def check_transition(
    before: Standing | None, after: Standing | None, *, run: bool = True
) -> Problem | None:
    """What is wrong with a move; None if it is allowed.

    Args:
        before: Where the run, or the attempt, was; None if nothing is known of it.
        after: Where it is said to be; None if nothing is said any more.
        run: Whether this is a run, which may start another attempt; an attempt may not.
    """
    if after is None:
        return None if before is None else _illegal(before, "absent", "a phase never disappears")
    if before is None:
        if after.phase is RunPhase.CREATED and after.attempt == 1:
            return None
        return _illegal(before, _shown(after), "the first phase is CREATED of attempt 1")
    if after.attempt != before.attempt:
        return _check_retry(before, after, run=run)
    if after.phase is before.phase:
        return None
    if after.phase in MOVES[before.phase]:
        requeue = before.phase is RunPhase.RUNNING and after.phase is RunPhase.SUBMITTED
        if requeue and after.reason != RunReason.REQUEUED:
            return _illegal(before, _shown(after), "RUNNING goes back with reason Requeued alone")
        return None
    allowed = ", ".join(phase for phase in RunPhase if phase in MOVES[before.phase])
    rule = f"it goes to {allowed}" if allowed else "that is an end, create another run"
    return _illegal(before, _shown(after), rule)


def _check_retry(before: Standing, after: Standing, *, run: bool) -> Problem | None:
    if not run:
        return _illegal(before, _shown(after), "an attempt keeps its number")
    if before.terminal:
        return _illegal(before, _shown(after), "that is an end, create another run")
    if after.attempt != before.attempt + 1 or after.phase is not RunPhase.CREATED:
        rule = f"a retry is attempt {before.attempt + 1} in CREATED"
        return _illegal(before, _shown(after), rule)
    return None


def _shown(one: Standing) -> str:
    return f"{one.phase} of attempt {one.attempt}"


def _illegal(before: Standing | None, after: str, rule: str) -> Problem:
    where = "absent" if before is None else _shown(before)
    message = f"status.phase {where} -> {after}: {rule}"
    return Problem("status.phase", Reason.ILLEGAL_TRANSITION, message)


def observed(before: Standing, seen: Observation) -> Standing:
    """Where an attempt is after an observation; never against the table.

    What comes after the end changes nothing, nor does a state that nobody knows. Work that was
    never seen submitted and has succeeded is SUBMITTED first: its end comes with its results.
    """
    if before.terminal or seen.state is State.UNKNOWN:
        return before
    phase = REACHED[seen.state]
    reason = seen.reason or _REASONS[seen.state]
    if before.phase is RunPhase.CREATED and phase is RunPhase.COMPLETED:
        return Standing(RunPhase.SUBMITTED, before.attempt, RunReason.ADOPTED, seen.message)
    if before.phase is RunPhase.RUNNING and phase is RunPhase.SUBMITTED:
        message = seen.message or f"the other system says {reason}"
        return Standing(phase, before.attempt, RunReason.REQUEUED, message)
    return Standing(phase, before.attempt, reason, seen.message)


_REASONS: Final[Mapping[State, RunReason]] = MappingProxyType(
    {
        State.QUEUED: RunReason.SUBMITTED,
        State.REQUEUED: RunReason.REQUEUED,
        State.RUNNING: RunReason.RUNNING,
        State.WAITING: RunReason.WAITING_EXTERNAL,
        State.SUCCEEDED: RunReason.COMPLETED,
        State.FAILED: RunReason.FAILED,
        State.LOST: RunReason.LOST,
        State.CANCELLED: RunReason.CANCELLED,
    }
)


def retried(before: Standing, message: str = "") -> Standing:
    """Where a run is when an attempt has ended and another begins.

    Raises:
        ValueError: If the run itself has ended.
    """
    if before.terminal:
        raise ValueError(f"{_shown(before)} is the run's end; create another run")
    return Standing(RunPhase.CREATED, before.attempt + 1, RunReason.RETRYING, message)
