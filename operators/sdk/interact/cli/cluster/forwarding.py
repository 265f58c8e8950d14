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
"""Opens a connection to the other side."""


@contextmanager
def forwarded(tunnel: Tunnel) -> Iterator[int]:
    """A free port of the loopback interface; each connection to it gets a tunnel of its own."""
    ends: list[socket.socket] = []
    with _quiet_threads(), socket.create_server((LOOPBACK, 0)) as server:
        accepting = threading.Thread(target=_accept, args=(server, tunnel, ends), daemon=True)
        accepting.start()
        try:
            yield server.getsockname()[1]
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)  # wakes accept()
            accepting.join(_END_SECONDS)
            for end in ends:
                _close(end)


def _accept(server: socket.socket, tunnel: Tunnel, ends: list[socket.socket]) -> None:
    while True:
        try:
            near, _ = server.accept()
        except OSError:
            return
        ends.append(near)
        try:
            far = tunnel()
        except ApiError as error:
            logger.warning("no way through the API server: %s", error)
            _close(near)
            continue
        ends.append(far)
        for source, target in ((near, far), (far, near)):
            threading.Thread(target=_pump, args=(source, target), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Carry bytes one way until an end closes; closes both then."""
    try:
        while data := source.recv(_CHUNK):
            target.sendall(data)
    except OSError:
        pass
    finally:
        _close(target)
        _close(source)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        end.close()


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
