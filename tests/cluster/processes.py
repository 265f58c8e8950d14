"""Processes of a test run: they die with it, write to files, and are looked for at its end."""

import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from interact._tether import tethered

from cluster import forked
from cluster.forked import Forked

Process = subprocess.Popen[bytes] | Forked
RUN = "INTERACT_TEST_RUN"
"""In the environment of every process of a run: which run that is."""
STOP_SECONDS = 10.0
_CLAIM_PORT = 6442
_NEEDED = ("PATH", "HOME", "LANG", RUN)
_HELPERS = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")


def start(
    command: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Process:
    """Start a program that dies with the calling thread, in a process group of its own.

    It inherits this environment, but if it has a folder of its own only what every program needs.
    One of ours is forked from a warm process, and dies with this one.
    """
    inherited = {
        name: value for name, value in os.environ.items() if folder is None or name in _NEEDED
    }
    variables = inherited | dict(environment or {})
    if forked.knows(command):
        return forked.start(command, log, variables, folder)
    with log.open("ab") as output:
        return subprocess.Popen(
            tethered(list(command)),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=folder,
            env=variables,
        )


def stop(process: Process, *, kill: bool = False) -> None:
    """End a program and everything in its group; a frozen one too."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGCONT)
        os.killpg(process.pid, signal.SIGKILL if kill else signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        stop(process, kill=True)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def end(pid: int) -> None:
    """Kill a process by its id, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def of_run(run: str) -> dict[int, str]:
    """Processes other than this one that belong to a run, by id, with their command lines."""
    mark = f"{RUN}={run}".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                line = (
                    (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
                found[int(folder.name)] = line.strip()
    found.pop(os.getpid(), None)
    return {pid: line for pid, line in found.items() if not any(one in line for one in _HELPERS)}


class Address:
    """A loopback address that nobody else has while this is open: fixed ports are free on it."""

    def __init__(self) -> None:
        while True:
            drawn = os.urandom(3)
            self.host = f"127.{64 + drawn[0] % 63}.{drawn[1]}.{1 + drawn[2] % 254}"
            self._claim = socket.socket()
            try:
                self._claim.bind((self.host, _CLAIM_PORT))
            except OSError:
                self._claim.close()
            else:
                return

    def close(self) -> None:
        """Give it back."""
        self._claim.close()
