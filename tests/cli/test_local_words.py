"""A run on this machine takes the words a cluster takes."""

import asyncio
import json
import signal

import pytest
from interact import _jetstream
from interact._jetstream._talking import Talk
from interact.cli import presence
from interact.cli.exits import Exit
from interact_api import names

pytestmark = pytest.mark.nats

TIMEOUT_SECONDS = 60
ENDLESS = (
    "--set", "reader.repeats=0", "--set", "reader.pause=0.05", "--set", "reader.mark=mark",
)  # fmt: skip


@pytest.fixture
def going(desk):
    """A run of the desk that goes on, with two replicas of its kernel."""
    with desk.under_way("run", "pipeline.yaml", "--replicas", "sum=2", *ENDLESS) as process:
        yield process
        process.send_signal(signal.SIGINT)
        print(process.communicate(timeout=TIMEOUT_SECONDS))


@pytest.fixture
def run(desk, monkeypatch, going):
    """What the run shows of itself."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(desk.folder / "runs"))
    [found] = presence.live("demo")
    return found


def test_values_are_set_or_refused_and_no_secret_is_printed(desk, run):
    wrong = desk.invoke("set", "demo", "sum.gain=700", "reader.size=8", "sum.gian=2", "plus.one=2")
    before = desk.invoke("get", "--local", "-o", "json")
    done = desk.invoke("set", "demo", "sum.gain=7", "--wait", "--timeout", "40")
    after = desk.invoke("get", "--local", "-o", "json")
    top = desk.invoke("top", "demo", "--once")

    assert wrong.returncode == Exit.INVALID
    assert "at most 100" in wrong.stderr
    assert "sum has no parameter 'gian'; known: " in wrong.stderr
    assert "no operator 'plus'" in wrong.stderr
    assert json.loads(before.stdout)[0]["metadata"]["generation"] == 1
    assert (done.returncode, done.stderr, top.returncode) == (0, "", 0)
    assert "sum.gain = 7 (was 1); revision 2 is in effect" in done.stdout
    [shown] = json.loads(after.stdout)
    by_name = {one["name"]: one for one in shown["status"]["operators"]}
    assert by_name["sum"]["parameterRevision"] == shown["metadata"]["generation"] == 2
    assert shown["spec"]["operators"][1]["parameters"]["gain"] == 7
    assert shown["status"]["authors"]["sum"]["revision"] == 2
    told = "".join(one.stdout + one.stderr for one in (wrong, before, done, after, top))
    assert run.token not in told
    assert run.nats_url not in told


def test_a_run_is_suspended_goes_on_where_it_was_and_is_drained(desk, going):
    stopped = desk.invoke("suspend", "demo")
    resting = json.loads(desk.invoke("get", "--local", "-o", "json").stdout)
    again = desk.invoke("suspend", "demo")
    going_on = desk.invoke("resume", "demo")
    set_ = desk.invoke("set", "demo", "sum.gain=3", "--wait", "--timeout", "40")
    drained = desk.invoke("drain", "demo", "--wait", "--timeout", "50")

    assert "suspended" in stopped.stdout
    assert resting[0]["status"]["phase"] == "Suspended"
    assert "was suspended before" in again.stdout
    assert "is running" in going_on.stdout
    assert "in effect" in set_.stdout
    assert "drained" in drained.stdout, drained.stderr
    assert going.wait(TIMEOUT_SECONDS) in {Exit.COMPLETE, Exit.INCOMPLETE}  # by where in a scan
    assert "nothing runs on this machine" in desk.invoke("get", "--local").stderr


async def test_of_ten_thousand_updates_each_is_answered_and_the_last_is_in_effect(run):
    """Each is answered once: applied, or superseded by a later one; only the wrong are refused."""
    subject = names.control_subject("local", "demo")
    wanted = [1 + number % 100 for number in range(10_000)]
    wanted[77] = 101

    async with _jetstream.connect(run.nats_url, name="test", token=run.token) as broker:
        talk = Talk(broker)

        async def set_(gain, **more):
            asked = {"word": "set", "values": {"sum": {"gain": gain}}, "by": "test", **more}
            return json.loads(await talk.ask(subject, json.dumps(asked).encode(), TIMEOUT_SECONDS))

        answers = []
        for start in range(0, len(wanted), 500):
            answers += await asyncio.gather(*map(set_, wanted[start : start + 500]))
        last = await set_(50, wait=True, seconds=TIMEOUT_SECONDS)
        shown = json.loads(await talk.ask(subject, b'{"word": "look"}', TIMEOUT_SECONDS))

    states = [one["state"] for one in answers]
    assert states.count("refused") == 1
    assert states[77] == "refused"
    assert states.count("applied") + states.count("superseded") == 9_999
    assert states.count("superseded") > states.count("applied") > 0
    assert answers[-1]["state"] == "applied"
    assert (last["state"], last["in_effect"]) == ("applied", True)
    status = {one["name"]: one for one in shown["resource"]["status"]["operators"]}
    assert status["sum"]["parameterRevision"] == last["revision"]
    assert shown["resource"]["spec"]["operators"][1]["parameters"]["gain"] == 50
