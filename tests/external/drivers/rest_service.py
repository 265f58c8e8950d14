"""A job service over HTTP that can be told to misbehave, and counts what it was asked."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from interact_api.external import State
from interact_api.external_http import HttpCall, HttpMethod, HttpSystem

Behaviour = Callable[[web.Request], Any]


class Service:
    """Jobs by id; a key that came before gives the job of then.

    Attributes:
        jobs: What there is, by id.
        asked: Method and path of each request, as it was sent.
        headers: The headers of the last request.
        behaviour: Answers in place of the service, if it gives an answer.
        release: Held back answers wait for it.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.headers: dict[str, str] = {}
        self.behaviour: Behaviour = lambda request: None
        self.release = asyncio.Event()
        self.url = ""

    @property
    def made(self) -> int:
        """How many jobs were ever begun."""
        return len(self.jobs)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.raw_path}")
        self.headers = dict(request.headers)
        given = self.behaviour(request)
        if asyncio.iscoroutine(given):
            given = await given
        if given is not None:
            return given
        if request.method == "POST":
            return await self.begin(request)
        name = request.path.rpartition("/")[2]
        if "key" in request.query:
            found = [one for one in self.jobs.values() if one["key"] == request.query["key"]]
            return web.json_response({"jobs": found})
        if name not in self.jobs:
            return web.json_response({"error": "no such job"}, status=404)
        if request.method == "DELETE":
            self.jobs[name]["status"] = "STOPPED"
        return web.json_response(self.jobs[name])

    async def begin(self, request: web.Request) -> web.Response:
        told = json.loads(await request.text())
        same = [one for one in self.jobs.values() if one["key"] == told["key"]]
        if same and "Idempotency-Key" in request.headers:
            return web.json_response(same[0])
        job = {"id": f"j/{len(self.jobs)}"[2:], "status": "QUEUED", **told}
        self.jobs[job["id"]] = job
        return web.json_response(job, status=201)

    @asynccontextmanager
    async def serving(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["Service"]:
        """Listen on loopback while the block lasts."""
        app = web.Application()
        app.router.add_route("*", r"/{tail:[\s\S]*}", self.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"{'https' if tls else 'http'}://{host}:{port}"
        try:
            yield self
        finally:
            self.release.set()
            await runner.cleanup()


def system(url: str, **changes: Any) -> HttpSystem:
    """What an administrator says of the service."""
    made = HttpSystem(
        url=f"{url}/v1",
        timeout="5s",
        submit=HttpCall(method=HttpMethod.POST, path="/jobs",
                        body={"key": "{key}", "what": "{parameters}", "title": "run {name}"}),
        check=HttpCall(path="/jobs/{id}"),
        message="note",
        states={"queued": State.QUEUED, "running": State.RUNNING, "held": State.WAITING,
                "done": State.SUCCEEDED, "broken": State.FAILED, "stopped": State.CANCELLED},
        lookup=HttpCall(path="/jobs", query={"key": "{key}"}),
        lookup_id="jobs[0].id",
        cancel=HttpCall(method=HttpMethod.DELETE, path="/jobs/{id}"),
        results="result",
    )  # fmt: skip
    return HttpSystem.model_validate({**made.to_object(), **changes})
