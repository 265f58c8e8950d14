"""What goes on until it is interrupted: `interact get -w` and `interact top` on a terminal."""

import os
import pty
import re
import select
import signal
import subprocess
import time
from contextlib import contextmanager

import pytest
from cli.cluster import labs, stored
from cli.cluster.stored import operator_state
from cli.conftest import COMMAND
from interact.cli.cluster import getting
from interact.cli.cluster.api import ApiError
from interact.cli.cluster.objects import Place
from interact.cli.cluster.options import Form
from interact.cli.exits import CommandError, Exit

WITHIN_SECONDS = 90
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@contextmanager
def on_a_terminal(*command):
    """A command on a terminal of 100 columns; gives it, and what reads until a text is shown."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "100", "LINES": "30", "TERM": "xterm"}
    with subprocess.Popen(
        [*COMMAND, *command], stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=environment
    ) as process:
        os.close(theirs)
        shown = ""

        def until(text):
            nonlocal shown
            end = time.monotonic() + WITHIN_SECONDS
            while text not in shown:
                assert time.monotonic() < end, shown
                if select.select([ours], [], [], 0.2)[0]:
                    shown += ESCAPES.sub("", os.read(ours, 1 << 16).decode())
            seen, shown = shown, ""
            return seen

        try:
            yield process, until
        finally:
            process.kill()
            os.close(ours)


def test_top_is_drawn_anew_until_interrupted(lab):
    lab.write_status(operators=[operator_state("reader", framesPerSecond=1200.0)], phase="Running")

    with on_a_terminal("top", *lab.where) as (process, until):
        first = until("1,200")
        lab.write_status(operators=[operator_state("reader", framesPerSecond=3400.0)])
        until("3,400")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=WITHIN_SECONDS)

    assert "Running" in first
    assert (process.returncode, err) == (Exit.INTERRUPTED, b"")


def test_top_says_why_it_ends_when_its_pipeline_is_deleted(lab):
    with on_a_terminal("top", "demo", *lab.where) as (process, until):
        until("reader")
        lab.kube.delete("pipelines", "demo")
        _, err = process.communicate(timeout=WITHIN_SECONDS)

    assert process.returncode == Exit.NOT_FOUND
    assert b"there is no pipeline 'demo'" in err
    assert b"Traceback" not in err


@pytest.mark.parametrize("form", ["name", "json"])
def test_get_watches_objects_in_every_form(lab, form):
    with subprocess.Popen(
        [*COMMAND, "get", "demo", "-w", "-o", form, *lab.where], stdout=subprocess.PIPE,
        text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip

        def document():
            lines = [process.stdout.readline()]
            while form == "json" and lines[-1] != "}\n":
                lines.append(process.stdout.readline())
            return "".join(lines)

        first = document()
        lab.kube.apply(labs.pipeline("other"))
        lab.write_status(phase="Running")
        second = document()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=WITHIN_SECONDS)

    assert all('"demo"' in one or one.endswith("/demo\n") for one in (first, second))
    assert form == "name" or '"phase": "Running"' in second


class Forgetful(stored.Shelf):
    """A server whose watches tell some events and end, and then fail with the last error."""

    def __init__(self, *objects, watches):
        super().__init__(*objects)
        self.watches = watches
        self.versions = []

    def lines(self, path, *, query=None, accept=""):
        self.versions.append(query["resourceVersion"])
        event = self.watches.pop(0)
        if isinstance(event, ApiError):
            raise event
        yield event


def changed(version):
    one = stored.pipeline()
    one["metadata"]["resourceVersion"] = version
    return {"type": "MODIFIED", "object": one}


def test_a_watch_goes_on_where_the_server_ended_it_and_looks_again_where_it_forgot(capsys):
    gone = {"type": "ERROR", "object": {"code": 410, "message": "too old"}}
    watches = [changed("12"), changed("15"), gone, ApiError(0, "https://a: reset")]
    shelf = Forgetful(stored.pipeline(), watches=watches)

    with pytest.raises(CommandError, match="reset") as raised:
        getting.get(Place(shelf, "lab"), [], Form.NAME, "", watch=True)

    assert shelf.versions == ["9", "12", "15", "9"]
    assert raised.value.code is Exit.UNREACHABLE
    assert capsys.readouterr().out.split() == ["pipeline.interact.science/demo"] * 4


@pytest.mark.timeout(300)
def test_top_outlives_a_restart_of_the_api_server(separate_plane):
    plane = separate_plane()
    plane.kube().apply(labs.OPERATORS)
    plane.kube().apply(labs.pipeline())
    lab = labs.Lab(plane.kube(), plane.kubeconfig, "default")

    with on_a_terminal("top", "demo", *lab.where) as (_, until):
        until("reader")
        plane.stop_api()
        until("not known at the moment: no API server answers")
        plane.start_api()
        lab.write_status(operators=[operator_state("reader", framesPerSecond=3400.0)])
        until("3,400")
