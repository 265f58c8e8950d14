"""One control plane for all workers of a test run, started when the first test asks for it.

The controlling process starts it, for a worker may end before the others. A worker asks through a
socket whose path it finds in its environment.
"""

import json
import os
import secrets
import shutil
import socket
import tempfile
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cluster import processes, servers, waiting
from cluster.plane import Plane, PlaneError

SOCKET = "INTERACT_TEST_PLANE"
ASK_SECONDS = 1800.0
"""Long enough to build the programs."""
LEFT_SECONDS = 10.0


class Host:
    """Serves one control plane to this process and its workers.

    Args:
        say: Prints a line for the person at the terminal.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.run = secrets.token_hex(8)
        self.folder = Path(tempfile.mkdtemp(prefix="interact-tests-"))
        self._plane: servers.OwnPlane | None = None
        self._failure = ""
        self._before = {name: os.environ.get(name) for name in (processes.RUN, SOCKET)}
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(self.folder / "plane"))
        self._door.listen(64)
        os.environ[processes.RUN] = self.run
        os.environ[SOCKET] = str(self.folder / "plane")
        # The servers die with the thread that starts them: this one lives as long as the run.
        self._thread = threading.Thread(target=self._serve, name="control plane", daemon=True)
        self._thread.start()

    def close(self) -> list[str]:
        """End everything; gives the command lines of processes that the tests left behind."""
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._thread.join()
        with suppress(AssertionError):
            waiting.eventually(lambda: not processes.of_run(self.run), within=LEFT_SECONDS)
        left = processes.of_run(self.run)
        for pid in left:
            processes.end(pid)
        shutil.rmtree(self.folder, ignore_errors=True)
        for name, value in self._before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        return list(left.values())

    def _serve(self) -> None:
        try:
            while True:
                try:
                    asking, _ = self._door.accept()
                except OSError:
                    return
                with asking, suppress(OSError):
                    asking.sendall(json.dumps(self._answer()).encode())
        finally:
            if self._plane is not None:
                self._plane.close()

    def _answer(self) -> dict[str, str]:
        if self._plane is None and not self._failure:
            folder = self.folder / "control-plane"
            folder.mkdir()
            try:
                self._plane = servers.OwnPlane(folder, say=self._say)
            except Exception as error:  # told to everyone who asks; tried once
                self._failure = "".join(traceback.format_exception(error))
        if self._plane is None:
            return {"error": self._failure}
        one = self._plane
        return {"folder": str(one.folder), "host": one.host, "token": one.admin_token}


def plane() -> Plane:
    """The control plane of this run; started if it is not yet there.

    Raises:
        PlaneError: If it cannot be.
    """
    with socket.socket(socket.AF_UNIX) as door:
        door.settimeout(ASK_SECONDS)
        door.connect(os.environ[SOCKET])
        said = b"".join(iter(lambda: door.recv(65536), b""))
    answer = json.loads(said or b'{"error": "the run is ending"}')
    if "error" in answer:
        raise PlaneError(answer["error"])
    return Plane(Path(answer["folder"]), answer["host"], answer["token"])
