"""Programs of ours from a warm server: each is a process of its own, and starts in milliseconds."""

import ctypes
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from interact._tether import PR_SET_PDEATHSIG

PROGRAMS = ("interact", "interact.external_relay", "interact_controller")
"""Modules whose imports the server has done."""
WARM = ["pytest", "cluster.warm", "chaos.warm"]
TESTS = Path(__file__).resolve().parents[1]
STOP_SECONDS = 20.0
_CONTEXT = multiprocessing.get_context("forkserver")
_ONE_AT_A_TIME = threading.Lock()


class Forked:
    """A process as `subprocess.Popen` tells of one."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        self.pid = process.pid or 0

    @property
    def returncode(self) -> int | None:
        """How it ended, negative for a signal; None while it goes on."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            TimeoutExpired: If it does not come in so many seconds.
        """
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, if there is still somebody to get it."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number) if self._process.is_alive() else None

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9, also of a frozen process, and wait until it is gone."""
        self.send_signal(signal.SIGKILL)
        self.wait(STOP_SECONDS)


def knows(command: Sequence[str]) -> bool:
    """Whether a command is one of ours, written out: ``python -m MODULE ARGUMENT…``."""
    return list(command[:2]) == [sys.executable, "-m"] and command[2] in PROGRAMS


def start(
    command: Sequence[str], log: Path, environment: Mapping[str, str], folder: Path | None = None
) -> Forked:
    """Start a command that is known, in an environment of its own and a process group of its own."""
    log.touch(0o600)
    words = (list(command[2:]), log, dict(environment), folder)
    with _ONE_AT_A_TIME:
        _serve()
        process = _CONTEXT.Process(target=_become, args=words, daemon=True)
        process.start()
    return Forked(process)


@cache
def _serve() -> None:
    """Start the server they are forked from; Python does not tell it where tests are."""
    _CONTEXT.set_forkserver_preload(WARM)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(TESTS), before)))
    try:
        forkserver.ensure_running()
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before


def _become(words: list[str], log: Path, environment: dict[str, str], folder: Path | None) -> None:
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # dies with the server that forked it
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.environ.clear()
    os.environ.update(environment)
    if folder is not None:
        os.chdir(folder)
    sys.argv = list(words)
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
