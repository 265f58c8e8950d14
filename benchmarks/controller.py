"""Many pipelines applied at once on a real API server: how fast they are made, and what they cost."""

import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from interact._server import nats_server

from benchmarks import readiness
from benchmarks.figures import Figure, Goal, Side, Table

if TYPE_CHECKING:
    from cluster.kube import Kube
    from cluster.servers import OwnPlane
    from scenarios.stage import Stage

TESTS = Path(__file__).resolve().parents[1] / "tests"
OPERATORS = ("scan-generator", "center-of-mass-partial", "center-of-mass-reduce")
STREAMS = 6
"""Of each pipeline: two edges, chunks, dead letters, pictures, state."""
SIZES = (10, 100, 1000)
SERVERS = ("kube-apiserver", "etcd", "kube-controller-manager", "nats-server")
WRITERS = 4
MANAGER_QPS = 20
"""Kubernetes' own default: so few requests a second for ReplicaSets and pods leave us the machine."""
READY = "ready"
ROUNDS = 5
PATIENCE_SECONDS = 900.0
POLL_SECONDS = 0.2
SETTLED_SECONDS = 15.0
IDLE_SECONDS = 75.0
"""Longer than a resync, so that one is measured."""
SETTINGS = {
    "INTERACT_HTTP_PORT": "0",
    "INTERACT_LEASE_SECONDS": "15",
    "INTERACT_RESYNC_SECONDS": "60",
    "INTERACT_SWEEP_SECONDS": "300",
    "INTERACT_STATUS_SECONDS": "10",
    "INTERACT_STREAM_BYTES": "1Mi",
    "INTERACT_STATE_BYTES": "1Mi",
    "INTERACT_IMAGES_BYTES": "1Mi",
    "INTERACT_DEAD_LETTER_BYTES": "1Mi",
}
"""The shipped intervals; streams so small that many fit."""


@dataclass(frozen=True)
class Wave:
    """What became of pipelines that were applied at once; CPU of each process, per pipeline."""

    pipelines: int
    seconds: float
    requests: float
    memory_mib: float
    cpu_ms: dict[str, float]


@dataclass(frozen=True)
class Cost:
    """All waves, and what the controller needs when nothing happens; CPU in per cent of a core."""

    waves: tuple[Wave, ...]
    ready_seconds: tuple[float, ...]
    idle_percent: float
    idle_writes: int


def cost(sizes: tuple[int, ...], rounds: int, idle_seconds: float, settled_seconds: float) -> Cost:
    """Wait for pods some times, apply wave after wave, then look at what an idle controller does."""
    with _stage() as (plane, stage):
        process = stage.controller("bench", **SETTINGS).process
        stage.kube.apply(_operators(), namespace=stage.system)
        ready = _ready(stage, rounds)
        waves = tuple(_wave(stage, process, size) for size in sizes)
        plane.stop_manager()  # it would go on making pods for many minutes, and each is news
        _until_quiet(stage, settled_seconds)
        before, at = _cpu_seconds(process), time.monotonic()
        asked = len(_writes(stage, _user(stage)))
        time.sleep(idle_seconds)
        used = (_cpu_seconds(process) - before) / (time.monotonic() - at)
        return Cost(waves, ready, 100 * used, len(_writes(stage, _user(stage))) - asked)


@contextmanager
def _stage() -> Iterator[tuple["OwnPlane", "Stage"]]:
    """A control plane, a nats-server and the controller's ServiceAccount, all of our own."""
    if str(TESTS) not in sys.path:
        sys.path.append(str(TESTS))
    from cluster import servers
    from scenarios import stage as stages

    with tempfile.TemporaryDirectory(prefix="interact-bench-") as home:
        folder = Path(home)
        (folder / "plane").mkdir()
        plane = servers.OwnPlane(folder / "plane", manager_qps=MANAGER_QPS)
        try:
            system = f"bench-{secrets.token_hex(3)}"
            plane.kube().apply(_namespace(system))
            stages.grant(plane, system)
            account = plane.user(stages.AGENT, system)
            with nats_server(folder / "nats", max_file=1 << 40) as nats:
                one = stages.Stage(plane, nats, system, account, folder, system, warm=False)
                yield plane, one
                one.stop()
        finally:
            plane.close()


def _ready(stage: "Stage", rounds: int) -> tuple[float, ...]:
    kube = stage.plane.kube(READY)
    kube.apply(_namespace(READY))
    kube.wait("serviceaccounts", "default")
    return readiness.delays(stage, READY, rounds, lambda name: _pipeline(name, stage.system))


def _wave(stage: "Stage", process: "subprocess.Popen[bytes]", size: int) -> Wave:
    """Apply so many pipelines at once, and wait until everything is made."""
    namespace = f"wave-{size}"
    kube = stage.plane.kube(namespace)
    kube.apply(_namespace(namespace))
    kube.wait("serviceaccounts", "default")
    deployments, streams = _count(kube, "deployments"), _streams(stage)
    asked = len(stage.plane.audit("interact-controller"))
    before = _spent(process)
    started = time.monotonic()

    def apply(numbers: range) -> None:
        writer = stage.plane.kube(namespace)
        for number in numbers:
            writer.create(_pipeline(f"p{number}", stage.system))

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(apply, [range(first, size, WRITERS) for first in range(WRITERS)]))
    _until(stage, lambda: _count(kube, "deployments") >= deployments + size * len(OPERATORS))
    _until(stage, lambda: _streams(stage) >= streams + size * STREAMS)
    _until(stage, lambda: all(map(_accepted, kube.list("pipelines"))))
    seconds = time.monotonic() - started
    cpu = {name: 1000 * (used - before[name]) / size for name, used in _spent(process).items()}
    requests = len(stage.plane.audit("interact-controller")) - asked
    return Wave(size, seconds, requests / size, _memory(process), cpu)


def _namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _operators() -> str:
    from scenarios import stage as stages

    return stages.operators(*OPERATORS)


def _pipeline(name: str, catalogue: str) -> dict[str, Any]:
    places = zip(("scan", "moments", "com"), OPERATORS, strict=True)
    return {
        "apiVersion": "interact.science/v1alpha1",
        "kind": "Pipeline",
        "metadata": {"name": name},
        "spec": {
            "operators": [
                {"name": place, "operatorRef": {"name": operator, "namespace": catalogue}}
                for place, operator in places
            ],
            "edges": [
                {"from": "scan.out", "to": "moments.frames"},
                {"from": "moments.out", "to": "com.moments"},
            ],
        },
    }


def _accepted(pipeline: dict[str, Any]) -> bool:
    conditions = pipeline.get("status", {}).get("conditions", ())
    return any(one["type"] == "Accepted" and one["status"] == "True" for one in conditions)


def _count(kube: "Kube", resource: str) -> int:
    """How many there are in all namespaces; the server counts."""
    found = kube.request("GET", kube.path(resource, namespace=""), limit="1")
    return len(found["items"]) + int(found["metadata"].get("remainingItemCount", 0))


def _streams(stage: "Stage") -> int:
    from scenarios import stage as stages

    async def count(jetstream: Any) -> int:
        return int((await jetstream.account_info()).streams)

    return int(stages.ask(stage, count))


def _user(stage: "Stage") -> str:
    return f"system:serviceaccount:{stage.system}:interact-controller"


def _writes(stage: "Stage", user: str) -> list[dict[str, Any]]:
    """What a user (anybody, if it is empty) wrote, Leases apart."""
    verbs = ("create", "update", "patch", "delete")
    found = stage.plane.audit(user=user, verbs=verbs)
    return [one for one in found if one.get("objectRef", {}).get("resource") != "leases"]


def _until(stage: "Stage", look: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    controller = stage.controllers[0]
    while not look():
        if not controller.alive:
            raise RuntimeError(f"the controller ended: {controller.words[-2000:]}")
        if time.monotonic() > end:
            raise TimeoutError(f"not within {PATIENCE_SECONDS:g} s")
        time.sleep(POLL_SECONDS)


def _until_quiet(stage: "Stage", seconds: float) -> None:
    """Wait until nobody has written for a while."""
    last = [0, time.monotonic()]

    def quiet() -> bool:
        number = len(_writes(stage, ""))
        if number != last[0]:
            last[:] = [number, time.monotonic()]
        time.sleep(1)
        return time.monotonic() - last[1] > seconds

    _until(stage, quiet)


def _cpu_seconds(process: "subprocess.Popen[bytes]") -> float:
    used = psutil.Process(process.pid).cpu_times()
    return float(used.user + used.system)


def _spent(process: "subprocess.Popen[bytes]") -> dict[str, float]:
    """CPU seconds of the controller, of the servers around it, and of this process."""
    ours = psutil.Process()
    found = {one.name(): one.cpu_times() for one in ours.children(recursive=True)
             if one.name() in SERVERS}  # fmt: skip
    spent = {name: times.user + times.system for name, times in found.items()}
    own = ours.cpu_times()
    return {"controller": _cpu_seconds(process), **spent, "who applies": own.user + own.system}


def _memory(process: "subprocess.Popen[bytes]") -> float:
    return float(psutil.Process(process.pid).memory_info().rss) / 2**20


def bench(*, quick: bool) -> Table:
    """Pipelines a second, memory, idle CPU and requests, as the number of pipelines grows."""
    sizes = (5, 20) if quick else SIZES
    found = cost(
        sizes,
        1 if quick else ROUNDS,
        5.0 if quick else IDLE_SECONDS,
        3.0 if quick else SETTLED_SECONDS,
    )
    most = found.waves[-1]
    rates = [
        Figure(
            f"{one.pipelines} pipelines applied at once", "pipelines/s",
            Side("controller", (one.pipelines / one.seconds,)),
            goal=Goal(20) if one is most else None,
        )
        for one in found.waves
    ]  # fmt: skip
    total = sum(one.pipelines for one in found.waves)
    return Table(
        "controller",
        "pipelines of 3 operators: all accepted, their streams and Deployments made",
        (
            *rates,
            Figure(
                "kubectl wait --for=condition=Ready returns after the last pod is ready", "s",
                Side("controller", found.ready_seconds), goal=Goal(2, at_least=False),
            ),
            Figure(
                f"memory with {total} pipelines", "MiB", Side("controller", (most.memory_mib,)),
                goal=Goal(150, at_least=False),
            ),
            Figure(
                "idle", "% of a core", Side("controller", (found.idle_percent,)),
                goal=Goal(1, at_least=False),
            ),
            Figure(
                "idle", "writes", Side("controller", (float(found.idle_writes),)),
                goal=Goal(0, at_least=False),
            ),
            Figure(
                "requests to the API server", "per pipeline",
                Side("controller", (most.requests,)),
            ),
            *(Figure("CPU", "ms/pipeline", Side(name, (used,)))
              for name, used in most.cpu_ms.items()),
        ),
        (
            "seconds: " + ", ".join(f"{one.pipelines} in {one.seconds:.1f}" for one in found.waves),
            "etcd, API server, its controllers and nats-server share the machine; no pod runs",
        ),
    )  # fmt: skip
