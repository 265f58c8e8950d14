"""The conditions of an external run, all from its phase: the seven, and what others read."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import Field

from interact_api.conditions import ConditionStatus
from interact_api.external import ReasonWord
from interact_api.lifecycle import RunPhase, RunReason, Standing
from interact_api.model import Int, Model

TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"
MESSAGE_LIMIT: Final = 4096


class RunConditionType(StrEnum):
    """What a condition of a run is about; of the first seven exactly one is True."""

    CREATED = "Created"
    SUBMITTED = "Submitted"
    RUNNING = "Running"
    WAITING_EXTERNAL = "WaitingExternal"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    SUCCEEDED = "Succeeded"
    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    RESULTS_COLLECTED = "ResultsCollected"


CONDITION: Final[Mapping[RunPhase, RunConditionType]] = MappingProxyType(
    {phase: RunConditionType[phase.name] for phase in RunPhase}
)
"""The condition that is True in each phase."""


class RunCondition(Model):
    """One observation about a run, as Kubernetes' ``metav1.Condition``."""

    type: RunConditionType = Field(description="What the condition is about.")
    status: ConditionStatus = Field(description="Whether it holds.")
    reason: ReasonWord = Field(description="Why, in one word that a program may branch on.")
    message: Annotated[str, Field(max_length=MESSAGE_LIMIT)] = Field(
        default="", description="Why, for people: the value, the bound and the next step."
    )
    observed_generation: Int = Field(
        default=0, ge=0, description="The generation of the spec this was observed for."
    )
    last_transition_time: Annotated[str, Field(max_length=64)] = Field(
        description="When the status last changed (RFC 3339)."
    )


def conditions(
    standing: Standing,
    now: datetime,
    *,
    generation: int = 0,
    before: Iterable[RunCondition] = (),
    collected: ConditionStatus | None = None,
    collected_message: str = "",
) -> tuple[RunCondition, ...]:
    """The conditions of a run from where it is.

    Args:
        standing: Where it is.
        now: The time of the conditions that change, with its zone.
        generation: Generation of the spec that was seen.
        before: The conditions there were: those whose status stays keep their time.
        collected: Whether the results are there; None as long as nobody tried to collect them.
        collected_message: Why, for people.
    """
    times = {one.type: one for one in before}
    found = [
        (kind, _truth(kind is CONDITION[standing.phase]), standing.reason, standing.message)
        for kind in CONDITION.values()
    ]
    found += [(*one, standing.reason, standing.message) for one in _summary(standing)]
    if collected is not None:
        done = collected is ConditionStatus.TRUE
        reason = RunReason.RESULTS_COLLECTED if done else RunReason.COLLECT_FAILED
        kind = RunConditionType.RESULTS_COLLECTED
        found.append((kind, collected, reason.value, collected_message))
    stamp = now.astimezone(UTC).strftime(TIME_FORMAT)
    return tuple(
        RunCondition(
            type=kind,
            status=status,
            reason=reason,
            message=message[:MESSAGE_LIMIT],
            observed_generation=generation,
            last_transition_time=times[kind].last_transition_time
            if kind in times and times[kind].status is status
            else stamp,
        )
        for kind, status, reason, message in found
    )


def _summary(standing: Standing) -> list[tuple[RunConditionType, ConditionStatus]]:
    """What Tekton's, kstatus' and everybody's readers look at."""
    kinds = RunConditionType
    if not standing.terminal:
        return [
            (kinds.SUCCEEDED, ConditionStatus.UNKNOWN),
            (kinds.READY, ConditionStatus.FALSE),
            (kinds.RECONCILING, ConditionStatus.TRUE),
        ]
    done = _truth(standing.phase is RunPhase.COMPLETED)
    found = [(kinds.SUCCEEDED, done), (kinds.READY, done)]
    if done is ConditionStatus.FALSE:
        found.append((kinds.STALLED, ConditionStatus.TRUE))
    return found


def _truth(holds: bool) -> ConditionStatus:
    return ConditionStatus.TRUE if holds else ConditionStatus.FALSE
