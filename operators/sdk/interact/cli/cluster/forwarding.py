"""A port of this machine that leads through tunnels to somewhere else."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from interact.cli.cluster.api import ApiError

logger = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1"
_CHUNK: Final = 1 << 18
_END_SECONDS: Final = 5.0

Tunnel = Callable[[], socket.socket]
"""Opens a connection to the other side; raises `ApiError` if there is no way."""


@contextmanager
def forwarded(tunnel: Tunnel) -> Iterator[int]:
    """A free port of the loopback interface; each connection to it gets a tunnel of its own.

    Raises:
        ApiError: If the first tunnel cannot be opened: it is, before anything needs it.
    """
    spare = [tunnel()]

    def next_tunnel() -> socket.socket:
        try:
            return spare.pop()
        except IndexError:
            return tunnel()

    with _quiet_threads(), socket.create_server((LOOPBACK, 0)) as server:
        door = _Door(server, next_tunnel)
        door.start()
        try:
            yield server.getsockname()[1]
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)  # wakes accept()
            door.join(_END_SECONDS)
            for far in spare:
                _leave(far)


class _Door(threading.Thread):
    """Takes connections until its server is shut down; ends when they have ended."""

    def __init__(self, server: socket.socket, tunnel: Tunnel) -> None:
        super().__init__(name="interact port forward", daemon=True)
        self._server = server
        self._tunnel = tunnel
        self._carrying: list[tuple[socket.socket, threading.Thread]] = []

    def run(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                break
            carrying = threading.Thread(target=_carry, args=(near, self._tunnel), daemon=True)
            carrying.start()
            self._carrying.append((near, carrying))
        for near, carrying in self._carrying:
            with suppress(OSError):
                near.shutdown(socket.SHUT_RDWR)
            carrying.join(_END_SECONDS)


def _carry(near: socket.socket, tunnel: Tunnel) -> None:
    """Carry bytes both ways until both ends are closed."""
    with near:
        try:
            far = tunnel()
        except ApiError as error:
            logger.warning("no way through the API server: %s", error)
            return
        back = threading.Thread(target=_pump, args=(far, near), daemon=True)
        back.start()
        _pump(near, far)
        back.join(_END_SECONDS)
        far.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Carry bytes one way until the source ends; says so to the target."""
    try:
        while data := source.recv(_CHUNK):
            target.sendall(data)
    except OSError as error:
        logger.debug("a forwarded connection broke: %s", error)
    finally:
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


def _leave(far: socket.socket) -> None:
    """Close a tunnel when its other side has, so that what it still sends has where to go."""
    with suppress(OSError):
        far.shutdown(socket.SHUT_WR)
        far.settimeout(_END_SECONDS)
        while far.recv(_CHUNK):
            pass
    far.close()


@contextmanager
def _quiet_threads() -> Iterator[None]:
    """Log what ends a thread of the kubernetes package, which prints a traceback otherwise."""

    def told(facts: threading.ExceptHookArgs) -> None:
        logger.warning("the way through the API server broke: %s", facts.exc_value)

    before = threading.excepthook
    threading.excepthook = told
    try:
        yield
    finally:
        threading.excepthook = before
