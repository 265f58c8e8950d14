"""A pipeline of real operator processes over a nats-server of its own, and what they report."""

import asyncio
import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import psutil
import yaml
from interact import Operator, _jetstream, _main, _server, _spec
from interact._tether import tethered
from interact_api import report
from interact_api.choices import Storage
from interact_api.load import load
from interact_api.report import Report
from interact_api.stream_plan import Plan, PlanSettings
from interact_api.streams import plan

REPOSITORY = Path(__file__).resolve().parents[1]
OPERATORS = REPOSITORY / "operators"
STAGES = Path(__file__).resolve().parent / "stages"
PORT_BYTES = 256 << 20
STATE_BYTES = 64 << 20
CHUNK_BYTES = 1 << 20
"""Nothing a bench sends is cut into chunks."""
START_SECONDS = 90.0
"""Longest wait for processes to start; the first one on a machine compiles its kernels."""
STOP_SECONDS = 20.0
REPORT_PATIENCE_SECONDS = 20.0
SERVER = "nats-server"
Replica = tuple[str, int]


@dataclass(frozen=True)
class Stage:
    """One operator of a chain: its file, its parameters, how many processes, and the ack wait."""

    name: str
    code: Path
    parameters: Mapping[str, object] = field(default_factory=dict)
    replicas: int = 1
    ack_wait: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """A report, when it came, and the CPU seconds its process and the server had used."""

    at: float
    report: Report
    cpu_seconds: float
    server_cpu_seconds: float


@dataclass
class Flow:
    """A chain under way; reports of each replica in the order they came."""

    stages: Sequence[Stage]
    server: _server.Server
    broker: _jetstream.JetStream
    plan: Plan
    folder: Path
    module: str
    heard: dict[Replica, list[Heard]] = field(default_factory=dict)
    processes: dict[Replica, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self, name: str, replica: int = 0) -> None:
        """Start one replica; it dies with this process."""
        stage = next(stage for stage in self.stages if stage.name == name)
        command = [sys.executable, "-m", self.module, str(stage.code)]
        environment = {
            **os.environ,
            "INTERACT_CONFIG": str(self.folder / f"{name}.json"),
            "INTERACT_REPLICA": str(replica),
            "INTERACT_NATS_URL": self.server.url,
            "INTERACT_NATS_TOKEN_FILE": str(self.server.token_file),
        }
        with (self.folder / f"{name}.{replica}.log").open("ab") as output:
            self.processes[name, replica] = subprocess.Popen(
                tethered(command), cwd=REPOSITORY, env=environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    async def hear(self, payload: bytes, subject: str) -> None:
        """Keep a report with the CPU time its process has used."""
        del subject
        told = report.decode(payload)
        with suppress(psutil.Error):
            cpu = cpu_seconds(told.pid), cpu_seconds(self.server.pid)
            entries = self.heard.setdefault((told.operator, told.replica), [])
            entries.append(Heard(time.monotonic(), told, *cpu))
            self._news.set()

    async def until(self, holds: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for something that reports tell.

        Raises:
            RuntimeError: If it does not come, or a process has ended.
        """
        until = time.monotonic() + seconds
        while not holds():
            for (name, replica), process in self.processes.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{name}/{replica} ended before {what}{self._words()}")
            if time.monotonic() > until:
                raise RuntimeError(f"{seconds:g} s were over before {what}{self._words()}")
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), 0.1)

    def _words(self) -> str:
        """What the processes said last, to find out why nothing moves."""
        lines = []
        for name, replica in self.processes:
            log = _server.last_words(self.folder / f"{name}.{replica}.log")
            lines.append(f"\n{name}/{replica}: {self.latest(name, replica)}\n{log}")
        return "".join(lines)

    def latest(self, name: str, replica: int = 0) -> Report | None:
        """The last report of a replica."""
        entries = self.heard.get((name, replica))
        return entries[-1].report if entries else None

    async def window(self, seconds: float) -> tuple[float, float]:
        """Let it run until every replica has reported twice; when that began and ended."""
        began = time.monotonic()
        await asyncio.sleep(seconds)
        await self.until(
            lambda: all(
                sum(one.at >= began for one in self.heard.get(replica, ())) >= 2
                for replica in self.processes
            ),
            REPORT_PATIENCE_SECONDS,
            "it reported twice",
        )
        return began, time.monotonic()

    def between(
        self, name: str, began: float, ended: float, replica: int = 0
    ) -> tuple[Heard, Heard]:
        """The first and the last report of a replica within a `window`."""
        inside = [one for one in self.heard.get((name, replica), []) if began <= one.at <= ended]
        return inside[0], inside[-1]


def cpu_seconds(pid: int) -> float:
    """CPU time a process has used, user and system."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


@asynccontextmanager
async def flow(
    stages: Sequence[Stage],
    *,
    module: str = "interact",
    watch: Mapping[str, Callable[[bytes, str], Awaitable[None]]] = MappingProxyType({}),
) -> AsyncIterator[Flow]:
    """Run a chain: every process is running on entry.

    Args:
        stages: From the source to the last operator, each fed by the one before.
        module: What runs an operator's file: the SDK, or a loop to compare it with.
        watch: Called with each message that leaves the stage of a name, from the first on.
    """
    with tempfile.TemporaryDirectory(prefix="interact-bench-") as name:
        folder = Path(name)
        planned = planned_chain(stages)
        reserved = planned.bucket.max_bytes + sum(one.max_bytes for one in planned.streams)
        with _server.nats_server(folder / "nats", max_memory=reserved) as server:
            for stage in stages:
                config = planned.operators[stage.name]
                (folder / f"{stage.name}.json").write_text(config.model_dump_json(by_alias=True))
            async with _jetstream.connect(server.url, name="bench", token=server.token) as broker:
                running = Flow(stages, server, broker, planned, folder, module)
                for stream in planned.streams:
                    await broker.make(stream)
                await broker.make_bucket(planned.bucket)
                subject = next(iter(planned.operators.values())).status_subject
                await broker.watch(f"{subject.rpartition('.')[0]}.>", running.hear)
                for stage_name, heard in watch.items():
                    output = planned.operators[stage_name].outputs[0].subject
                    await broker.watch(f"{output}.*", heard)
                try:
                    await _started(running)
                    yield running
                finally:
                    _end(running)


async def _started(running: Flow) -> None:
    for stage in running.stages:
        for replica in range(stage.replicas):
            running.start(stage.name, replica)
    await running.until(
        lambda: all(
            (told := running.latest(stage.name, replica)) is not None and told.state == "running"
            for stage in running.stages
            for replica in range(stage.replicas)
        ),
        START_SECONDS,
        "it was ready",
    )


def _end(running: Flow) -> None:
    for process in running.processes.values():
        if process.poll() is None:
            process.kill()
    for process in running.processes.values():
        process.wait(STOP_SECONDS)


def planned_chain(stages: Sequence[Stage]) -> Plan:
    """Streams in memory and configurations for operators that feed each other."""
    operators = {stage.code: _main.found(stage.code) for stage in stages}
    documents = [_spec.document(operator) for operator in operators.values()]
    resources = load("---\n".join((*documents, _pipeline(stages, operators))), origin="bench")
    settings = PlanSettings(
        namespace="bench", installation="bench", run=os.urandom(16).hex(),
        storage=Storage.MEMORY, state_storage=Storage.MEMORY,
        max_bytes=PORT_BYTES, chunk_bytes=CHUNK_BYTES, state_bytes=STATE_BYTES,
    )  # fmt: skip
    return plan(resources.pipelines[0], resources.catalogue(), settings)


def _pipeline(stages: Sequence[Stage], operators: Mapping[Path, Operator]) -> str:
    entries = [
        {
            "name": stage.name,
            "operatorRef": {"name": operators[stage.code].name},
            "parameters": dict(stage.parameters),
            "replicas": stage.replicas,
        }
        for stage in stages
    ]
    edges = [
        {
            "from": f"{a.name}.{operators[a.code].outputs[0].name}",
            "to": f"{b.name}.{operators[b.code].inputs[0].name}",
            **({"ackWait": b.ack_wait} if b.ack_wait else {}),
        }
        for a, b in itertools.pairwise(stages)
    ]
    return yaml.safe_dump(
        {
            "apiVersion": "interact.science/v1alpha1",
            "kind": "Pipeline",
            "metadata": {"name": "bench"},
            "spec": {"operators": entries, "edges": edges},
        }
    )
