"""Become another program that the kernel ends when the process that started it is gone.

Run by its path, ``python -I -S _tether.py PARENT PROGRAM ARGUMENT…``, so that it costs no import.
The tie is to the *thread* that started it: start from one that lives as long as the program should.
"""

import ctypes
import os
import signal
import sys
from typing import NoReturn

PR_SET_PDEATHSIG = 1  # prctl(2); survives execve, is cleared by fork


def become(parent: int, command: list[str]) -> NoReturn:
    """Replace this process by a program that dies with ``parent``; exits if it cannot."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it went before the tie held
            sys.exit(1)
    try:
        os.execvp(command[0], command)  # noqa: S606  # no shell is the point
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


def tethered(command: list[str]) -> list[str]:
    """The command line that runs ``command`` tied to the calling thread."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


if __name__ == "__main__":
    become(int(sys.argv[1]), sys.argv[2:])
