"""A small world for the reconcile: its ports in memory, refusing what the real ones refuse."""

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml
from controller.objects_in_memory import Memory
from controller.streams_in_memory import Streams
from interact_api.board import Board
from interact_api.report import Report, ScanReport
from interact_controller.policy import Policy
from interact_controller.ports import World
from interact_controller.reconcile import reconcile
from interact_controller.seen import Key, Kind, Manifest

NAMESPACE = "lab"
UID = "11111111-1111-4111-8111-111111111111"
START = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = Policy(installation="here", catalogues=frozenset({"shared"}))
KEY = Key(Kind.PIPELINE, NAMESPACE, "scan")

OPERATORS = """
reader:
  outputs: [{name: frames, type: dense}]
  parameters: [{name: rows, type: int, default: "8", minimum: 1}]
centre:
  parallelConfig: {type: embarrassing}
  inputs: [{name: frames, type: dense}]
  outputs: [{name: moments, type: values}]
  parameters: [{name: radius, type: float, default: "20", minimum: 0}]
smooth:
  parallelConfig: {type: embarrassing}
  inputs: [{name: frames, type: dense}]
  outputs: [{name: frames, type: dense}]
total:
  role: reducer
  inputs: [{name: parts, type: values}]
  outputs: [{name: image, type: image}]
show:
  inputs: [{name: image, type: any}]
"""


def operator(name: str, namespace: str = NAMESPACE, **spec: Any) -> Manifest:
    """An InteractOperator of the small catalogue, or with what else is said."""
    known = yaml.safe_load(OPERATORS).get(name, {})
    return {
        "apiVersion": "interact.science/v1alpha1",
        "kind": "InteractOperator",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": str(uuid.uuid4()),
            "generation": 1,
        },
        "spec": {"image": f"example/{name}:1", **known, **spec},
    }


def pipeline(
    *edges: str, uid: str = UID, spec: dict[str, Any] | None = None, **placed: Any
) -> Manifest:
    """A Pipeline ``scan`` of ``name="operator"`` or ``name={...}`` and edges ``"a.x > b.y"``."""
    operators = []
    for name, given in placed.items():
        said = {"ref": given} if isinstance(given, str) else dict(given)
        operators.append({"name": name, "operatorRef": {"name": said.pop("ref")}, **said})
    wires = [dict(zip(("from", "to"), edge.split(" > "), strict=True)) for edge in edges]
    return {
        "apiVersion": "interact.science/v1alpha1",
        "kind": "Pipeline",
        "metadata": {"name": "scan", "namespace": NAMESPACE, "uid": uid, "generation": 1},
        "spec": {"operators": operators, "edges": wires, **(spec or {})},
    }


def chain(**more: Any) -> Manifest:
    """Source, two replicas of a kernel, reducer, display."""
    placed = {"r": "reader", "c": {"ref": "centre", "replicas": 2}, "t": "total", "s": "show"}
    edges = ("r.frames > c.frames", "c.moments > t.parts", "t.image > s.image")
    return pipeline(*edges, **{**placed, **more})


@dataclass
class Boards:
    """One board; a world has one pipeline."""

    one: Board = field(default_factory=Board)

    def board(self, namespace: str, pipeline: str) -> Board:
        return self.one

    def forget(self, namespace: str, pipeline: str) -> None:
        self.one = Board()


class Lab:
    """A cluster with NATS, a clock, and the reconcile."""

    def __init__(self, *manifests: Manifest, policy: Policy = POLICY) -> None:
        self.memory = Memory()
        self.streams = Streams()
        self.boards = Boards()
        self.time = START
        self.world = World(
            self.memory, self.memory, self.streams, self.boards, policy, lambda: self.time
        )
        for one in manifests or (*catalogue(), chain()):
            self.memory.put(one)

    async def look(self, key: Key = KEY, times: int = 1) -> float | None:
        """Reconcile; a second passes before each."""
        wait = None
        for _ in range(times):
            self.time += timedelta(seconds=1)
            wait = await reconcile(key, self.world)
        return wait

    async def run(self, times: int = 3) -> None:
        """Reconcile and let Kubernetes do its part, until all is as it should be."""
        for _ in range(times):
            await self.look()
            self.kubernetes()
        await self.look()

    def kubernetes(self, stuck: frozenset[str] = frozenset()) -> None:
        """What kube-controller-manager and a kubelet make of the Deployments."""
        for key, one in list(self.memory.objects.items()):
            if key.kind is not Kind.DEPLOYMENT:
                continue
            replicas, ready = one["spec"]["replicas"], key.name not in stuck
            counts = {
                "observedGeneration": one["metadata"]["generation"],
                "replicas": replicas,
                "updatedReplicas": replicas,
                "readyReplicas": replicas if ready else 0,
            }
            self.memory.put({**one, "status": counts})
            for number in range(8):
                pod = Key(Kind.POD, key.namespace, f"{key.name}-{number}")
                if number >= replicas:
                    self.memory.objects.pop(pod, None)
                elif pod not in self.memory.objects:
                    self.memory.put(_pod(one, pod.name))

    def pod(self, name: str, **status: Any) -> None:
        """Set the status of a pod."""
        found = self.memory.objects[Key(Kind.POD, NAMESPACE, name)]
        self.memory.put({**found, "status": status})

    def say(self, operator: str, state: str, *, replica: int = 0, **counts: Any) -> None:
        """A report of an operator's process."""
        report = Report(operator, replica, 1, state, "any", **counts)
        self.boards.one.hear("scan", report, self.time.timestamp())

    def end(self) -> None:
        """Let the whole chain tell that it is done."""
        scans = {"s-1": ScanReport(64, 64, True, {}, (8, 8))}
        for name, replica in (("r", 0), ("c", 1), ("c", 2), ("t", 0), ("s", 0)):
            self.say(name, "done", replica=replica, scans=scans, frames_in=64)

    @property
    def status(self) -> Manifest:
        """The pipeline's status."""
        return self.memory.objects[KEY].get("status", {})

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason of a condition; empty if it is not there."""
        for one in self.status.get("conditions", ()):
            if one["type"] == kind:
                return one["status"], one["reason"]
        return "", ""

    def message(self, kind: str = "Ready") -> str:
        """What a condition says."""
        return next(o["message"] for o in self.status["conditions"] if o["type"] == kind)

    def deployment(self, operator: str) -> Manifest:
        """The Deployment of an operator."""
        return self.memory.objects[Key(Kind.DEPLOYMENT, NAMESPACE, f"scan--{operator}")]

    def replicas(self) -> dict[str, int]:
        """Replicas by operator."""
        return {
            key.name.removeprefix("scan--"): one["spec"]["replicas"]
            for key, one in sorted(self.memory.objects.items())
            if key.kind is Kind.DEPLOYMENT
        }

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Everything that was written, to Kubernetes and JetStream."""
        return [*self.memory.writes, *self.streams.writes]

    def forget_writes(self) -> None:
        """Count from here."""
        self.memory.writes.clear()
        self.streams.writes.clear()

    @property
    def parameters(self) -> Any:
        """What the operators are told."""
        ((_, raw),) = self.streams.values.items()
        return json.loads(raw)


def catalogue() -> list[Manifest]:
    """The small operators."""
    return [operator(name) for name in yaml.safe_load(OPERATORS)]


def _pod(deployment: Manifest, name: str) -> Manifest:
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": dict(labels), "uid": name},
        "spec": {},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }
