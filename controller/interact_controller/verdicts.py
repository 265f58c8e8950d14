"""The conditions of a pipeline before they have a time: each says what holds, why, and what to do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from interact_api import flow
from interact_api.conditions import ConditionStatus, ConditionType, Reason
from interact_api.flow import Edge
from interact_api.plain import entries, mapping

from interact_controller.desired.state import Desired, Stage
from interact_controller.diagnosis import PROGRESS, Finding
from interact_controller.edges import letters
from interact_controller.errors import Stalled, Waiting
from interact_controller.observed import Observed

FLOW_SECONDS: Final = 15.0
"""Silence of all counters after which a pipeline counts as idle."""
_STREAM_REASONS: Final = frozenset({Reason.OVER_BUDGET, Reason.STREAM_REFUSED})
_OUTSIDE: Final = frozenset(
    {Reason.NAME_TAKEN, Reason.FORMER_PODS, Reason.QUOTA_EXCEEDED, Reason.BROKER_UNREACHABLE}
)
"""Reasons that say nothing against the specification."""


@dataclass(frozen=True)
class Verdict:
    """One condition before it has a time."""

    type: ConditionType
    status: ConditionStatus
    reason: Reason
    message: str = ""


TRUE, FALSE, UNKNOWN = ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN


def verdicts(
    observed: Observed,
    desired: Desired | None,
    trouble: Stalled | Waiting | None,
    troubles: Mapping[str, Finding],
    seen: Sequence[Edge],
    now: datetime,
) -> Iterator[Verdict]:
    """All conditions, Ready first; abnormal ones only while they hold."""
    ready = _ready(observed, desired, trouble, troubles)
    yield ready
    yield _accepted(trouble)
    yield _streams(observed, desired, trouble)
    yield _workloads(desired, trouble, troubles)
    yield _flowing(observed, desired, now)
    yield _completed(observed, desired)
    if isinstance(trouble, Stalled):
        yield Verdict(ConditionType.STALLED, TRUE, trouble.reason, str(trouble))
    elif ready.status is not TRUE:
        yield Verdict(ConditionType.RECONCILING, TRUE, ready.reason, ready.message)
    yield from _abnormal(observed, desired, seen, now)


def _ready(
    observed: Observed,
    desired: Desired | None,
    trouble: Stalled | Waiting | None,
    troubles: Mapping[str, Finding],
) -> Verdict:
    kind = ConditionType.READY
    if trouble is not None:
        return Verdict(kind, FALSE, trouble.reason, str(trouble))
    if desired is None:
        return Verdict(kind, UNKNOWN, Reason.UNKNOWN)
    if desired.stage is Stage.COMPLETED:
        return Verdict(kind, TRUE, *_completion(observed))
    if desired.stage is Stage.SUSPENDED:
        words = (
            "the operators are stopped, the streams are kept; set spec.suspend to false to go on"
        )
        return Verdict(kind, TRUE, Reason.SUSPENDED, words)
    if observed.streams is None:
        return Verdict(kind, FALSE, Reason.BROKER_UNREACHABLE, _away(observed))
    if desired.stage is Stage.DRAINED:
        words = "the sources are stopped and nothing is in flight; the pipeline can be deleted"
        return Verdict(kind, TRUE, Reason.DRAINED, words)
    if desired.stage is Stage.DRAINING:
        words = "the sources are stopped; what is in flight is being finished"
        return Verdict(kind, FALSE, Reason.DRAINING, words)
    if desired.waits:
        words = "; ".join(desired.waits)
        words = f"edges that change are running empty: {words}"
        return Verdict(kind, FALSE, Reason.EDGES_DRAINING, words)
    worst = _worst(troubles)
    if worst is not None:
        return Verdict(kind, FALSE, worst.reason, worst.message)
    return Verdict(kind, TRUE, Reason.RUNNING, "every operator is ready")


def _worst(troubles: Mapping[str, Finding]) -> Finding | None:
    """One finding for all: the one that needs somebody, with the number of the others."""
    if not troubles:
        return None
    found = sorted(troubles.values(), key=lambda one: one.reason in PROGRESS)
    more = f" ({len(found) - 1} more operators are not ready)" if len(found) > 1 else ""
    return Finding(found[0].reason, f"{found[0].message}{more}")


def _accepted(trouble: Stalled | Waiting | None) -> Verdict:
    kind = ConditionType.ACCEPTED
    if trouble is None or trouble.reason in _STREAM_REASONS | _OUTSIDE:
        return Verdict(kind, TRUE, Reason.ACCEPTED)
    return Verdict(kind, FALSE, trouble.reason, str(trouble))


def _streams(
    observed: Observed, desired: Desired | None, trouble: Stalled | Waiting | None
) -> Verdict:
    kind = ConditionType.STREAMS_READY
    if trouble is not None and trouble.reason in _STREAM_REASONS:
        return Verdict(kind, FALSE, trouble.reason, str(trouble))
    if observed.streams is None:
        return Verdict(kind, UNKNOWN, Reason.BROKER_UNREACHABLE, _away(observed))
    if desired is None or trouble is not None:
        reason = trouble.reason if trouble is not None else Reason.UNKNOWN
        return Verdict(kind, UNKNOWN, reason, "the streams were not looked at")
    if desired.waits:
        return Verdict(kind, TRUE, Reason.EDGES_DRAINING, "; ".join(desired.waits))
    return Verdict(kind, TRUE, Reason.READY)


def _away(observed: Observed) -> str:
    return (
        f"NATS does not answer: {observed.broker_words}; look after the nats-server. Pods that run "
        "go on by themselves when it is back"
    )


def _workloads(
    desired: Desired | None, trouble: Stalled | Waiting | None, troubles: Mapping[str, Finding]
) -> Verdict:
    kind = ConditionType.WORKLOADS_AVAILABLE
    if desired is None:
        return Verdict(kind, UNKNOWN, trouble.reason if trouble else Reason.UNKNOWN)
    if desired.stage in {Stage.SUSPENDED, Stage.DRAINED, Stage.COMPLETED}:
        return Verdict(kind, TRUE, Reason(desired.stage.value), "no pods are needed")
    worst = _worst(troubles)
    if worst is not None:
        return Verdict(kind, FALSE, worst.reason, worst.message)
    return Verdict(kind, TRUE, Reason.READY)


def _flowing(observed: Observed, desired: Desired | None, now: datetime) -> Verdict:
    kind = ConditionType.FLOWING
    if desired is not None and desired.stage is not Stage.RUNNING:
        moves = desired.stage is Stage.DRAINING
        return Verdict(kind, TRUE if moves else FALSE, Reason(desired.stage.value))
    if flows(observed, now):
        return Verdict(kind, TRUE, Reason.RUNNING)
    return Verdict(kind, FALSE, Reason.IDLE, "no frames came of late")


def flows(observed: Observed, now: datetime) -> bool:
    """Whether frames moved of late."""
    moved = max(
        (record.moved_at or 0.0 for record in observed.board.of(observed.name)), default=0.0
    )
    return moved > now.timestamp() - FLOW_SECONDS


def _completed(observed: Observed, desired: Desired | None) -> Verdict:
    kind = ConditionType.COMPLETED
    if desired is not None and desired.stage is Stage.COMPLETED:
        return Verdict(kind, TRUE, *_completion(observed))
    known = entries(mapping(observed.manifest.get("status")).get("conditions"))
    for one in map(mapping, known):
        if one.get("type") == kind and one.get("status") == TRUE:
            return Verdict(kind, TRUE, _known(one.get("reason")), str(one.get("message", "")))
    return Verdict(kind, FALSE, Reason.RUNNING)


def _known(reason: Any) -> Reason:
    """A reason of a former status; one of another version counts as plain completion."""
    return Reason(reason) if reason in set(Reason) else Reason.COMPLETED


def _completion(observed: Observed) -> tuple[Reason, str]:
    kept = letters(observed)
    if kept is not None and kept.messages:
        words = f"every scan is accounted for; {kept.messages:,} messages are dead letters"
        return Reason.COMPLETED_WITH_DEAD_LETTERS, words
    return Reason.COMPLETED, "every scan is accounted for"


_WHILE_WORKING: Final = frozenset(
    {ConditionType.STUCK, ConditionType.DEADLOCKED, ConditionType.BREAKER_OPEN}
)
"""What is abnormal only while operators are to work."""


def _abnormal(
    observed: Observed, desired: Desired | None, seen: Sequence[Edge], now: datetime
) -> Iterator[Verdict]:
    working = desired is not None and desired.stage in {Stage.RUNNING, Stage.DRAINING}
    records = observed.board.of(observed.name)
    for one in flow.troubles(records, seen, letters(observed), now.timestamp()):
        if working or one.type not in _WHILE_WORKING:
            yield Verdict(one.type, TRUE, one.reason, one.message)
