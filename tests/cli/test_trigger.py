"""Triggers of a run on this machine, in processes of their own."""

import asyncio
import json
import signal
from collections import Counter

import pytest
from interact.cli import reach, trigger_command
from interact.cli.asking import Asking
from interact.cli.cluster.options import Where
from interact.cli.exits import Exit
from interact.cli.trigger_command import Target
from interact_api.calls import Call, Outcome
from interact_api.operator import Trigger, TriggerAudience

pytestmark = pytest.mark.nats

TIMEOUT_SECONDS = 60
CALLS = 1000
AT_A_TIME = 50
ENDLESS = (
    "--set", "reader.repeats=0", "--set", "reader.pause=0.01", "--set", "reader.mark=mark",
)  # fmt: skip


@pytest.fixture
def going(desk, monkeypatch):
    """A run of the desk that goes on, with two replicas of its kernel."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(desk.folder / "runs"))
    with desk.under_way("run", "pipeline.yaml", "--replicas", "sum=2", *ENDLESS) as process:
        yield process
        process.send_signal(signal.SIGINT)
        print(process.communicate(timeout=TIMEOUT_SECONDS))


def notes(desk):
    """The words that were noted, each with the process that did."""
    return [tuple(line.split()) for line in (desk.folder / "notes").read_text().splitlines()]


async def called(desk, name, audience, count):
    """Call a trigger many times, some at a time; the answers, call by call."""
    target = Target("sum", Trigger(name=name, audience=audience), 2)
    found = []
    async with reach.reached("demo", Asking(Where(), local=True)) as there:
        for start in range(0, count, AT_A_TIME):
            todo = [
                Call(f"{name.replace('-', '')}{n}", {"file": str(desk.folder / "notes"), "word": f"w{n}"})
                for n in range(start, min(start + AT_A_TIME, count))
            ]  # fmt: skip
            found += await asyncio.gather(
                *(trigger_command.answers(there, target, call) for call in todo)
            )
    return found


async def test_a_thousand_calls_are_executed_and_answered_once_by_each_replica(desk, going):
    found = await called(desk, "note", TriggerAudience.ALL, CALLS)

    assert [len(one) for one in found] == [2] * CALLS
    assert {answer.outcome for one in found for answer in one} == {Outcome.DONE}
    assert {tuple(answer.replica for answer in one) for one in found} == {(0, 1)}
    assert set(Counter(notes(desk)).values()) == {1}
    assert len(notes(desk)) == 2 * CALLS


async def test_calls_for_one_replica_are_executed_once(desk, going):
    found = await called(desk, "note-once", TriggerAudience.ONE, 200)

    assert [one[0].outcome for one in found] == [Outcome.DONE] * 200
    assert Counter(word for word, _ in notes(desk)) == {f"w{n}": 1 for n in range(200)}
    assert len({process for _, process in notes(desk)}) == 2


def test_a_trigger_is_called_by_its_name_and_its_answers_are_printed(desk, going):
    done = desk.invoke("trigger", "demo", "sum.note", f"file={desk.folder / 'notes'}", "-o", "json")

    answers = json.loads(done.stdout)
    assert [one["outcome"] for one in answers] == ["done", "done"]
    assert {str(one["result"]["pid"]) for one in answers} == {pid for _, pid in notes(desk)}


def test_what_is_wrong_with_a_call_is_said_before_it_is_made(desk, going):
    nobody = desk.invoke("trigger", "demo", "add.note")
    nothing = desk.invoke("trigger", "demo", "sum.not")
    wrong = desk.invoke("trigger", "demo", "sum.note", "world=1")

    assert [one.returncode for one in (nobody, nothing, wrong)] == [Exit.INVALID] * 3
    assert "it has picture, reader, show, sum" in nobody.stderr
    assert "it has note, note-and-die, note-once" in nothing.stderr
    assert "no parameter 'world'" in wrong.stderr
    assert "'file' is required" in wrong.stderr


def test_the_outcome_of_a_call_that_a_crash_ended_is_unknown_and_it_is_not_repeated(desk, going):
    call = ("trigger", "demo", "sum.note-and-die", f"file={desk.folder / 'notes'}")
    lost = desk.invoke(*call, "--id", "deadly", "--timeout", "3")
    again = desk.invoke(*call, "--id", "deadly", "--timeout", "30")

    assert (lost.returncode, again.returncode) == (Exit.TIMEOUT, Exit.TIMEOUT)
    assert "--id deadly" in lost.stderr
    assert "whether it ended is not known" in again.stderr
    assert len(notes(desk)) == 1


def test_a_trigger_of_a_suspended_run_is_answered_at_once(desk, going):
    desk.invoke("suspend", "demo")

    done = desk.invoke("trigger", "demo", "sum.note", f"file={desk.folder / 'notes'}")

    assert done.returncode == Exit.NOT_FOUND
    assert "no replica of 'sum' runs; it was not executed" in done.stderr
