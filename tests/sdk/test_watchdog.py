"""A process whose kernel does not end: what ends it, what does not, and what it leaves."""

import subprocess
import sys
import time

import pytest
from interact._watchdog import LastWords, Past

PROGRAM = """
import ctypes
import os
import threading
import time
from pathlib import Path

from interact._watchdog import LastWords, Watchdog

pause = threading.Event().wait
words = LastWords(Path(os.environ["INTERACT_SCRATCH"]), "run", "operator", "0")
words.begin("attempts.x.7", "$JS.ACK.x", "it was at frame 7")
watchdog = Watchdog({seconds}, words)
{work}
watchdog.stop()
words.close()
print("ended by itself")
"""
HOLDS = """
watchdog.begin()
ctypes.PyDLL(None).sleep(100)
"""
HANGS = """
watchdog.begin()
pause(100)
"""
SECOND = """
watchdog.begin()
watchdog.end()
pause(0.3)
watchdog.begin()
pause(100)
"""
MANY = """
until = time.monotonic() + 3
while time.monotonic() < until:
    watchdog.begin()
    pause(0.01)
    watchdog.end()
"""
RESTS = """
watchdog.begin()
watchdog.end()
until = time.monotonic() + 3
while time.monotonic() < until:
    watchdog.rest()
    pause(0.05)
"""
ALONE = """
for _ in range(3):
    watchdog.begin(alone=True)
    pause(1.2)
    watchdog.end()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERACT_SCRATCH", str(tmp_path))
    monkeypatch.setenv("INTERACT_TERMINATION_LOG", str(tmp_path / "status"))
    return tmp_path


def left(folder, *owner: str) -> Past:
    """What a process of an owner has left."""
    words = LastWords(folder, *owner)
    with words.file:
        return words.past()


def done(work: str, seconds: float = 0.4) -> tuple[int, str, float]:
    began = time.monotonic()
    program = [sys.executable, "-c", PROGRAM.format(work=work, seconds=seconds)]
    ended = subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)
    return ended.returncode, ended.stdout + ended.stderr, time.monotonic() - began


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(HOLDS, id="it holds the interpreter"),
        pytest.param(HANGS, id="it hangs"),
        pytest.param(SECOND, id="it is the second one of its quarter"),
    ],
)
def test_a_kernel_that_does_not_end_ends_its_process_and_leaves_where_it_was(folder, work):
    status, _, _ = done(work)

    past = left(folder, "run", "operator", "0")
    assert status == 1
    assert past.timed_out
    assert (past.key, past.answer_to) == ("attempts.x.7", "$JS.ACK.x")
    line = PROGRAM.format(work=work, seconds=0).splitlines().index(work.splitlines()[-1]) + 1
    assert f'File "<string>", line {line} in <module>' in past.trace
    assert (folder / "status").read_text() == "it was at frame 7\n"


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(MANY, id="many short kernels"),
        pytest.param(RESTS, id="nothing to do"),
        pytest.param(ALONE, id="kernels that take nearly as long as they may"),
    ],
)
def test_a_process_whose_kernels_end_in_time_goes_on(folder, work):
    status, said, seconds = done(work, 2.0)

    assert (status, said) == (0, "ended by itself\n")
    assert seconds > 2.5, "longer than one kernel may take"
    assert list(folder.glob("*.last")) == []


def test_a_crash_leaves_where_it_was_too(folder):
    status, _, _ = done("ctypes.string_at(0)")

    past = left(folder, "run", "operator", "0")
    assert status < 0
    assert not past.timed_out
    assert past.trace.startswith("Fatal Python error: Segmentation fault")


def test_what_was_left_is_read_once(folder):
    words = LastWords(folder, "a", "b")
    words.begin("key", "answer", "at work")

    with words.file:
        assert left(folder, "a", "b") == Past("key", "answer", "")
        assert words.past() == Past()
    assert left(folder, "a", "c") == Past()


def test_a_try_that_has_ended_leaves_nothing(folder):
    words = LastWords(folder, "a", "b")
    words.begin("key", "answer", "at work")
    words.clear()

    assert (words.past(), (folder / "status").read_text()) == (Past(), "")
    words.close()
    assert list(folder.glob("*.last")) == []
