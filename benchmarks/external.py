"""Many external runs at once on a real API server and a REST service: order, cap, and what they cost."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil
from aiohttp import web

from benchmarks import controller
from benchmarks.figures import Figure, Goal, Side, Table

if TYPE_CHECKING:
    from cluster.kube import Kube
    from scenarios.stage import Stage

RUNS = 2000
CAP = 50
JOB_SECONDS = 5.0
PLACE = "external"
SYSTEM = "bench"
HEADER = "Idempotency-Key"
MEMORY_MIB = 200
PATIENCE_SECONDS = 3600.0
POLL_SECONDS = 2.0


@dataclass
class Service:
    """A REST service whose jobs take a while; it counts for itself.

    Attributes:
        url: Where it listens.
        keys: Idempotency keys in the order of their first submit.
        most: Most jobs at once.
        again: Submits of a key that was there.
    """

    url: str = ""
    keys: list[str] = field(default_factory=list[str])
    most: int = 0
    again: int = 0
    _ends: dict[str, float] = field(default_factory=dict[str, float])

    async def submit(self, request: web.Request) -> web.Response:
        """A job, or the one there is."""
        key, now = request.headers[HEADER], time.monotonic()
        if key in self._ends:
            self.again += 1
        else:
            self._ends[key] = now + JOB_SECONDS
            self.keys.append(key)
            self.most = max(self.most, sum(end > now for end in self._ends.values()))
        return web.json_response({"id": key})

    async def check(self, request: web.Request) -> web.Response:
        """How a job stands."""
        done = self._ends[request.match_info["id"]] <= time.monotonic()
        return web.json_response({"status": "done" if done else "running"})


@contextmanager
def served() -> Iterator[Service]:
    """A service in a thread of its own."""
    service, ready, loop = Service(), threading.Event(), asyncio.new_event_loop()

    async def begin() -> web.AppRunner:
        app = web.Application()
        app.add_routes([web.post("/jobs", service.submit), web.get("/jobs/{id}", service.check)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        return runner

    def run() -> None:
        runner = loop.run_until_complete(begin())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run, name="service")
    thread.start()
    ready.wait()
    try:
        yield service
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@dataclass(frozen=True)
class Found:
    """What became of the runs."""

    seconds: float
    most: int
    again: int
    out_of_order: int
    memory_mib: float
    writes: float
    failed: int


def found(runs: int, cap: int) -> Found:
    """Make runs while nobody looks after them, then start the controller and wait for the last."""
    with served() as service, controller._stage() as (_, stage):
        kube = stage.plane.kube(PLACE)
        kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PLACE}})
        kube.apply(_system(service.url, cap))
        _create(stage, runs)
        started = time.monotonic()
        process = stage.controller("bench", **controller.SETTINGS).process
        peak = _wait(stage, kube, psutil.Process(process.pid))
        seconds = time.monotonic() - started
        ended = kube.list("externalruns")
        turns = sorted(
            ended, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"])
        )
        order = [one["status"]["idempotencyKey"] for one in turns]
        written = len(controller._writes(stage, controller._user(stage)))
        return Found(
            seconds=seconds,
            most=service.most,
            again=service.again,
            out_of_order=_late(order, service.keys, controller_workers()),
            memory_mib=peak,
            writes=written / runs,
            failed=sum(one["status"]["phase"] != "COMPLETED" for one in ended),
        )


def controller_workers() -> int:
    """Looks at once on one system: so many submits may overtake each other on their way."""
    from interact_controller.external.lanes import WORKERS

    return WORKERS


def _late(order: list[str], keys: list[str], slack: int) -> int:
    """How many came further from their turn than those that are on their way at once explain."""
    turns = {key: turn for turn, key in enumerate(order)}
    return sum(abs(turns[key] - place) >= slack for place, key in enumerate(keys))


def _create(stage: "Stage", runs: int) -> None:
    def create(numbers: range) -> None:
        writer = stage.plane.kube(PLACE)
        for number in numbers:
            writer.create(_run(f"run-{number:05}"))

    with ThreadPoolExecutor(controller.WRITERS) as pool:
        list(pool.map(create, [range(one, runs, controller.WRITERS) for one in range(4)]))


def _wait(stage: "Stage", kube: "Kube", process: psutil.Process) -> float:
    """Wait until every run has ended and its claim is released; the largest memory seen, in MiB."""
    peak = [0.0]

    def look() -> bool:
        peak[0] = max(peak[0], process.memory_info().rss / 2**20)
        done = [one.get("status", {}).get("completionTime") for one in kube.list("externalruns")]
        label = "interact.science/claim"
        return all(done) and not kube.list("configmaps", stage.system, labels=label)

    end, one = time.monotonic() + PATIENCE_SECONDS, stage.controllers[0]
    while not look():
        if not one.alive:
            raise RuntimeError(f"the controller ended: {one.words[-2000:]}")
        if time.monotonic() > end:
            raise TimeoutError(f"not within {PATIENCE_SECONDS:g} s")
        time.sleep(POLL_SECONDS)
    return peak[0]


def _run(name: str) -> dict[str, Any]:
    return {"apiVersion": "interact.science/v1alpha1", "kind": "ExternalRun",
            "metadata": {"name": name}, "spec": {"driver": "http", "system": SYSTEM}}  # fmt: skip


def _system(url: str, cap: int) -> dict[str, Any]:
    return {
        "apiVersion": "interact.science/v1alpha1",
        "kind": "ExternalSystem",
        "metadata": {"name": SYSTEM},
        "spec": {
            "driver": "http",
            "namespaces": [PLACE],
            "maxRuns": cap,
            "http": {
                "url": url,
                "idempotencyHeader": HEADER,
                "submit": {"method": "POST", "path": "/jobs"},
                "check": {"path": "/jobs/{id}"},
                "states": {"running": "Running", "done": "Succeeded"},
            },
        },
    }


def bench(*, quick: bool) -> Table:
    """Runs a second, the cap and the order as the service saw them, memory, and writes for a run."""
    runs, cap = (60, 10) if quick else (RUNS, CAP)
    made = found(runs, cap)

    def figure(what: str, unit: str, value: float, goal: Goal | None = None) -> Figure:
        return Figure(what, unit, Side("controller", (value,)), goal=goal)

    most = Goal(0, at_least=False)
    return Table(
        "external",
        f"{runs} external runs made at once, at most {cap} on a REST service, jobs of {JOB_SECONDS} s",
        (
            figure("runs that ended", "runs/s", runs / made.seconds),
            figure("most jobs at once", "jobs", made.most, Goal(cap, at_least=False)),
            figure("jobs out of turn", "jobs", made.out_of_order, most),
            figure("submits of a key that was there", "submits", made.again, most),
            figure("runs that did not complete", "runs", made.failed, most),
            figure("most memory", "MiB", made.memory_mib, Goal(MEMORY_MIB, at_least=False)),
            figure("writes to the API server", "per run", made.writes),
        ),
        (
            f"{made.seconds:.1f} s for all of them",
            "etcd, API server, nats-server, service and controller share the machine",
        ),
    )
