"""What is said of edges on which something is wrong."""

from dataclasses import replace

import pytest
from interact_api.choices import Role
from interact_api.conditions import ConditionType, Reason
from interact_api.config import OperatorConfig
from interact_api.flow import Edge, Letters, troubles
from interact_api.records import OperatorRecord, ReplicaRecord
from interact_api.report import Report

NOW = 1_000_000.0
EDGE = Edge("scan.out", "sum.frames", bytes_limit=1000, oldest_at=NOW - 5, ack_wait_seconds=10)


def record(operator: str, **said) -> OperatorRecord:
    config = OperatorConfig(
        namespace="lab", pipeline="run", operator=operator, run="00", role=Role.TRANSFORM,
        parallel=False, replicas=1, kernel_timeout_seconds=1, inputs=[], outputs=[],
        dead_letter_subject="", dead_letter_stream="", state_bucket="", images_subject="",
        images_stream="", status_subject="",
    )  # fmt: skip
    return OperatorRecord(
        config, {0: ReplicaRecord(report=Report(operator, 0, 1, "running", "kernel", **said))}
    )


def told(*edges, records=(), letters=None):
    return {one.type: one for one in troubles(records, edges, letters, NOW)}


def test_a_quiet_pipeline_has_no_trouble():
    assert told(EDGE, replace(EDGE, pending=4, held=2), records=[record("sum")]) == {}


@pytest.mark.parametrize(
    ("edge", "words"),
    [
        pytest.param({"held": 0}, "nobody takes them; does sum run", id="nobody takes them"),
        pytest.param({"held": 8, "held_limit": 8}, "holds as many as it may", id="held at most"),
        pytest.param({"held": 3, "held_limit": 8}, "a larger kernelTimeout", id="a slow kernel"),
    ],
)
def test_an_edge_on_which_nothing_is_acknowledged_is_stuck(edge, words):
    stuck = replace(EDGE, pending=7, oldest_at=NOW - 40, **edge)

    found = told(stuck)[ConditionType.STUCK]

    assert found.reason is Reason.NOTHING_ACKNOWLEDGED
    assert "sum.frames has acknowledged nothing for 40 s, with 7 messages pending" in found.message
    assert words in found.message


@pytest.mark.parametrize(
    "edge",
    [
        pytest.param({"acknowledged_at": NOW - 1}, id="it acknowledged of late"),
        pytest.param({"pending": 0}, id="nothing waits"),
        pytest.param({"oldest_at": NOW - 20}, id="the message has just come"),
        pytest.param({"ack_wait_seconds": 600}, id="a dead reader's message is yet to come again"),
    ],
)
def test_an_edge_that_moves_or_may_move_by_itself_is_not_stuck(edge):
    assert told(replace(EDGE, **{"pending": 7, "oldest_at": NOW - 40, **edge})) == {}


def test_dead_letters_are_counted_with_the_command_that_shows_them():
    letters = Letters("run", 1200, 10, 1000, {"sum": 1199, "scan": 1})

    found = told(letters=letters)[ConditionType.DEAD_LETTERING]

    assert found.reason is Reason.FRAMES_FAILED
    assert "1,200 dead letters kept (scan: 1, sum: 1,199)" in found.message
    assert "interact dlq list run" in found.message


def test_a_full_store_of_dead_letters_names_who_stopped():
    letters = Letters("run", 3, 100, 1000, {"sum": 3})

    found = told(records=[record("sum", dead_letters_full=True)], letters=letters)

    full = found[ConditionType.DEAD_LETTER_FULL]
    assert full.reason is Reason.STORE_FULL
    assert "(100 of 1,000 bytes); sum stopped fetching" in full.message
    assert "interact dlq drop run" in full.message
    assert ConditionType.DEAD_LETTER_FULL in told(letters=replace(letters, bytes=900))
    assert ConditionType.DEAD_LETTER_FULL not in told(letters=letters)


def test_an_open_breaker_is_told_in_the_operator_s_words():
    found = told(records=[record("scan"), record("sum", breaker="20 messages failed in a row")])

    trouble = found[ConditionType.BREAKER_OPEN]
    assert trouble.reason is Reason.TOO_MANY_FAILURES
    assert trouble.message == "sum: 20 messages failed in a row"


def full(source, target, **more):
    made = Edge(source, target, pending=1, bytes=990, bytes_limit=1000, oldest_at=NOW - 20,
                ack_wait_seconds=10)  # fmt: skip
    return replace(made, **more)


DIAMOND = (
    full("scan.out", "fast.frames"),
    Edge("scan.out", "slow.frames", bytes=990, bytes_limit=1000),
    full("fast.out", "join.left", joined=True),
    Edge("slow.out", "join.right", bytes_limit=1000, joined=True),
)
"""The fast branch is full, the slow one waits for frames that the source has no room for."""


def test_operators_that_wait_for_each_other_are_deadlocked():
    trouble = told(*DIAMOND)[ConditionType.DEADLOCKED]

    assert trouble.reason is Reason.WAITS_IN_A_RING
    for words in (
        "scan waits for room in scan.out, which fast does not read",
        "fast waits for room in fast.out, which join does not read",
        "join waits for frames of slow.out",
        "slow waits for frames of scan.out",
        "Raise delivery.maxBytes",
    ):
        assert words in trouble.message


@pytest.mark.parametrize(
    ("number", "change"),
    [
        pytest.param(0, {"bytes": 10}, id="the source has room"),
        pytest.param(2, {"acknowledged_at": NOW - 1}, id="something was acknowledged of late"),
        pytest.param(3, {"pending": 1, "oldest_at": NOW - 1}, id="the other half has come"),
        pytest.param(2, {"refuses": False}, id="the full stream drops what is old"),
    ],
)
def test_a_ring_with_a_way_out_is_no_deadlock(number, change):
    edges = [replace(edge, **change) if at == number else edge for at, edge in enumerate(DIAMOND)]

    assert ConditionType.DEADLOCKED not in told(*edges)
