"""Run a Python program and start it again whenever a file of its live sources changes.

``INTERACT_RELOAD`` has the arguments of ``python``, ``INTERACT_LIVE`` the sources in the image that
are copied to the live folder first. A file among the arguments that also lies there is taken from
there. The program's own end is this one's end, with its status.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

LIVE = Path(os.environ.get("PYTHONPATH", "/tmp/live"))  # noqa: S108
"""Where live sources are put; first on the program's path."""
IMAGE = Path(__file__).resolve().parents[2]
"""What the paths in ``INTERACT_LIVE`` begin from."""
LOOK_SECONDS = 0.3
STOP_SECONDS = 20.0


def seed() -> None:
    """Copy the image's sources to the live folder, but for those that are there."""
    LIVE.mkdir(parents=True, exist_ok=True)
    for path in map(IMAGE.joinpath, os.environ.get("INTERACT_LIVE", "").split()):
        target = LIVE / path.name
        if path.is_dir() and not target.exists():
            shutil.copytree(path, target)
        elif not target.exists():
            shutil.copy(path, target)


def state() -> dict[str, int]:
    """When each live source was last written."""
    return {str(path): path.stat().st_mtime_ns for path in LIVE.rglob("*.py") if path.is_file()}


def arguments() -> list[str]:
    """The program's arguments, with live files in place of those of the image."""
    words = os.environ["INTERACT_RELOAD"].split()
    return [
        str(LIVE / Path(word).name) if (LIVE / Path(word).name).is_file() else word
        for word in words
    ]


def stop(child: "subprocess.Popen[bytes]") -> int:
    """Ask the program to end, then end it."""
    child.terminate()
    try:
        return child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def main() -> int:
    """Run until the program ends or somebody ends this; gives the exit status."""
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked.set())
    seed()
    while True:
        before = state()
        child = subprocess.Popen([sys.executable, *arguments()])
        while child.poll() is None and state() == before and not asked.wait(LOOK_SECONDS):
            pass
        if child.returncode is not None:
            return child.returncode
        status = stop(child)
        if asked.is_set():
            return status
        sys.stderr.write("sources changed: starting again\n")


if __name__ == "__main__":
    sys.exit(main())
