"""The lifecycle of external runs: its table, its law under any events, and its conditions."""

import copy
import itertools
from datetime import UTC, datetime, timedelta

import pytest
from api.specimens import FULL_RUN
from hypothesis import given, settings
from hypothesis import strategies as st
from interact_api import lifecycle
from interact_api.admission import admission_errors
from interact_api.conditions import ConditionStatus, Reason
from interact_api.external import Observation, State
from interact_api.external_run import AttemptState, ExternalRun
from interact_api.external_work import Retry
from interact_api.lifecycle import TERMINAL, RunPhase, RunReason, Standing, check_transition
from interact_api.run_conditions import CONDITION, RunConditionType, conditions
from interact_api.run_rules import RUN_MOVES

TABLE = {
    "CREATED": "SUBMITTED WAITING_EXTERNAL RUNNING FAILED CANCELLED",
    "SUBMITTED": "RUNNING WAITING_EXTERNAL COMPLETED FAILED CANCELLED",
    "RUNNING": "WAITING_EXTERNAL SUBMITTED COMPLETED FAILED CANCELLED",
    "WAITING_EXTERNAL": "SUBMITTED RUNNING COMPLETED FAILED CANCELLED",
    "COMPLETED": "",
    "FAILED": "",
    "CANCELLED": "",
}
"""As the design has it, written again."""
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PHASES = st.sampled_from(RunPhase)
STANDINGS = st.builds(
    Standing, PHASES, st.integers(1, 4), st.sampled_from(["Requeued", "Running", "NodeFail"])
)
SEEN = st.builds(
    Observation,
    state=st.sampled_from(State),
    reason=st.sampled_from([None, "OutOfMemory", "Preempted"]),
)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("seen"), SEEN),
        st.tuples(st.just("written"), STANDINGS),
        st.tuples(st.just("removed"), st.none()),
        st.tuples(st.just("retried"), st.none()),
    ),
    max_size=30,
)


def reason(after):
    return "Requeued" if after == "SUBMITTED" else "Running"


@pytest.mark.parametrize("before", TABLE)
def test_an_attempt_goes_where_the_table_has_it_and_nowhere_else(before):
    allowed = {
        after
        for after in TABLE
        if check_transition(
            Standing(RunPhase(before)), Standing(RunPhase(after), reason=reason(after)), run=False
        )
        is None
    }

    assert allowed == {before, *TABLE[before].split()}


def test_a_refused_move_names_both_phases_and_where_it_may_go():
    found = check_transition(Standing(RunPhase.FAILED, 2), Standing(RunPhase.CREATED, 2))

    assert found is not None
    assert (found.path, found.reason) == ("status.phase", Reason.ILLEGAL_TRANSITION)
    assert found.message == (
        "status.phase FAILED of attempt 2 -> CREATED of attempt 2: that is an end, create "
        "another run"
    )


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        (None, Standing(RunPhase.RUNNING), "the first phase is CREATED"),
        (None, Standing(RunPhase.CREATED, 2), "the first phase is CREATED of attempt 1"),
        (Standing(RunPhase.FAILED), None, "never disappears"),
        (Standing(RunPhase.RUNNING), Standing(RunPhase.SUBMITTED), "with reason Requeued alone"),
        (Standing(RunPhase.RUNNING), Standing(RunPhase.CREATED, 3), "attempt 2 in CREATED"),
        (Standing(RunPhase.RUNNING), Standing(RunPhase.RUNNING, 2), "attempt 2 in CREATED"),
        (Standing(RunPhase.FAILED), Standing(RunPhase.CREATED, 2), "that is an end"),
        (Standing(RunPhase.RUNNING, 2), Standing(RunPhase.RUNNING, 1), "attempt 3 in CREATED"),
    ],
)
def test_what_no_run_may_do_is_refused_with_the_rule(before, after, rule):
    found = check_transition(before, after)

    assert found is not None
    assert rule in found.message


def test_another_attempt_is_the_only_way_back_to_created():
    for phase in set(RunPhase) - TERMINAL:
        again = lifecycle.retried(Standing(phase, 1))

        assert again == Standing(RunPhase.CREATED, 2, RunReason.RETRYING)
        assert check_transition(Standing(phase, 1), again) is None
        assert check_transition(Standing(phase, 1), again, run=False) is not None
    with pytest.raises(ValueError, match="create another run"):
        lifecycle.retried(Standing(RunPhase.FAILED))


def apply(before, event, told):
    """What a controller would store after an event; an illegal write is refused."""
    if event == "seen":
        return before if before is None else lifecycle.observed(before, told)
    if event == "retried":
        return before if before is None or before.terminal else lifecycle.retried(before)
    return before if check_transition(before, told) is not None else told


@settings(max_examples=200)
@given(EVENTS)
def test_no_sequence_of_events_breaks_the_table(events):
    trace: list[Standing | None] = [None, Standing(RunPhase.CREATED)]
    for event, told in events:
        trace.append(apply(trace[-1], event, told))

    for before, after in itertools.pairwise(trace):
        assert check_transition(before, after) is None
        if before is not None:
            assert after is not None
            assert after.attempt in {before.attempt, before.attempt + 1}
            assert not before.terminal or after == before or after.phase is before.phase
            if after.attempt == before.attempt and after.phase is not before.phase:
                assert after.phase.value in TABLE[before.phase.value].split()


@given(STANDINGS, SEEN)
def test_to_hear_the_same_again_changes_nothing(standing, seen):
    once = lifecycle.observed(lifecycle.observed(standing, seen), seen)

    assert check_transition(standing, lifecycle.observed(standing, seen)) is None
    assert lifecycle.observed(once, seen) == once


@given(STANDINGS.filter(lambda one: one.terminal), st.lists(SEEN))
def test_nothing_that_is_seen_later_changes_an_end(standing, sequence):
    after = standing
    for seen in sequence:
        after = lifecycle.observed(after, seen)

    assert after == standing


def as_run(standing):
    """A run in YAML that is where the standing says."""
    data = copy.deepcopy(FULL_RUN)
    data.pop("status")
    if standing is not None:
        data["status"] = {
            "phase": standing.phase.value,
            "attempt": standing.attempt,
            "reason": standing.reason,
        }
    return data


@settings(max_examples=200)
@given(st.none() | STANDINGS, st.none() | STANDINGS)
def test_the_function_the_models_and_cel_are_of_one_opinion(before, after):
    told = check_transition(before, after)

    old, new = (ExternalRun.model_validate(as_run(one)) for one in (before, after))
    errors = admission_errors(as_run(after), as_run(before))
    models = [move.message for move in RUN_MOVES if not move.holds(old, new)]

    if before is after is None:
        assert (errors, models) == ((), [])
    else:
        assert (told is None) == (not errors) == (not models), (told, errors, models)


@given(PHASES, PHASES)
def test_an_entry_of_the_attempts_follows_the_same_table(before, after):
    old, new = (AttemptState(number=1, phase=phase) for phase in (before, after))
    runs = [as_run(Standing(RunPhase.RUNNING)) for _ in range(2)]
    for run, phase in zip(runs, (before, after), strict=True):
        run["status"]["attempts"] = [{"number": 1, "phase": phase.value}]

    holds = all(move.holds(old, new) for move in AttemptState.moves)

    assert holds == (after is before or after.value in TABLE[before.value].split())
    assert holds == (admission_errors(runs[1], runs[0]) == ())


@given(STANDINGS)
def test_exactly_one_of_the_seven_conditions_is_true(standing):
    made = {one.type: one for one in conditions(standing, NOW, generation=3)}

    seven = [one for one in CONDITION.values() if made[one].status is ConditionStatus.TRUE]
    succeeded = made[RunConditionType.SUCCEEDED].status
    assert seven == [CONDITION[standing.phase]]
    assert (succeeded is ConditionStatus.UNKNOWN) == (not standing.terminal)
    assert (RunConditionType.RECONCILING in made) == (not standing.terminal)
    assert (RunConditionType.STALLED in made) == (
        standing.phase in {RunPhase.FAILED, RunPhase.CANCELLED}
    )
    done = standing.phase is RunPhase.COMPLETED
    assert (made[RunConditionType.READY].status is ConditionStatus.TRUE) == done
    assert {one.observed_generation for one in made.values()} == {3}


def test_a_condition_keeps_its_time_while_its_status_stays():
    first = conditions(Standing(RunPhase.CREATED), NOW)

    later = NOW + timedelta(hours=1)
    second = conditions(Standing(RunPhase.RUNNING), later, before=first)

    times = {one.type: one.last_transition_time for one in second}
    assert times[RunConditionType.RUNNING] == times[RunConditionType.CREATED]
    assert times[RunConditionType.RUNNING] == "2026-01-02T04:04:05Z"
    assert times[RunConditionType.SUCCEEDED] == "2026-01-02T03:04:05Z"


def test_results_that_cannot_be_fetched_yet_are_a_condition_of_their_own():
    made = conditions(
        Standing(RunPhase.RUNNING),
        NOW,
        collected=ConditionStatus.FALSE,
        collected_message="no answer",
    )

    assert (made[-1].type, made[-1].status, made[-1].reason, made[-1].message) == (
        RunConditionType.RESULTS_COLLECTED,
        ConditionStatus.FALSE,
        "CollectFailed",
        "no answer",
    )


@pytest.mark.parametrize(
    ("attempt", "failure", "follows"),
    [
        (1, "Timeout", True),
        (2, "NodeFail", True),
        (3, "Timeout", False),
        (1, "OutOfMemory", False),
        (1, "Cancelled", False),
    ],
)
def test_a_retry_follows_while_there_are_some_and_the_reason_is_named(attempt, failure, follows):
    retry = Retry(limit=2, reasons=("Timeout", "NodeFail", "Cancelled"))

    assert retry.follows(attempt, failure) is follows
