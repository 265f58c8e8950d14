"""A pipeline's status: conditions, phase and numbers, as one value to be written once, last."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from interact_api.conditions import Condition, ConditionType, Reason
from interact_api.flow import Edge
from interact_api.pipeline_status import Phase, PipelineStatus
from interact_api.plain import entries, mapping

from interact_controller import figures
from interact_controller.desired.state import Desired, Stage
from interact_controller.diagnosis import PROGRESS, Finding
from interact_controller.edges import edges, letters, letters_ever
from interact_controller.errors import Stalled, Waiting
from interact_controller.observed import Observed
from interact_controller.seen import Manifest
from interact_controller.verdicts import FALSE, TRUE, Verdict, verdicts

_LONGEST: Final = 4000
_KEPT: Final = ("operators", "edges", "scans", "externalRuns", "deadLetters", "deadLettersEver")
"""What a status tells on where nothing newer can be said."""


def status(
    observed: Observed,
    desired: Desired | None,
    trouble: Stalled | Waiting | None,
    now: datetime,
) -> Manifest:
    """The status of a pipeline.

    Args:
        observed: What was found.
        desired: What should be there; None if that cannot be said.
        trouble: What kept the reconcile from its end.
        now: The time of the conditions that change.
    """
    before = mapping(observed.manifest.get("status"))
    troubles = figures.findings(observed, desired) if desired is not None else {}
    seen = edges(observed)
    found = tuple(verdicts(observed, desired, trouble, troubles, seen, now))
    ready = found[0]
    value = PipelineStatus(
        phase=_phase(observed, desired, trouble, ready),
        observed_generation=observed.pipeline.metadata.generation,
        conditions=conditions(
            found, before.get("conditions"), observed.pipeline.metadata.generation, now
        ),
        **_numbers(observed, desired, troubles, before, seen, now),
    )
    return dumped(value)


def dumped(value: PipelineStatus) -> Manifest:
    """A status as Kubernetes stores it."""
    found: Manifest = value.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude_unset=True
    )
    return found


def conditions(
    told: Iterable[Verdict], before: object, generation: int, now: datetime
) -> tuple[Condition, ...]:
    """Conditions with their times: those whose status stays keep theirs."""
    known = {mapping(one).get("type"): mapping(one) for one in entries(before)}
    return tuple(
        Condition(
            type=one.type,
            status=one.status,
            reason=one.reason,
            message=one.message[:_LONGEST],
            observed_generation=generation,
            last_transition_time=str(
                known[one.type]["lastTransitionTime"]
                if known.get(one.type, {}).get("status") == one.status
                and "lastTransitionTime" in known[one.type]
                else now.strftime("%Y-%m-%dT%H:%M:%SZ")
            ),
        )
        for one in told
    )


def refused(manifest: Manifest, message: str, now: datetime) -> Manifest:
    """The status of an object that the models refuse, of either kind."""
    generation = int(mapping(manifest.get("metadata")).get("generation", 0))
    told = [
        Verdict(ConditionType.READY, FALSE, Reason.INVALID_SPEC, message),
        Verdict(ConditionType.ACCEPTED, FALSE, Reason.INVALID_SPEC, message),
        Verdict(ConditionType.STALLED, TRUE, Reason.INVALID_SPEC, message),
    ]
    before = mapping(manifest.get("status"))
    found = conditions(told, before.get("conditions"), generation, now)
    value = PipelineStatus(phase=Phase.FAILED, observed_generation=generation, conditions=found)
    return {**before, **dumped(value)}


# -- phase and numbers -------------------------------------------------------------------------


def _phase(
    observed: Observed,
    desired: Desired | None,
    trouble: Stalled | Waiting | None,
    ready: Verdict,
) -> Phase:
    if isinstance(trouble, Stalled):
        return Phase.FAILED
    if desired is None or trouble is not None:
        works = any(one.ready and one.owner == observed.uid for one in observed.workloads.values())
        return Phase.DEGRADED if works else Phase.PENDING
    if desired.stage is Stage.DRAINED:
        return Phase.SUSPENDED
    if desired.stage is Stage.DRAINING:
        return Phase.DRAINING
    if desired.stage is not Stage.RUNNING:
        return Phase(desired.stage.value)
    if ready.status is TRUE:
        return Phase.RUNNING
    if ready.reason is Reason.BROKER_UNREACHABLE:
        return Phase.DEGRADED if observed.workloads else Phase.PENDING
    if ready.reason in PROGRESS | {Reason.EDGES_DRAINING}:
        return Phase.PROGRESSING
    return Phase.DEGRADED


def _numbers(
    observed: Observed,
    desired: Desired | None,
    troubles: Mapping[str, Finding],
    before: Mapping[str, Any],
    seen: Sequence[Edge],
    now: datetime,
) -> dict[str, Any]:
    """What the models call operators, edges, scans, and the printer columns."""
    if desired is None:
        kept = PipelineStatus.model_validate({key: before[key] for key in _KEPT if key in before})
        return {name: getattr(kept, name) for name in kept.model_fields_set}
    operators = tuple(figures.operators(observed, desired, troubles))
    dead = letters(observed)
    told: dict[str, Any] = {
        "edges": tuple(figures.edges(observed, seen, now)),
        "dead_letters": dead.messages if dead is not None else 0,
        "dead_letters_ever": letters_ever(observed),
    }
    if observed.streams is None:  # the last figures are better than none
        former = {
            name: before[name]
            for name in ("edges", "deadLetters", "deadLettersEver")
            if name in before
        }
        last = PipelineStatus.model_validate(former)
        told = {name: getattr(last, name) for name in told}
    wanted = {one.name for one in observed.pipeline.spec.operators}
    runs = desired.stage in {Stage.RUNNING, Stage.DRAINING}
    rests = {name for name, one in observed.scaled.items() if runs and not one.replicas}
    ready = sum(
        one.name in wanted and one.replicas <= one.ready and (one.replicas > 0 or one.name in rests)
        for one in operators
    )
    sources = [one for one in observed.board.of(observed.name) if one.is_source]
    rate = sum(one.rates()[0] for one in sources) if desired.stage is Stage.RUNNING else 0.0
    if observed.runs or any(one.most_runs for one in desired.configs.values()):
        told["external_runs"] = figures.runs(phase for _, phase in observed.runs)
    return {
        "operators": operators,
        **told,
        "scans": figures.scans(observed.board, observed.name, before),
        "ready_operators": f"{ready}/{len(wanted)}",
        "frames_per_second": figures.rounded(rate),
        "lag": sum(one.pending_messages for one in told["edges"]),
    }
