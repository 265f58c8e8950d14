"""Operator processes from a warm server: each is a process of its own, and starts in milliseconds."""

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from interact._tether import PR_SET_PDEATHSIG

WARM = [
    "interact._runtime",
    "interact._settings",
    "interact._spec",
    "interact.__main__",
    "chaos.warm",
]
TESTS = Path(__file__).resolve().parents[1]
_CONTEXT = multiprocessing.get_context("forkserver")
STOP_SECONDS = 20.0


def start(code: Path, log: Path, environment: Mapping[str, str]) -> ForkServerProcess:
    """Start what ``python -m interact CODE`` is, in an environment of its own."""
    _serve()
    process = _CONTEXT.Process(target=_operator, args=(code, log, dict(environment)), daemon=True)
    process.start()
    return process


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


def kill(process: ForkServerProcess) -> None:
    """kill -9, also of a frozen process, and wait until it is gone."""
    send(process, signal.SIGKILL)
    process.join(STOP_SECONDS)
    if process.is_alive():
        raise AssertionError(f"process {process.pid} outlived SIGKILL")


def send(process: ForkServerProcess, number: int) -> None:
    """Send a signal, if there is still somebody to get it."""
    with suppress(ProcessLookupError):
        os.kill(process.pid or 0, number) if process.is_alive() else None


def _operator(code: Path, log: Path, environment: Mapping[str, str]) -> None:
    os.setsid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # dies with the server that forked it
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.environ.update(environment)
    sys.argv = ["interact", str(code)]
    from interact.__main__ import main

    main()
