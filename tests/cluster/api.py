"""The API server for the test node: requests and watches in asyncio."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any, cast

import aiohttp

from cluster.kube import KubeError, Object
from cluster.plane import Plane

AGENT = "interact-test-node"
MERGE = "application/merge-patch+json"
AWAY = 503
_LINE = 16 << 20  # a watch event is one line


class Api:
    """Requests of an administrator; a context manager."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane

    async def __aenter__(self) -> "Api":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self._plane.authority)
        self._session = aiohttp.ClientSession(
            self._plane.url,
            connector=aiohttp.TCPConnector(ssl=context, limit=0),
            headers={
                "Authorization": f"Bearer {self._plane.admin_token}",
                "User-Agent": AGENT,
            },
            read_bufsize=_LINE,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def request(
        self, method: str, path: str, body: object = None, content: str = "application/json"
    ) -> Object:
        """One request.

        Raises:
            KubeError: If the API server says no, or cannot be reached (503).
        """
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": content}
        try:
            async with self._session.request(method, path, data=data, headers=headers) as answer:
                said = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise KubeError(AWAY, {"reason": "Unreachable", "message": str(error)}) from error
        if answer.status >= 400:
            raise KubeError(answer.status, said)
        return cast("Object", said)

    async def events(self, path: str) -> AsyncIterator[tuple[str, Object]]:
        """What is there, as ADDED, then what changes; from the beginning when a watch breaks."""
        while True:
            try:
                listed = await self.request("GET", path)
                for one in listed["items"]:
                    yield "ADDED", one
                version = listed["metadata"]["resourceVersion"]
                async with self._session.get(
                    path,
                    params={"watch": "1", "resourceVersion": version},
                    timeout=aiohttp.ClientTimeout(total=None),
                ) as answer:
                    async for line in answer.content:
                        event: dict[str, Any] = json.loads(line)
                        if event["type"] == "ERROR":
                            break
                        yield event["type"], event["object"]
            except (aiohttp.ClientError, KubeError, json.JSONDecodeError):
                await within(asyncio.Event(), 0.2)

    async def reachable(self, host: str, port: int, path: str, seconds: float) -> bool:
        """Whether a GET at a pod is answered with 200 to 399."""
        limit = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._session.get(
                f"http://{host}:{port}{path}", timeout=limit, allow_redirects=False
            ) as answer:
                return 200 <= answer.status < 400
        except (aiohttp.ClientError, TimeoutError):
            return False


async def within(event: asyncio.Event, seconds: float) -> bool:
    """Whether an event came within so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
