"""Processes of a run are found, and end."""

import secrets
import sys
from pathlib import Path

from cluster import processes
from cluster.waiting import eventually

WAITING = [sys.executable, "-I", "-c", "import signal; print('here', flush=True); signal.pause()"]
DEAF = [
    sys.executable,
    "-I",
    "-c",
    "import os, signal; print('here', flush=True); os.kill(os.getpid(), signal.SIGSTOP)",
]


def test_what_a_run_leaves_behind_is_found(tmp_path):
    run = secrets.token_hex(8)
    log = tmp_path / "log"

    left = processes.start(WAITING, log, {processes.RUN: run})
    eventually(lambda: "here" in log.read_text(), "the process")

    assert list(processes.of_run(run)) == [left.pid]
    processes.stop(left)
    assert processes.of_run(run) == {}


def test_a_frozen_process_ends_too(tmp_path):
    log = tmp_path / "log"
    frozen = processes.start(DEAF, log)
    stat = Path("/proc", str(frozen.pid), "stat")
    eventually(lambda: ") T " in stat.read_text(), "the process frozen")

    processes.stop(frozen)

    assert frozen.returncode is not None
    assert not stat.exists()


def test_two_addresses_are_never_the_same():
    made = [processes.Address() for _ in range(20)]

    assert len({one.host for one in made}) == 20
    for one in made:
        one.close()
