"""What people see: a table with bars, plain lines, a summary whose columns line up."""

import asyncio
import io

import pytest
from cli.conftest import hear, scan
from interact.cli import summary
from interact.cli.exits import Exit
from interact.cli.runner import Ending
from interact.cli.screen import LiveScreen, PlainScreen, picture, progress_lines
from rich.console import Console


@pytest.fixture
def running(board):
    """Two seconds of a run: 18 of 45 frames are in the picture, one failed."""
    for now, frames in ((0.0, 0), (2.0, 30)):
        hear(board, "reader", frames_out=frames, bytes_out=frames * 1_000_000, scans=scan(frames))
        hear(board, "sum", frames_in=frames, frames_failed=1)
        board.sample(now)
    hear(board, "picture", scans=scan(18, failed=1))
    board.poll("demo", {"sum": {("s", "d"): (5, 3)}}, 2.0)
    return board


def drawn(thing):
    console = Console(file=io.StringIO(), width=90)
    console.print(thing)
    return console.file.getvalue()


def test_the_table_shows_every_operator_and_a_bar_for_the_open_scan(running):
    lines = [line.split() for line in drawn(picture(running)).splitlines()]

    assert lines[0] == ["operator", "ready", "frames", "frames/s", "MB/s", "pending", "failed"]
    assert lines[1] == ["reader", "1/1", "30", "15", "15.0", "0", "0"]
    assert lines[2] == ["sum", "1/2", "30", "15", "0.0", "8", "1"]
    assert (lines[-1][0], lines[-1][-2:]) == ("reader-0", ["40.0", "%"])


def test_a_plain_line_says_how_far_a_scan_is(running):
    (line,) = progress_lines(running)

    assert line.split() == (
        [
            "scan",
            "reader-0",
            "40.0",
            "%",
            "18",
            "of",
            "45",
            "frames",
            "15",
            "frames/s",
            "8",
            "pending",
            "1",
            "failed",
        ]
    )


def test_without_a_scan_the_replicas_that_are_ready_are_counted(board):
    hear(board, "reader")

    assert progress_lines(board) == ["1 of 5 replicas ready, no scan under way"]


def test_between_scans_those_that_are_complete_are_counted(board):
    hear(board, "show", scans=scan(45, complete=True))

    assert progress_lines(board) == ["1 scan complete, none under way"]


def test_plain_lines_begin_with_the_time_and_carry_no_markup():
    console = Console(file=io.StringIO(), width=40)

    PlainScreen(console).say("sum/0 was [killed], starting it again: " + 40 * "x" + "\nsecond line")

    first, second = console.file.getvalue().splitlines()
    assert first.split(maxsplit=2)[1:] == [
        "s",
        "sum/0 was [killed], starting it again: " + 40 * "x",
    ]
    assert second == f"{'':11}second line"


@pytest.mark.parametrize("kind", [PlainScreen, LiveScreen])
def test_a_screen_follows_a_run_until_it_is_cancelled(running, kind):
    console = Console(file=io.StringIO(), width=90, force_terminal=kind is LiveScreen)
    screen = PlainScreen(console, seconds=0.01) if kind is PlainScreen else LiveScreen(console)
    looks = 0

    def look():
        nonlocal looks
        looks += 1
        if looks == 2:
            following.cancel()
        return running

    async def follow():
        nonlocal following
        following = asyncio.ensure_future(screen.follow(look))
        await asyncio.wait([following])

    following = None
    asyncio.run(follow())

    assert looks >= 2
    assert "reader-0" in console.file.getvalue()


def test_a_run_that_ended_well_is_judged_by_its_frames(running):
    lacking = summary.verdict(running, Ending(Exit.COMPLETE))
    stalled = summary.verdict(running, Ending(Exit.STALLED, ("why",)))

    assert (lacking.code, lacking.lines) == (Exit.FAILED, ("1 frame failed; see the errors",))
    assert stalled == Ending(Exit.STALLED, ("why",))


def test_the_columns_of_the_summary_line_up():
    operator = {
        "frames_per_second": 1234567.8, "megabytes_per_second": 3.25,
        "frames_failed": 0, "undecodable": 2, "restarts": 1,
    }  # fmt: skip
    said = {
        "exit": {"meaning": "complete"},
        "seconds": 12.34,
        "pipelines": [
            {
                "name": "demo",
                "operators": [
                    {**operator, "name": "a", "replicas": 1, "frames": 1000},
                    {**operator, "name": "longer-name", "replicas": 12, "frames": 7},
                ],
                "scans": [
                    {"id": "s", "total": 45, "covered": 40, "missing": {"failed": 3, "overrun": 2}}
                ],
                "warnings": ["a: it is warm"],
                "errors": [],
                "pictures": ["out/p.png", "out/p.npz"],
            }
        ],
    }

    assert summary.text(said).splitlines() == [
        "operator         frames   frames/s  MB/s  failed  restarts",
        "a                 1,000  1,234,568   3.2       2         1",
        "longer-name x12       7  1,234,568   3.2       2         1",
        "",
        "scan  total  covered              missing",
        "s        45       40  3 failed, 2 overrun",
        "warning: a: it is warm",
        "pictures: p.png in out",
        "",
        "complete (12.3 s)",
    ]


def test_a_run_whose_failed_frames_all_came_again_is_complete(board):
    hear(board, "reader", state="done", scans=scan(45, complete=True))
    hear(board, "sum", frames_failed=1)

    def judged(letters, **missing):
        hear(board, "picture", state="done", scans=scan(45, complete=True, **missing))
        hear(board, "show", state="done", scans=scan(45, complete=True, **missing))
        return summary.verdict(board, Ending(Exit.COMPLETE), {"demo": letters})

    left, dropped, mended = judged(1, failed=1), judged(0, failed=1), judged(0)

    assert left.code is Exit.FAILED
    assert "interact dlq list demo" in left.lines[1]
    assert (dropped.code, dropped.lines) == (Exit.FAILED, ("1 frame failed; see the errors",))
    assert mended == Ending(Exit.COMPLETE)
