"""A nats-server whose store lies on a small disk of its own, where the machine allows that."""

import os
import shutil
import subprocess
from contextlib import contextmanager, suppress

from interact._server import nats_server, program_path

MIB = 1 << 20


def available():
    """Whether this machine lets us make a file system that only our processes see."""
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        return False
    tried = subprocess.run(
        ["unshare", "-Urm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True,
        check=False,
    )
    return tried.returncode == 0


class SmallDisk:
    """A disk at ``folder/store``, seen by the processes that are started by `server`."""

    def __init__(self, folder, holder):
        self.folder = folder
        self._inside = [
            "nsenter", "--preserve-credentials", "-U", "-m", "-t", str(holder.pid),
        ]  # fmt: skip
        self.program = folder / "nats-server"
        words = " ".join([*self._inside, str(program_path())])
        self.program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        self.program.chmod(0o700)

    def resize(self, size):
        """Give the disk another size."""
        change = ["mount", "-o", f"remount,size={size}", str(self.folder / "store")]
        subprocess.run([*self._inside, *change], check=True)

    @contextmanager
    def server(self, port=-1):
        """A nats-server that believes it has more room than there is."""
        with nats_server(self.folder, port=port, program=self.program, max_file=1 << 30) as running:
            yield running


@contextmanager
def small_disk(folder, size):
    """A disk of so many bytes."""
    store = folder / "store"
    store.mkdir()
    script = f'mount -t tmpfs -o size={size} tmpfs "{store}" && echo ready && exec cat'
    with subprocess.Popen(
        ["unshare", "-Urm", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        try:
            assert holder.stdout.readline() == b"ready\n"
            yield SmallDisk(folder, holder)
        finally:
            with suppress(ProcessLookupError):
                os.kill(holder.pid, 9)
