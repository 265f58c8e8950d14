"""Whether what was asked for has come about, by the status of a pipeline."""

import pytest
from cli.cluster import stored
from cli.cluster.stored import condition, operator_state
from interact.cli.cluster import progress
from interact.cli.cluster.progress import Progress
from interact.cli.exits import CommandError, Exit

BUSY = [{"from": "reader.out", "to": "sum.in", "pendingMessages": 5}]
NONE = [operator_state("reader", ready=0, replicas=0), operator_state("sum", ready=0, replicas=0)]
ONE = [operator_state("reader", ready=0, replicas=0), operator_state("sum")]


@pytest.mark.parametrize(
    ("judge", "status", "done"),
    [
        pytest.param(progress.suspended, {"phase": "Suspended", "operators": NONE}, True, id="all stopped"),
        pytest.param(progress.suspended, {"phase": "Suspended", "operators": ONE}, False, id="one ends"),
        pytest.param(progress.suspended, {"phase": "Running", "operators": NONE}, False, id="not said yet"),
        pytest.param(progress.suspended, {"phase": "Completed", "operators": NONE}, True, id="over"),
        pytest.param(progress.drained, {"phase": "Draining", "conditions": [condition("Ready", reason="Drained")], "operators": ONE}, True, id="the controller says so"),
        pytest.param(progress.drained, {"phase": "Draining", "operators": NONE}, False, id="stopped, and maybe unacknowledged"),
        pytest.param(progress.drained, {"phase": "Pending", "operators": NONE, "edges": BUSY}, False, id="in flight"),
        pytest.param(progress.drained, {"phase": "Pending", "operators": ONE}, False, id="one works"),
        pytest.param(progress.drained, {"phase": "Running", "operators": NONE}, False, id="not begun"),
        pytest.param(progress.drained, {"phase": "Completed", "conditions": [condition("Completed")], "operators": ONE}, True, id="over"),
        pytest.param(progress.drained, {"phase": "Pending"}, True, id="never ran"),
        pytest.param(progress.running, {"phase": "Running", "conditions": [condition("Ready")]}, True, id="ready"),
        pytest.param(progress.running, {"phase": "Suspended", "conditions": [condition("Ready")]}, False, id="ready but suspended"),
        pytest.param(progress.running, {"conditions": [condition("Ready", "False")]}, False, id="starting"),
        pytest.param(progress.scaled({"sum": 1}), {"operators": ONE}, True, id="as many as asked"),
        pytest.param(progress.scaled({"sum": 2}), {"operators": ONE}, False, id="too few"),
        pytest.param(progress.scaled({"sum": 1, "reader": 1}), {"operators": ONE}, False, id="one of two"),
        pytest.param(progress.scaled({"sum": 1}), {}, False, id="nothing known"),
    ],
)  # fmt: skip
def test_a_status_is_judged(judge, status, done):
    assert judge(stored.pipeline(status=status)).done is done


def test_words_say_what_is_missing():
    starting = [condition("Ready", "False", "Starting", "sum has 0 of 1 replicas")]
    found = stored.pipeline(
        status={"phase": "Draining", "operators": ONE, "edges": BUSY, "conditions": starting}
    )

    assert [one(found).words for one in (progress.drained, progress.running)] == [
        "5 messages pending, 1 replica left",
        "Starting: sum has 0 of 1 replicas",
    ]
    assert progress.scaled({"sum": 4})(found).words == "ready: sum 1/4"


def test_a_status_about_an_older_specification_does_not_count():
    found = stored.pipeline(status={"phase": "Suspended", "operators": NONE}, generation=3)

    judged = [progress.seen(progress.suspended, at)(found).done for at in (3, 4)]

    assert judged == [True, False]


def test_a_pipeline_nobody_has_looked_at_is_not_done():
    judged = progress.seen(progress.drained, 3)(stored.pipeline())

    assert judged == Progress(False, "the controller has not seen the change yet")


def test_waiting_ends_where_a_person_has_to_act():
    stalled = [condition("Stalled", "True", "OverBudget", "the store has no room")]
    found = stored.pipeline(status={"conditions": stalled})

    with pytest.raises(CommandError) as raised:
        progress.seen(progress.running, 3)(found)

    assert (raised.value.code, "OverBudget: the store has no room" in str(raised.value)) == (
        Exit.STALLED,
        True,
    )


def test_a_revision_is_in_effect_when_every_operator_that_changed_has_it():
    judge = progress.in_effect(4, {"sum": ["gain"], "reader": ["pause"]})

    def judged(reader, total):
        states = [
            operator_state("reader", parameterRevision=reader),
            operator_state("sum", parameterRevision=total),
        ]
        return judge(stored.pipeline(status={"operators": states}))

    assert [judged(4, 3).done, judged(5, 4).done] == [False, True]
    assert judged(4, 3).words == "sum has revision 3"


def test_a_refused_value_ends_the_wait_and_another_s_does_not():
    refusal = {"name": "gain", "message": "it is at most 100"}
    states = [operator_state("sum", refusedParameters=[refusal], parameterRevision=4)]
    found = stored.pipeline(status={"operators": states})

    with pytest.raises(CommandError, match=r"sum.gain is refused: it is at most 100") as raised:
        progress.in_effect(4, {"sum": ["gain"]})(found)

    assert raised.value.code is Exit.INVALID
    assert progress.in_effect(4, {"sum": ["mode"]})(found).done


def test_a_refusal_of_the_value_before_is_not_one_of_the_new_value():
    def told(message, revision):
        refusal = {"name": "gain", "message": message}
        state = operator_state("sum", refusedParameters=[refusal], parameterRevision=revision)
        return stored.pipeline(status={"operators": [state]})

    old = told("700 is above 100", 3)
    judge = progress.in_effect(4, {"sum": ["gain"]}, progress.refusals(old))

    assert judge(old) == Progress(False, "sum has revision 3")
    with pytest.raises(CommandError, match="800 is above 100"):
        judge(told("800 is above 100", 4))


def test_values_of_a_pipeline_that_does_not_run_are_not_waited_for():
    found = stored.pipeline(status={"phase": "Suspended"})

    with pytest.raises(CommandError, match="no operator runs") as raised:
        progress.in_effect(4, {"sum": ["gain"]})(found)

    assert raised.value.code is Exit.STALLED
