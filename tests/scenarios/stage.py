"""What a scenario plays on: controller processes, a nats-server, namespaces ready for pipelines."""

import asyncio
import itertools
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cluster import binaries, processes
from cluster.kube import Kube
from cluster.plane import Plane
from cluster.waiting import eventually
from interact import _server
from interact_api import names
from nats.aio.client import Client
from nats.js.api import StreamConfig

ROOT = Path(__file__).resolve().parents[2]
SECRET = "interact-nats"  # noqa: S105  # the name of an object
AGENT = "interact-controller"
SETTINGS = {
    "INTERACT_RESYNC_SECONDS": "1",
    "INTERACT_SWEEP_SECONDS": "1",
    "INTERACT_STATUS_SECONDS": "1",
    "INTERACT_STREAM_BYTES": "16Mi",
    "INTERACT_STATE_BYTES": "16Mi",
    "INTERACT_IMAGES_BYTES": "16Mi",
    "INTERACT_DEAD_LETTER_BYTES": "4Mi",
}
"""Intervals so short that a minute of a cluster's life takes a few seconds.

The lease stays as it is in a chart: one of a few seconds is lost on a busy machine.
"""


@dataclass
class Controller:
    """One controller process."""

    process: processes.Process
    log: Path
    name: str

    def kill(self) -> None:
        """kill -9."""
        processes.stop(self.process, kill=True)

    def stop(self) -> None:
        """SIGTERM, and wait."""
        processes.stop(self.process)

    def freeze(self) -> None:
        """SIGSTOP."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        os.kill(self.process.pid, signal.SIGCONT)

    @property
    def alive(self) -> bool:
        """Whether it runs, frozen or not."""
        return self.process.poll() is None

    @property
    def words(self) -> str:
        """What it logged."""
        return self.log.read_text(errors="replace")

    def leads(self) -> bool:
        """Whether it has begun to look after everything."""
        return '"message":"ready"' in self.words


@dataclass
class Stage:
    """Everything a scenario plays on.

    Attributes:
        plane: The control plane.
        nats: The nats-server.
        system: Namespace of the controllers.
        kubeconfig: Of the ServiceAccount the controllers run as.
        folder: For logs.
        warm: Whether controllers are forked from a warm process; their memory is their own without.
    """

    plane: Plane
    nats: _server.Server
    system: str
    kubeconfig: Path
    folder: Path
    installation: str
    warm: bool = True
    controllers: list[Controller] = field(default_factory=list)
    _starts: Iterator[int] = field(default_factory=itertools.count)

    @property
    def kube(self) -> Kube:
        """A client of an administrator."""
        return self.plane.kube()

    def controller(self, name: str = "a", **settings: str) -> Controller:
        """Start a controller."""
        log = self.folder / f"controller-{name}-{next(self._starts)}.log"
        environment = {
            "KUBECONFIG": str(self.kubeconfig),
            "INTERACT_NAMESPACE": self.system,
            "INTERACT_POD": name,
            "INTERACT_INSTALLATION": self.installation,
            "INTERACT_NATS_URL": self.nats.url,
            "INTERACT_NATS_TOKEN_FILE": str(self.nats.token_file),
            "INTERACT_POD_NATS_SECRET": SECRET,
            "INTERACT_CATALOGUE_NAMESPACES": self.system,
            "INTERACT_HTTP_PORT": "0",
            **SETTINGS,
            **settings,
        }
        options = ["-m"] if self.warm else ["-u", "-m"]
        command = [sys.executable, *options, "interact_controller"]
        one = Controller(processes.start(command, log, environment), log, name)
        self.controllers.append(one)
        return one

    def open(self, namespace: str) -> None:
        """Let pipelines of a namespace reach NATS."""
        token = self.nats.token_file.read_text(encoding="utf-8").strip()
        self.kube.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": namespace},
             "stringData": {"token": token}}
        )  # fmt: skip

    def stop(self) -> None:
        """End every controller."""
        for one in self.controllers:
            one.stop()
        self.controllers.clear()


def grant(plane: Plane, system: str) -> None:
    """Give the controller's ServiceAccount exactly the rights of the chart.

    Args:
        plane: The control plane.
        system: Namespace of the controller.
    """
    rendered = subprocess.run(
        [str(binaries.find("helm")), "template", "interact", str(ROOT / "helm" / "interact"),
         "--namespace", system, "--set", "crds.enabled=false", "--kube-version", "1.36.0"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    rights = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "ServiceAccount"}
    kube = plane.kube(system)
    for one in yaml.safe_load_all(rendered):
        if one and one["kind"] in rights:
            kube.apply(one)


def operators(*names: str, **images: str) -> str:
    """The YAML of shipped operators; ``images`` names other images."""
    return "---\n".join(_operator(name, images.get(name.replace("-", "_"))) for name in names)


def _operator(name: str, image: str | None) -> str:
    given = yaml.safe_load((ROOT / "operators" / name / "operator.yaml").read_text())
    if image is not None:
        given["spec"]["image"] = image
    return str(yaml.safe_dump(given))


def commands() -> dict[str, list[str]]:
    """How the shipped operators' images are started as processes."""
    return {
        f"interact/{folder.parent.name}:latest": [sys.executable, "-m", "interact", str(folder)]
        for folder in sorted((ROOT / "operators").glob("*/run.py"))
    }


def moments(
    name: str,
    *,
    replicas: int | None = 1,
    parameters: Mapping[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A pipeline that makes a scan and draws its centre of mass."""
    sums: dict[str, Any] = {"name": "moments", "operatorRef": {"name": "center-of-mass-partial"}}
    if replicas is not None:
        sums["replicas"] = replicas
    return {
        "apiVersion": "interact.science/v1alpha1",
        "kind": "Pipeline",
        "metadata": {"name": name},
        "spec": {
            "operators": [
                {"name": "scan", "operatorRef": {"name": "scan-generator"},
                 "parameters": {"scan_rows": 24, "scan_columns": 36, "dose": 200, **(parameters or {})}},
                sums,
                {"name": "com", "operatorRef": {"name": "center-of-mass-reduce"}},
                {"name": "display", "operatorRef": {"name": "image-display"}},
            ],
            "edges": [
                {"from": "scan.out", "to": "moments.frames"},
                {"from": "moments.out", "to": "com.moments"},
                {"from": "com.out", "to": "display.image"},
            ],
            **spec,
        },
    }  # fmt: skip


MOMENTS = ("scan-generator", "center-of-mass-partial", "center-of-mass-reduce", "image-display")
"""The operators of `moments`."""
ENDLESS = {
    "rate": 400.0,
    "repeats": 0,
    "frames_per_message": 8,
    "scan_rows": 24,
    "scan_columns": 36,
}
"""Parameters of a source that goes on for ever at a pace everybody can follow."""


def flows(pipeline: Mapping[str, Any]) -> bool:
    """Whether frames leave its sources."""
    return bool(pipeline.get("status", {}).get("framesPerSecond", 0) > 0)


def phase(pipeline: Mapping[str, Any]) -> str:
    """The phase in its status."""
    return str(pipeline.get("status", {}).get("phase", ""))


def streams(stage: Stage, namespace: str | None = None) -> set[str]:
    """Names of the streams on the server, or of those of a namespace."""
    return {
        info.config.name or ""
        for info in ask(stage, lambda jetstream: jetstream.streams_info())
        if namespace is None
        or (info.config.metadata or {}).get("interact.science/namespace") == namespace
    }


def scan_of(stage: Stage, namespace: str, pipeline: str) -> int:
    """The number of the scan the source of a pipeline is in, read from its saved position."""

    async def read(jetstream: Any) -> int:
        bucket = await jetstream.key_value(names.state_bucket(namespace, pipeline))
        entry = await bucket.get("source.scan")
        return int(json.loads(entry.value)["scan"])

    return int(ask(stage, read))


def foreign_streams(stage: Stage) -> None:
    """Streams of another installation, of a local run, and of somebody who has nothing to do with us."""

    async def make(jetstream: Any) -> None:
        for name, metadata in {
            "foreign-installation": {"interact.science/installation": "another",
                                     "interact.science/namespace": "default",
                                     "interact.science/pipeline-uid": "gone"},
            "foreign-local": {"interact.science/installation": "local-0123456789ab",
                              "interact.science/pipeline-uid": ""},
            "foreign-plain": {},
        }.items():  # fmt: skip
            await jetstream.add_stream(
                StreamConfig(name=name, subjects=[f"{name}.>"], metadata=metadata or None)
            )

    ask(stage, make)


def settled(plane: Plane, namespace: str) -> None:
    """Wait until nothing was written in a namespace for a while."""
    seen = [-1, 0]

    def quiet() -> bool:
        number = len(plane.audit(namespace=namespace))
        seen[1] = seen[1] + 1 if number == seen[0] else 0
        seen[0] = number
        return seen[1] > 60

    eventually(quiet, "nobody writes any more", 60)


@contextmanager
def broker_advisories(stage: Stage) -> Iterator[list[str]]:
    """Subjects of the JetStream API that were called meanwhile, as the server tells of them."""
    heard: list[str] = []
    over = threading.Event()
    listening = threading.Event()

    async def listen() -> None:
        client = await _connected(stage)

        async def told(message: Any) -> None:
            heard.append(json.loads(message.data)["subject"])

        await client.subscribe("$JS.EVENT.ADVISORY.API", cb=told)
        await client.flush()
        listening.set()
        await asyncio.to_thread(over.wait)
        await client.close()

    thread = threading.Thread(target=lambda: asyncio.run(listen()))
    thread.start()
    listening.wait(10)
    try:
        yield heard
    finally:
        over.set()
        thread.join(10)


async def _connected(stage: Stage) -> Client:
    client = Client()
    token = stage.nats.token_file.read_text(encoding="utf-8").strip()
    await client.connect(stage.nats.url, token=token)
    return client


def ask(stage: Stage, what: Callable[[Any], Awaitable[Any]]) -> Any:
    """Call something with a JetStream context and give what it gives."""

    async def asked() -> Any:
        client = await _connected(stage)
        try:
            return await what(client.jetstream())
        finally:
            await client.close()

    return asyncio.run(asked())


@contextmanager
def opened(plane: Plane, folder: Path) -> Iterator[Stage]:
    """A stage without a controller yet, with a namespace of its own for the system."""
    system = f"system-{secrets.token_hex(3)}"
    kube = plane.kube()
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": system}})
    grant(plane, system)
    account = plane.user(AGENT, system)
    with _server.nats_server(folder / "nats", max_file=1 << 40) as nats:
        one = Stage(plane, nats, system, account, folder, f"test-{system}")
        yield one
        one.stop()
    kube.delete("namespaces", system)
