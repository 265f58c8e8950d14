"""What follows from reports: progress, completion, what a death costs."""

from cli.conftest import hear, scan
from interact.cli.stalls import explanation
from interact_api.records import ReplicaRecord
from interact_api.report import Report


def test_counters_go_on_in_a_replicas_next_life(board):
    record = board.operators["demo", "sum"]
    hear(board, "sum", pid=1, frames_in=10)
    hear(board, "sum", replica=1, pid=2, frames_in=7)

    record.replicas[0].die()
    hear(board, "sum", pid=3, frames_in=4)

    assert (record.frames, record.replicas[0].restarts) == (21, 1)


def test_the_last_words_of_a_dead_process_do_not_count_twice(board):
    record = board.operators["demo", "sum"]
    hear(board, "sum", pid=1, frames_in=10)

    record.replicas[0].die()
    hear(board, "sum", pid=1, frames_in=12)

    assert (record.frames, record.replicas[0].state) == (10, "starting")


def test_reports_of_strangers_are_left_out(board):
    board.hear("demo", Report("nobody", 0, 1, "running", "kernel"), 1.0)
    hear(board, "sum", frames_in=5, run="f" * 32)

    assert board.operators["demo", "sum"].frames == 0


def test_a_run_is_done_when_the_operator_at_its_end_says_so(board):
    for operator in ("reader", "picture"):
        hear(board, operator, state="done")
    before = board.done("demo")

    hear(board, "show", state="done")

    assert (before, board.done("demo")) == (False, True)


def test_replicas_at_the_end_are_done_when_all_is_drained(board):
    end = board.operators["demo", "show"]
    end.replicas[1] = ReplicaRecord()
    end.expected = 2
    hear(board, "show", state="done")
    hear(board, "reader", state="done")
    waiting = {"show": {("stream", "durable"): (0, 1)}}
    quiet = {"show": {("stream", "durable"): (0, 0)}}

    verdicts = []
    for poll in (waiting, quiet, quiet):
        board.poll("demo", poll, 1.0)
        verdicts.append(board.done("demo"))

    assert verdicts == [False, False, True]


def test_a_new_life_behind_its_checkpoint_does_not_turn_progress_back(board):
    hear(board, "picture", pid=1, scans=scan(30))
    board.operators["demo", "picture"].replicas[0].die()

    hear(board, "picture", pid=2, scans=scan(24))
    (behind,) = board.scans()
    hear(board, "picture", pid=2, scans=scan(36))
    (ahead,) = board.scans()

    assert (behind.covered, ahead.covered) == (30, 36)


def test_progress_is_counted_before_the_reducer_and_completion_at_the_end(board):
    hear(board, "reader", scans=scan(45, complete=True))
    hear(board, "picture", scans=scan(18, filtered=3))
    (halfway,) = board.scans()

    hear(board, "picture", scans=scan(45, complete=True, filtered=5))
    (reduced,) = board.scans()
    hear(board, "show", scans=scan(45, complete=True))
    (shown,) = board.scans()

    assert (halfway.covered, halfway.complete, halfway.missing) == (18, False, {"filtered": 3})
    assert (reduced.covered, reduced.complete) == (45, False)
    assert (shown.covered, shown.complete, shown.unintended) == (45, True, 0)


def test_frames_nobody_filtered_are_missed(board):
    hear(board, "show", scans=scan(45, complete=True, filtered=3, overrun=2, failed=1))

    (view,) = board.scans()

    assert view.unintended == 2


def test_rates_are_those_of_the_last_seconds(board):
    record = board.operators["demo", "sum"]
    for now, frames in ((0.0, 0), (10.0, 1000), (12.0, 3000), (14.0, 3400)):
        hear(board, "sum", frames_in=frames, bytes_in=10 * frames, now=now)
        board.sample(now)

    assert record.rates() == (600.0, 6000.0)  # since the last sample older than three seconds


def test_a_report_that_says_nothing_new_is_no_movement(board):
    hear(board, "sum", frames_in=3, now=5.0)
    hear(board, "sum", frames_in=3, now=9.0)

    assert board.moved_at == 5.0


def test_a_stall_says_who_waits_for_whom(board):
    hear(board, "reader", frames_out=12, messages_out=3, blocked_seconds=41.2)
    hear(board, "sum")
    hear(board, "picture")
    feed = board.operators["demo", "picture"].place.inputs[0]
    board.poll("demo", {"picture": {(feed.stream, feed.durable): (7, 2)}}, 1.0)

    lines = explanation(board, 60.4)

    assert lines == [
        "nothing moved for 60 s and the run is not complete:",
        "  reader: has sent 12 frames and says it is running; it waited 41 s for room in its streams",
        "  sum: 1 of 2 replicas have not started to work",
        "  sum: waits for frames on 'frames' from reader.out, which is running",
        "  picture: has 7 messages waiting and 2 held on 'part' from sum.out",
        "  show: 1 of 1 replicas have not started to work",
        "  show: waits for frames on 'image' from picture.out, which is running",
    ]
