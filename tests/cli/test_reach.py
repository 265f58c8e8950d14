"""Commands find the runs of this machine, and only this user's live ones."""

import dataclasses
import json
import os
import stat
import subprocess
import sys

import pytest
from interact.cli import presence, reach
from interact.cli.asking import Asking
from interact.cli.cluster.options import Where
from interact.cli.exits import CommandError, Exit
from interact.cli.presence import Presence

HERE = Asking(Where())
WORD = "a token"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A runtime folder of this test's own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "interact"


def a_run(**facts):
    return Presence(
        **{"namespace": "local", "pipelines": ("demo",), "nats_url": "nats://x", **facts}
    )


def test_a_run_is_found_while_it_lives_and_not_after():
    with presence.shown(a_run(token=WORD)):
        [found] = presence.live("demo")
    assert (found.nats_url, found.token, found.pid) == ("nats://x", WORD, os.getpid())
    assert presence.live() == []


def test_only_the_owner_can_read_what_a_run_says(home):
    with presence.shown(a_run()):
        [file] = home.iterdir()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_neither_address_nor_token_is_in_the_words_about_a_run():
    assert "nats" not in repr(a_run(token=WORD)).replace("nats_", "")
    assert WORD not in repr(a_run(token=WORD))


def test_what_a_dead_process_left_is_removed(home):
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    with presence.shown(a_run()):
        [mine] = home.iterdir()
        left = home / f"{process.pid}.json"
        left.write_text(mine.read_text().replace(str(os.getpid()), str(process.pid)))

        assert [one.pid for one in presence.live()] == [os.getpid()]

        assert not left.exists()


def test_a_process_that_has_the_number_of_a_dead_run_is_not_that_run(home):
    with presence.shown(a_run(started="1")):
        assert presence.live() == []


def test_a_file_that_says_nothing_of_use_is_left_alone(home):
    with presence.shown(a_run()):
        (home / "1.json").write_text("[]")
        (home / "2.json").write_text(json.dumps({"pipelines": 3}))
        (home / "3.json").symlink_to(home / f"{os.getpid()}.json")

        assert len(presence.live()) == 1
        assert (home / "1.json").exists()


def test_a_folder_that_cannot_be_written_does_not_keep_a_run_from_running(home, caplog):
    home.write_text("a file")

    with presence.shown(a_run()):
        assert presence.live() == []

    assert "no other command will find this run" in caplog.text


def test_a_namespace_chooses_between_runs():
    with presence.shown(a_run()):
        assert reach.local_run("demo", Asking(Where(namespace="local"))) is not None
        assert reach.local_run("demo", Asking(Where(namespace="other"))) is None
        assert reach.local_run("another", HERE) is None


def test_a_cluster_that_is_named_comes_before_a_run():
    with presence.shown(a_run()):
        for asked in (
            Asking(Where(context="lab")),
            Asking(Where(kubeconfig="file")),
            Asking(Where(), local=False),
        ):
            assert reach.local_run("demo", asked) is None
        assert reach.local_run("demo", Asking(Where(context="lab"), local=True)) is not None


def test_two_runs_of_one_name_have_to_be_told_apart(home):
    with presence.shown(a_run()):
        other = json.loads((home / f"{os.getpid()}.json").read_text())
        parent = dataclasses.replace(
            a_run(), pid=os.getppid(), started=presence.moment(os.getppid())
        )
        (home / "other.json").write_text(
            json.dumps({**other, "pid": parent.pid, "started": parent.started})
        )

        with pytest.raises(CommandError, match="2 runs on this machine") as caught:
            reach.local_run("demo", HERE)

    assert caught.value.code is Exit.USAGE


def test_a_run_that_has_to_be_on_this_machine_and_is_not_is_an_error():
    with presence.shown(a_run()), pytest.raises(CommandError, match="there are demo") as caught:
        reach.local_run("another", Asking(Where(), local=True))

    assert caught.value.code is Exit.NOT_FOUND


@pytest.mark.nats
async def test_a_run_s_nats_is_reached_with_its_token(nats):
    run = a_run(nats_url=nats.url, token=nats.token)

    with presence.shown(run):
        async with reach.reached("demo", HERE) as found:
            assert found.local
            assert (found.namespace, found.pipeline) == ("local", "demo")
            assert isinstance(await found.broker.streams(), list)


@pytest.mark.nats
async def test_a_run_whose_nats_does_not_answer_is_told_without_its_address(nats):
    run = a_run(nats_url=nats.url, token=WORD)

    with presence.shown(run), pytest.raises(CommandError) as caught:
        async with reach.reached("demo", HERE):
            pass

    assert caught.value.code is Exit.NO_NATS
    assert nats.url not in str(caught.value)
