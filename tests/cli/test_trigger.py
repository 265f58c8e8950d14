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
    "--set", "reader.repeats=0", "--set", "reader.pause=0.05", "--set", "reader.mark=mark",
)  # fmt: skip


@pytest.fixture
def going(desk, monkeypatch):
    """A run of the desk that goes on, with two replicas of its kernel."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(desk.folder / "runs"))
    with desk.under_way("run", "pipeline.yaml", "--replicas", "sum=2", *ENDLESS) as process:
        yield process
        process.send_signal(signal.SIGINT)
        print(process.communicate(timeout=TIMEOUT_SECONDS))


def notes(desk, file="notes"):
    """The words that were noted, each with the process that did."""
    return [tuple(line.split()) for line in (desk.folder / file).read_text().splitlines()]


async def called(desk, name, audience, count):
    """Call a trigger many times, some at a time; the answers, call by call.

    The words are noted in a file with the trigger's name.
    """
    target = Target("sum", Trigger(name=name, audience=audience), 2)
    found = []
    async with reach.reached("demo", Asking(Where(), local=True)) as there:
        for start in range(0, count, AT_A_TIME):
            todo = [
                Call(f"{name.replace('-', '')}{n}", {"file": str(desk.folder / name), "word": f"w{n}"})
                for n in range(start, min(start + AT_A_TIME, count))
            ]  # fmt: skip
            found += await asyncio.gather(
                *(trigger_command.answers(there, target, call) for call in todo)
            )
    return found


async def test_calls_are_executed_and_answered_once_by_one_replica_or_by_each(desk, going):
    by_all = await called(desk, "note", TriggerAudience.ALL, CALLS)
    by_one = await called(desk, "note-once", TriggerAudience.ONE, CALLS // 5)

    assert {answer.outcome for one in by_all + by_one for answer in one} == {Outcome.DONE}
    assert [tuple(answer.replica for answer in one) for one in by_all] == [(0, 1)] * CALLS
    assert set(Counter(notes(desk, "note")).values()) == {1}
    assert len(notes(desk, "note")) == 2 * CALLS
    assert [len(one) for one in by_one] == [1] * (CALLS // 5)
    words = Counter(word for word, _ in notes(desk, "note-once"))
    assert words == {f"w{n}": 1 for n in range(CALLS // 5)}
    assert len({process for _, process in notes(desk, "note-once")}) == 2


def test_a_trigger_is_called_by_its_name_and_what_is_wrong_is_said_before(desk, going):
    call = ("trigger", "demo", "sum.note", f"file={desk.folder / 'notes'}")
    nobody = desk.invoke("trigger", "demo", "add.note")
    nothing = desk.invoke("trigger", "demo", "sum.not")
    wrong = desk.invoke("trigger", "demo", "sum.note", "world=1")
    done = desk.invoke(*call, "-o", "json")
    desk.invoke("suspend", "demo")
    resting = desk.invoke(*call)

    assert [one.returncode for one in (nobody, nothing, wrong)] == [Exit.INVALID] * 3
    assert "it has picture, reader, show, sum" in nobody.stderr
    assert "it has note, note-and-die, note-once" in nothing.stderr
    assert "no parameter 'world'" in wrong.stderr
    assert "'file' is required" in wrong.stderr
    answers = json.loads(done.stdout)
    assert [one["outcome"] for one in answers] == ["done", "done"]
    assert {str(one["result"]["pid"]) for one in answers} == {pid for _, pid in notes(desk)}
    assert resting.returncode == Exit.NOT_FOUND
    assert "no replica of 'sum' runs; it was not executed" in resting.stderr


def test_the_outcome_of_a_call_that_a_crash_ended_is_unknown_and_it_is_not_repeated(desk, going):
    call = ("trigger", "demo", "sum.note-and-die", f"file={desk.folder / 'notes'}")
    lost = desk.invoke(*call, "--id", "deadly", "--timeout", "3")
    again = desk.invoke(*call, "--id", "deadly", "--timeout", "30")

    assert (lost.returncode, again.returncode) == (Exit.TIMEOUT, Exit.TIMEOUT)
    assert "--id deadly" in lost.stderr
    assert "whether it ended is not known" in again.stderr
    assert len(notes(desk)) == 1
