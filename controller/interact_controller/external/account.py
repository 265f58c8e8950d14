"""The status of a run after something was done for it: pure, a function of what it was before."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

from interact_api.conditions import ConditionStatus
from interact_api.external import Handle, Observation, key
from interact_api.external_run import AttemptState, ExternalRunStatus
from interact_api.external_work import Driver
from interact_api.lifecycle import RunPhase, Standing
from interact_api.run_conditions import MESSAGE_LIMIT, TIME_FORMAT, RunConditionType, conditions

from interact_controller.external.reading import Reading
from interact_controller.external.steps import Tell
from interact_controller.seen import Manifest

ATTEMPT_MESSAGE = 1024
"""Characters of an attempt's message; the model takes no more."""


def status(
    reading: Reading,
    tell: Tell,
    now: datetime,
    *,
    handle: Handle | None = None,
    observation: Observation | None = None,
) -> Manifest:
    """The status as it is to be written.

    Args:
        reading: The run as it was read, with the status before.
        tell: What is to be told.
        now: The time.
        handle: The attempt's work, once it is known.
        observation: What was seen of it last.
    """
    before = reading.status or ExternalRunStatus(phase=RunPhase.CREATED, attempt=1)
    there, stamp = tell.standing, now.astimezone(UTC).strftime(TIME_FORMAT)
    again = there.attempt != before.attempt
    after = _place(reading, before, tell, stamp, handle, observation)
    if tell.result is not None:
        after |= {"results": tell.result.results, "artifacts": tell.result.artifacts}
    if there.terminal:
        after["completion_time"] = before.completion_time or stamp
    after["retry_time"] = ""
    if again:
        wait = reading.terms.retry.delay_seconds(before.attempt)
        at = now.astimezone(UTC) + timedelta(seconds=wait)
        after["retry_time"] = at.strftime(TIME_FORMAT)
    elif there.phase is RunPhase.CREATED:
        after["retry_time"] = before.retry_time
    after["conditions"] = _conditions(reading, tell, now, before)
    made = before.model_copy(update=after)
    told: Manifest = made.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {**told, "phase": str(made.phase), "attempt": made.attempt}


def _place(
    reading: Reading,
    before: ExternalRunStatus,
    tell: Tell,
    stamp: str,
    handle: Handle | None,
    observation: Observation | None,
) -> dict[str, Any]:
    """Where the run is, and what its work is called."""
    there = tell.standing
    again = there.attempt != before.attempt
    waits = there.phase is RunPhase.WAITING_EXTERNAL
    deadline = reading.deadline
    known = None if again else handle if handle is not None else before.handle
    return {
        "phase": there.phase, "attempt": there.attempt, "reason": there.reason,
        "message": there.message[:MESSAGE_LIMIT], "observed_generation": reading.generation,
        "driver": Driver(reading.driver) if reading.driver else None,
        "system": reading.system or None,
        "idempotency_key": key(reading.uid, there.attempt),
        "external_id": known.external_id if known is not None else "",
        "handle": known,
        "attempts": _attempts(before, tell, stamp, known),
        "detail": {} if again else observation.detail if observation is not None else before.detail,
        "answers": f"{reading.key.name}-answers" if reading.driver == Driver.HUMAN else "",
        "start_time": before.start_time or stamp,
        "deadline_time": "" if deadline is None else deadline.astimezone(UTC).strftime(TIME_FORMAT),
        "waiting_time": (before.waiting_time or stamp) if waits else "",
    }  # fmt: skip


def _attempts(
    before: ExternalRunStatus, tell: Tell, stamp: str, handle: Handle | None
) -> tuple[AttemptState, ...]:
    """All attempts: the current one is where the run is, one that was given up has its end."""
    there = tell.standing
    known = {one.number: one for one in before.attempts}
    if tell.ended is not None and tell.ended.attempt in known:
        known[tell.ended.attempt] = _moved(known[tell.ended.attempt], tell.ended, stamp, None)
    fresh = AttemptState(number=there.attempt, phase=RunPhase.CREATED, created_time=stamp)
    known[there.attempt] = _moved(known.get(there.attempt, fresh), there, stamp, handle)
    return tuple(known[number] for number in sorted(known))


def _moved(one: AttemptState, there: Standing, stamp: str, handle: Handle | None) -> AttemptState:
    named = handle.external_id if handle is not None else one.external_id
    changed: dict[str, Any] = {
        "phase": there.phase, "reason": there.reason, "message": there.message[:ATTEMPT_MESSAGE],
        "external_id": named,
    }  # fmt: skip
    if named and not one.submitted_time:
        changed["submitted_time"] = stamp
    if there.terminal:
        changed["ended_time"] = one.ended_time or stamp
    return one.model_copy(update=changed)


def _conditions(
    reading: Reading, tell: Tell, now: datetime, before: ExternalRunStatus
) -> tuple[Any, ...]:
    collected: ConditionStatus | None = None
    words = ""
    kind = RunConditionType.RESULTS_COLLECTED
    was = next((one for one in before.conditions if one.type is kind), None)
    if tell.result is not None:
        collected = ConditionStatus.TRUE
    elif tell.uncollected:
        collected, words = ConditionStatus.FALSE, tell.uncollected
    elif was is not None and tell.standing.attempt == before.attempt:
        collected, words = was.status, was.message
    return conditions(
        dataclasses.replace(tell.standing, message=tell.standing.message[:MESSAGE_LIMIT]), now,
        generation=reading.generation, before=before.conditions, collected=collected,
        collected_message=words,
    )  # fmt: skip


def quiet(before: ExternalRunStatus | None, standing: Standing) -> bool:
    """Whether nothing but words for people would be new."""
    return before is not None and (before.phase, before.attempt, before.reason) == (
        standing.phase, standing.attempt, standing.reason,
    )  # fmt: skip
