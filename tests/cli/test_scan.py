"""Scans of a run on this machine: listed, aborted and skipped by other commands."""

import json
import os

import pytest
from cli import programs
from interact import _main, _spec
from interact._orders import Action, Order
from interact.cli import scan_view
from interact.cli.exits import CommandError, Exit
from interact_api.report import Report, ScanReport

TIMEOUT_SECONDS = 90
STUCK = '''"""A camera that stops in the middle of a scan."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
from interact import DenseFrames, Param, Resume, Scan, source


@source
async def stuck(*, resume: Resume, mark: Path = Param()) -> AsyncIterator[DenseFrames]:
    """Twenty frames of one scan, of which eight come."""
    scan = Scan("stuck", (4, 5))
    for start in range(resume.index, 20, 4):
        if start == 8:
            mark.write_text("under way")
            await asyncio.Event().wait()
        yield DenseFrames(scan=scan, start=start, stop=start + 4, data=np.ones((4, 3, 4), np.uint8))


if __name__ == "__main__":
    stuck.main()
'''


@pytest.fixture
def waiting(desk):
    """The command line of a run that waits for frames which never come."""
    file = desk.folder / "own" / "stuck" / "run.py"
    file.parent.mkdir(parents=True)
    file.write_text(STUCK)
    file.with_name("operator.yaml").write_text(_spec.document(_main.found(file)))
    text = programs.pipeline().replace("name: counting", "name: stuck")
    (desk.folder / "pipeline.yaml").write_text(text)
    return (
        "run", "pipeline.yaml", "--operators", "own", "--output", "json", "--images", "out",
        "--set", "reader.mark=mark",
    )  # fmt: skip


@pytest.mark.nats
@pytest.mark.parametrize(
    ("action", "code", "state"),
    [("abort", Exit.INCOMPLETE, "incomplete: aborted"), ("skip", Exit.COMPLETE, "skipped")],
)
def test_a_run_whose_scan_is_ended_by_a_person_ends_and_says_so(
    desk, waiting, monkeypatch, action, code, state
):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(desk.folder / "runs"))
    with desk.under_way(*waiting) as process:
        unknown = desk.invoke("scan", action, "demo", "nothing")
        listed = desk.invoke("scan", "list", "demo", "-o", "json")
        done = desk.invoke("scan", action, "demo")
        out, err = process.communicate(timeout=TIMEOUT_SECONDS)

    assert unknown.returncode == Exit.NOT_FOUND
    [before] = json.loads(listed.stdout)
    assert (before["state"], before["covered"], before["total"]) == ("under way", 8, 20)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"scan {before['id']} of demo is {state.split()[-1]}, at 8 of 20 frames" in done.stdout
    assert process.returncode == code, err
    [scan] = json.loads(out)["pipelines"][0]["scans"]
    assert (scan["state"], scan["complete"], scan["covered"]) == (state, True, 20)
    assert scan["missing"] == {state.split()[-1]: 12 if action == "abort" else 20}
    if action == "abort":
        [file] = (desk.folder / "out").glob("*.json")
        said = json.loads(file.read_text())
        assert (said["state"], said["final"]) == ("incomplete: aborted", True)
        assert (said["completeness"], said["missing"]) == (0.4, {"aborted": 12})


def told(operator, role, **scans):
    return Report(operator, 0, os.getpid(), "running", role, scans=scans)


HALF = ScanReport(10, 20, False)
WHOLE = ScanReport(20, 20, True)


@pytest.mark.parametrize(
    ("reports", "words", "covered"),
    [
        ([told("a", "source", x=WHOLE)], "under way", 0),
        ([told("a", "source", x=WHOLE), told("b", "kernel", x=HALF)], "under way", 10),
        (
            [told("a", "source", x=WHOLE), told("b", "kernel", x=WHOLE), told("c", "reducer", x=HALF)],
            "under way", 10,
        ),
        ([told("a", "source", x=HALF), told("c", "reducer", x=WHOLE)], "complete", 20),
        (
            [told("c", "reducer", x=ScanReport(20, 20, True, {"filtered": 3, "aborted": 2}))],
            "incomplete: aborted", 20,
        ),
    ],
)  # fmt: skip
def test_a_scan_is_as_far_as_the_slowest_who_counts_its_frames(reports, words, covered):
    [found] = scan_view.states(reports, {})

    assert (found.words, found.covered, found.total) == (words, covered, 20)


def test_scans_are_listed_in_the_order_of_their_numbers():
    reports = [told("a", "source", **{f"r-a-{n}": WHOLE for n in (10, 9, 2)})]

    assert [scan.id for scan in scan_view.states(reports, {})] == ["r-a-2", "r-a-9", "r-a-10"]


def test_a_command_without_a_name_means_the_one_scan_under_way():
    reports = [told("b", "kernel", a=WHOLE, b=HALF)]
    ended = {"b": Order("b", Action.SKIP, "somebody")}

    assert scan_view.chosen(scan_view.states(reports, {}), "").id == "b"
    with pytest.raises(CommandError, match="no scan is under way"):
        scan_view.chosen(scan_view.states(reports, ended), "")
    with pytest.raises(CommandError, match="was skipped by somebody already"):
        scan_view.chosen(scan_view.states(reports, ended), "b")
    with pytest.raises(CommandError, match="a is complete: there is nothing to end"):
        scan_view.chosen(scan_view.states(reports, {}), "a")
    with pytest.raises(CommandError, match="several scans are under way, name one: b, c"):
        scan_view.chosen(scan_view.states([told("b", "kernel", b=HALF, c=HALF)], {}), "")
