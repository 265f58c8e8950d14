"""What a pod's probes ask of an operator process, over HTTP: alive, ready, counters."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from interact import _health_metrics
from interact._errors import SettingsError
from interact._tally import Tally

logger = logging.getLogger(__name__)

REQUEST_SECONDS = 5.0
MAX_REQUEST_BYTES = 8192
MAX_REQUESTS = 32
"""At a time; more are answered 503."""
READY = frozenset({"running", "draining", "done"})
_REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}
_METRICS = "text/plain; version=0.0.4; charset=utf-8"

Answer = tuple[int, str, str]
"""Status, content type, body."""


class Health:
    """How a process is.

    Attributes:
        connected: Whether it has a connection to NATS now.
    """

    def __init__(self, tally: Tally, pipeline: str) -> None:
        self._tally = tally
        self._pipeline = pipeline
        self.connected: Callable[[], bool] = bool

    @property
    def unready(self) -> str:
        """Why it is not ready, in words; empty if it is."""
        if not self.connected():
            return "not connected to NATS"
        if self._tally.state in READY:
            return ""
        waits = self._tally.waits_for
        return f"waiting for {waits}" if waits else self._tally.state

    def answer(self, method: str, path: str) -> Answer:
        """The answer to a request."""
        plain = "text/plain; charset=utf-8"
        route = path.partition("?")[0]
        if route not in {"/healthz", "/readyz", "/metrics"}:
            return 404, plain, "there are /healthz, /readyz and /metrics\n"
        if method not in {"GET", "HEAD"}:
            return 405, plain, "GET only\n"
        if route == "/metrics":
            return 200, _METRICS, _health_metrics.text(self._tally, self._pipeline)
        words = self.unready if route == "/readyz" else ""
        return (503, plain, f"{words}\n") if words else (200, plain, "ok\n")


@asynccontextmanager
async def served(health: Health, host: str, port: int | None) -> AsyncIterator[int | None]:
    """Answer probes while the block runs; gives the port, None where nobody asked for one.

    Raises:
        SettingsError: If the address cannot be listened on.
    """
    if port is None:
        yield None
        return
    server = _Server(health)
    try:
        listening = await asyncio.start_server(server.serve, host, port, limit=MAX_REQUEST_BYTES)
    except OSError as error:
        raise SettingsError(
            f"INTERACT_HTTP_HOST {host!r} and INTERACT_HTTP_PORT {port} cannot be listened on: {error}"
        ) from error
    async with listening:
        yield int(listening.sockets[0].getsockname()[1])
        server.close()


class _Server:
    """Answers one request a connection."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read one request of bounded size and time, answer it, hang up."""
        busy = len(self._open) >= MAX_REQUESTS
        self._open.add(writer)
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                method, path = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")[:2]
                answer = (
                    (503, "text/plain", "busy\n") if busy else self._health.answer(method, path)
                )
                writer.write(_response(*answer, body=method != "HEAD"))
                await writer.drain()
        except (ValueError, TimeoutError, OSError, EOFError, asyncio.LimitOverrunError) as error:
            logger.debug("a request was not answered: %s", error)
        finally:
            self._open.discard(writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def close(self) -> None:
        """Hang up on everybody."""
        for writer in [*self._open]:
            writer.close()


def _response(status: int, content: str, text: str, *, body: bool) -> bytes:
    data = text.encode()
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {content}\r\n"
        f"Content-Length: {len(data)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (data if body else b"")
