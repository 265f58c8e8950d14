"""/healthz, /readyz and /metrics of the controller."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from interact_controller import metrics

DEAF_SECONDS = 90.0
"""Silence of watches, resyncs and queue after which the process is to be restarted."""
CLOSE_SECONDS = 2.0


class Health:
    """Whether the process hears and answers.

    A process that waits for the lead is alive and not ready.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._beat_at = now()
        self.leading = False
        self.ready = False

    def beat(self) -> None:
        """Something was heard or done."""
        self._beat_at = self._now()

    @property
    def silence(self) -> float:
        """Seconds since the last beat."""
        return self._now() - self._beat_at

    @property
    def alive(self) -> bool:
        """Whether a leader hears something; others have nothing to hear."""
        return not self.leading or self.silence < DEAF_SECONDS


@asynccontextmanager
async def serving(host: str, port: int, health: Health) -> AsyncIterator[None]:
    """Serve while the block runs.

    Args:
        host: Address to listen on.
        port: Port; 0 for none at all.
        health: What /healthz and /readyz tell.

    Raises:
        OSError: If the port is taken.
    """
    if not port:
        yield
        return

    async def healthz(_: web.Request) -> web.Response:
        return _answer(health.alive, f"silent for {health.silence:.0f} s")

    async def readyz(_: web.Request) -> web.Response:
        return _answer(health.ready or not health.leading, "listing objects")

    app = web.Application()
    app.add_routes([
        web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", _metrics),
    ])  # fmt: skip
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield
    finally:
        await asyncio.shield(runner.cleanup())


def _answer(good: bool, otherwise: str) -> web.Response:  # a word for it
    return web.Response(text="ok\n") if good else web.Response(status=503, text=f"{otherwise}\n")


async def _metrics(request: web.Request) -> web.Response:
    del request
    return web.Response(body=metrics.text(), headers={"Content-Type": metrics.CONTENT_TYPE})
