"""Waiting for the lead, and ending with it: the event loop's side of `election`."""

import asyncio
import json
import secrets
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import urllib3

from interact_controller.election import Door, Lease, Terms

JOIN_SECONDS = 5.0


@asynccontextmanager
async def leading(door: Door, terms: Terms) -> AsyncIterator[Lease]:
    """Enter once this process leads; on leaving, another may.

    Args:
        door: Requests of the lease's own thread.
        terms: What the lease is.
    """
    loop = asyncio.get_running_loop()
    won = asyncio.Event()

    def first() -> None:
        loop.call_soon_threadsafe(won.set)

    lease = Lease(door, terms, first)
    thread = threading.Thread(target=lease.hold, name="lease", daemon=True)
    thread.start()
    try:
        await won.wait()
        yield lease
    finally:
        lease.release()
        await asyncio.to_thread(thread.join, JOIN_SECONDS)
        await asyncio.to_thread(lease.give_back)


def identity(pod: str) -> str:
    """Who we are: the pod, and something no other start of it has."""
    return f"{pod}_{secrets.token_hex(4)}"


class HttpDoor:
    """A `Door` of plain HTTP requests.

    Args:
        url: The API server.
        pool: Connections to it, with its certificates.
        headers: Called for each request; tokens change.
    """

    def __init__(self, url: str, pool: urllib3.PoolManager, headers: Any) -> None:
        self._url = url
        self._pool = pool
        self._headers = headers

    def request(
        self, method: str, path: str, body: Mapping[str, Any] | None, timeout: float
    ) -> tuple[int, dict[str, Any]]:
        """The HTTP status and the object, or the reason."""
        try:
            answer = self._pool.request(
                method, self._url + path, body=None if body is None else json.dumps(body),
                headers={**self._headers(), "Content-Type": "application/json"},
                timeout=timeout, retries=False,
            )  # fmt: skip
        except urllib3.exceptions.HTTPError as error:
            raise OSError(str(error)) from error
        try:
            found = json.loads(answer.data)
        except ValueError:
            found = {}
        return answer.status, found if isinstance(found, dict) else {}
