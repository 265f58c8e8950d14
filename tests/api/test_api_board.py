"""What is known of a run whose replicas come and go, as on a cluster."""

import pytest
from interact_api.board import MAX_WORDS, SILENCE_SECONDS, Board
from interact_api.records import MAX_RECORDS
from interact_api.report import Report, ScanReport
from interact_api.stream_plan import PlanSettings
from interact_api.streams import plan

RUN = "0" * 32


@pytest.fixture
def configs(make_pipeline, catalogue):
    pipeline = make_pipeline("r.frames > c.frames", r="reader", c={"ref": "centre", "replicas": 2})
    settings = PlanSettings(namespace="lab", installation="here", run=RUN)
    return {
        ("scan", name): one for name, one in plan(pipeline, catalogue, settings).operators.items()
    }


@pytest.fixture
def board(configs):
    board = Board()
    board.assign(configs, {("scan", "r"): 1, ("scan", "c"): 2}, 0.0)
    return board


def tell(board, operator, *, replica=0, pid=1, state="running", now=1.0, **more):
    return board.hear("scan", Report(operator, replica, pid, state, "any", **more), now)


def test_a_replica_comes_into_being_with_its_first_report(board):
    tell(board, "c", replica=77_001, frames_in=3)
    tell(board, "c", replica=12_345, frames_in=4)

    record = board.operators["scan", "c"]
    assert (record.frames, record.ready, record.states()) == (7, 2, {"running"})


def test_replicas_that_should_be_there_are_starting(board):
    tell(board, "c", replica=77_001)

    assert board.operators["scan", "c"].states() == {"running", "starting"}


def test_a_process_with_the_same_number_in_a_new_container_begins_a_new_life(board):
    tell(board, "r", pid=1, frames_out=10, state="running")
    tell(board, "r", pid=1, frames_out=4)

    record = board.operators["scan", "r"]
    assert (record.frames, record.replicas[0].restarts) == (14, 1)


def test_the_successor_of_a_silent_replica_counts_in_its_place(board, configs):
    tell(board, "c", replica=1, now=1.0, frames_in=5)
    tell(board, "c", replica=2, state="done", now=1.0, frames_in=2)
    later = 2 + SILENCE_SECONDS
    tell(board, "c", replica=2, state="done", now=later, frames_in=2)
    tell(board, "c", replica=3, state="done", now=later)

    board.assign(configs, {("scan", "r"): 1, ("scan", "c"): 2}, later)

    record = board.operators["scan", "c"]
    assert (record.states(), record.frames) == ({"done"}, 7)


def test_a_replica_that_was_cut_off_for_a_while_is_not_counted_twice(board, configs):
    tell(board, "c", replica=1, frames_in=5, now=1.0)
    board.assign(configs, {}, 100.0)
    silent = board.operators["scan", "c"].ready

    tell(board, "c", replica=1, frames_in=6, now=101.0)

    record = board.operators["scan", "c"]
    assert (silent, record.ready, record.frames) == (0, 1, 6)


def test_what_a_former_run_says_does_not_count(board):
    new = tell(board, "r", state="done", run="1" * 32)

    assert (new, board.sources_done("scan")) == (False, False)


def test_an_operator_that_stays_keeps_its_counters_when_others_come(board, configs):
    tell(board, "r", frames_out=9)

    board.assign({("scan", "r"): configs["scan", "r"]}, {("scan", "r"): 1}, 2.0)

    assert board.operators["scan", "r"].frames == 9
    assert list(board.operators) == [("scan", "r")]


@pytest.mark.parametrize(
    ("words", "new"),
    [
        pytest.param({"frames_out": 5}, False, id="counters only"),
        pytest.param({"state": "done"}, True, id="a state"),
        pytest.param({"refused": {"radius": "-1 is below 0"}}, True, id="a refused value"),
        pytest.param({"revision": 4}, True, id="a revision"),
        pytest.param({"scans": {"s": ScanReport(4, 4, True)}}, True, id="a complete scan"),
    ],
)
def test_only_words_somebody_may_wait_for_are_news(board, words, new):
    tell(board, "r")

    assert tell(board, "r", **words) is new


def test_what_processes_make_up_is_remembered_up_to_a_bound(board):
    for number in range(3 * MAX_RECORDS):
        tell(board, "c", replica=number, warnings=(f"w{number}",), errors=(f"e{number}",))

    record = board.operators["scan", "c"]
    assert len(record.replicas) == 2 * MAX_RECORDS
    assert (len(record.warnings), len(record.errors)) == (MAX_WORDS, MAX_WORDS)


def test_frames_that_failed_and_came_again_are_missing_no_more(board):
    for missing in ({"failed": 2}, {}):
        told = {"s": ScanReport(10, 10, True, missing, (2, 5))}
        tell(board, "r", state="done", scans=told)
        tell(board, "c", replica=1, scans=told)

        [scan] = board.scans()
        assert (scan.complete, dict(scan.missing)) == (True, missing)
