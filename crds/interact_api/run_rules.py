"""What may become of a run, in CEL for the API server: the lifecycle's table, and what stays.

The rules stand at the root: one on ``status.phase`` would be skipped when the phase is removed.
"""

from collections.abc import Callable
from typing import Any, Final

from interact_api.lifecycle import MOVES, TERMINAL, RunPhase, RunReason, check_transition
from interact_api.model import Move

FROZEN: Final = (
    "driver",
    "system",
    "operator",
    "kubernetesJob",
    "slurm",
    "human",
    "experiment",
    "custom",
    "parameters",
    "inputs",
    "timeout",
    "waitingTimeout",
    "deadline",
    "retry",
)
"""Fields of the spec that stay once the run was taken up."""


def _words(phases: frozenset[RunPhase]) -> str:
    return "[" + ", ".join(f"'{one}'" for one in RunPhase if one in phases) + "]"


def _table(before: str, after: str, *, reason: bool) -> str:
    """The moves from one phase to another; to stay is one."""
    rows = [f"{before}.phase == {after}.phase"]
    for phase, reached in MOVES.items():
        known = reached - {RunPhase.SUBMITTED} if phase is RunPhase.RUNNING and reason else reached
        if known:
            rows.append(f"({before}.phase == '{phase}' && {after}.phase in {_words(known)})")
    if reason:
        rows.append(
            f"({before}.phase == 'RUNNING' && {after}.phase == 'SUBMITTED' && "
            f"has({after}.reason) && {after}.reason == '{RunReason.REQUEUED}')"
        )
    return " || ".join(rows)


def _attempt_goes_on(before: Any, after: Any) -> bool:
    return before.phase is after.phase or after.phase in MOVES[before.phase]


ATTEMPT_MOVES: Final = (
    Move(
        _table("oldSelf", "self", reason=False),
        "an attempt follows the lifecycle and never leaves its end; see docs/spec/externalrun.md",
        _attempt_goes_on,
    ),
)

_BOTH: Final = "!has(oldSelf.status) || !has(self.status) || "


def _both(holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def held(old: Any, new: Any) -> bool:
        return old.status is None or new.status is None or holds(old.status, new.status)

    return held


def _legal(old: Any, new: Any) -> bool:
    return old.attempt != new.attempt or check_transition(old.standing, new.standing) is None


def _begins_again(old: Any, new: Any) -> bool:
    return old.attempt == new.attempt or check_transition(old.standing, new.standing) is None


def _begins(old: Any, new: Any) -> bool:
    return (
        old.status is not None
        or new.status is None
        or check_transition(None, new.status.standing) is None
    )


def _keeps_id(old: Any, new: Any) -> bool:
    return old.attempt != new.attempt or old.external_id in {"", new.external_id}


def _keeps_attempts(old: Any, new: Any) -> bool:
    return {one.number for one in old.attempts} <= {one.number for one in new.attempts}


def _frozen(old: Any, new: Any) -> bool:
    if old.status is None:
        return True
    before, after = old.spec.to_object(), new.spec.to_object()
    return all(before.get(field) == after.get(field) for field in FROZEN)


def _same(field: str) -> str:
    old, new = f"oldSelf.spec.{field}", f"self.spec.{field}"
    return f"has({new}) == has({old}) && (!has({new}) || {new} == {old})"


RUN_MOVES: Final = (
    Move(
        "!has(oldSelf.status) || has(self.status)",
        "status.phase never disappears",
        lambda old, new: old.status is None or new.status is not None,
    ),
    Move(
        "has(oldSelf.status) || !has(self.status) || "
        "(self.status.phase == 'CREATED' && self.status.attempt == 1)",
        "the first phase is CREATED, of attempt 1",
        _begins,
    ),
    Move(
        f"{_BOTH}oldSelf.status.attempt != self.status.attempt || "
        f"{_table('oldSelf.status', 'self.status', reason=True)}",
        "status.phase follows the lifecycle and never leaves its end; see docs/spec/externalrun.md",
        _both(_legal),
    ),
    Move(
        f"{_BOTH}oldSelf.status.attempt == self.status.attempt || "
        "(self.status.attempt == oldSelf.status.attempt + 1 && self.status.phase == 'CREATED' && "
        f"!(oldSelf.status.phase in {_words(TERMINAL)}))",
        "another attempt is the next number in CREATED, of a run that has not ended",
        _both(_begins_again),
    ),
    Move(
        f"{_BOTH}oldSelf.status.attempt != self.status.attempt || "
        "!has(oldSelf.status.externalId) || oldSelf.status.externalId == '' || "
        "(has(self.status.externalId) && self.status.externalId == oldSelf.status.externalId)",
        "status.externalId stays for its attempt, so that its work is never lost",
        _both(_keeps_id),
    ),
    Move(
        f"{_BOTH}!has(oldSelf.status.attempts) || (has(self.status.attempts) && "
        "oldSelf.status.attempts.all(one, "
        "self.status.attempts.exists(other, other.number == one.number)))",
        "status.attempts keeps what was there",
        _both(_keeps_attempts),
    ),
    Move(
        "!has(oldSelf.status) || (" + " && ".join(map(_same, FROZEN)) + ")",
        "the spec of a run that was taken up stays, but for cancel, suspend and "
        "ttlAfterFinished; create another run",
        _frozen,
    ),
    Move(
        "!oldSelf.spec.cancel || self.spec.cancel",
        "cancel is one way; create another run",
        lambda old, new: not old.spec.cancel or new.spec.cancel,
    ),
)
"""What holds between a run and what it becomes."""
