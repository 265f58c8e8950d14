"""A small world for the reconcile: its ports in memory, refusing what the real ones refuse."""

import copy
import json
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml
from interact_api.admission import admission_errors
from interact_api.board import Board
from interact_api.report import Report, ScanReport
from interact_api.stream_plan import BucketPlan, ConsumerPlan, StreamPlan
from interact_controller.errors import (
    BrokerUnreachable,
    Conflict,
    OverBudget,
    Refused,
    StreamRefused,
)
from interact_controller.policy import Policy
from interact_controller.ports import World
from interact_controller.reconcile import reconcile
from interact_controller.seen import ConsumerSeen, Key, Kind, Manifest, StreamSeen

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


class Memory:
    """Store and Cluster in one: objects, and who applied what."""

    def __init__(self) -> None:
        self.objects: dict[Key, Manifest] = {}
        self.applied: dict[Key, dict[str, Manifest]] = {}
        self.writes: list[tuple[str, str]] = []
        self.events: list[tuple[str, str]] = []
        self._version = 0

    # -- Store

    def get(self, key: Key) -> Manifest | None:
        return copy.deepcopy(self.objects.get(key))

    def of_pipeline(self, kind: Kind, namespace: str, pipeline: str) -> list[Manifest]:
        return [
            copy.deepcopy(one)
            for key, one in sorted(self.objects.items())
            if key.kind is kind
            and key.namespace == namespace
            and one["metadata"].get("labels", {}).get("interact.science/pipeline") == pipeline
        ]

    def all(self, kind: Kind) -> list[Manifest]:
        return [copy.deepcopy(one) for key, one in self.objects.items() if key.kind is kind]

    # -- Cluster

    async def apply(self, manifest: Manifest, *, manager: str) -> Manifest:
        key = key_of(manifest)
        old = self.objects.get(key)
        self._refuse(manifest, old)
        managers = self.applied.setdefault(key, {})
        new = copy.deepcopy(old or {})
        given = copy.deepcopy(manifest)
        uid = given["metadata"].pop("uid", None)
        if uid is not None and (old is None or old["metadata"]["uid"] != uid):
            raise Conflict("uid mismatch", 409)
        others = [one for name, one in managers.items() if name != manager]
        for path in set(leaves(managers.get(manager, {}))) - set(leaves(given)):
            if not any(path in set(leaves(other)) for other in others):
                drop(new, path)
        for path, value in leaves(given).items():
            put(new, path, value)
            for other in others:
                if leaves(other).get(path, value) != value:
                    drop(other, path)
        managers[manager] = given
        new["spec"].setdefault("replicas", 1)
        new["metadata"].setdefault("uid", f"uid-{key.name}-{self._version}")
        self.put(new, touched="apply")
        return self.objects[key]

    def _refuse(self, manifest: Manifest, old: Manifest | None) -> None:
        if len(manifest["metadata"]["name"]) > 63:
            raise Refused("name is too long", 422)
        if old is None and "template" not in manifest.get("spec", {}):
            raise Refused("spec.selector: Required value", 422)
        wanted = manifest.get("spec", {}).get("selector")
        if old is not None and wanted is not None and wanted != old["spec"]["selector"]:
            raise Refused("spec.selector: field is immutable", 422)

    async def remove(self, key: Key, *, uid: str) -> None:
        found = self.objects.get(key)
        if found is not None and found["metadata"]["uid"] != uid:
            raise Conflict("uid mismatch", 409)
        self.writes.append(("remove", key.name))
        self.objects.pop(key, None)
        self.applied.pop(key, None)

    async def write_status(self, key: Key, status: Manifest, *, resource_version: str) -> Manifest:
        found = self.objects[key]
        if found["metadata"]["resourceVersion"] != resource_version:
            raise Conflict("the object has been modified", 409)
        new = copy.deepcopy({**found, "status": status})
        errors = [one for one in admission_errors(new) if one.startswith("status")]
        if errors:
            raise Refused("; ".join(errors), 422)
        self.put(new, touched="status")
        return self.objects[key]

    async def tell(self, about: Manifest, *, warning: bool, reason: str, message: str) -> None:
        assert message
        self.events.append((reason, message))

    async def live(self, key: Key) -> Manifest | None:
        return self.get(key)

    # -- what people and Kubernetes do

    def put(self, manifest: Manifest, touched: str = "") -> None:
        """Store an object; generation and version move as the API server moves them."""
        key = key_of(manifest)
        old = self.objects.get(key)
        new = copy.deepcopy(manifest)
        about = new["metadata"]
        about.pop("resourceVersion", None)
        if old is not None:
            about["generation"] = old["metadata"]["generation"] + (old["spec"] != new["spec"])
            same = {**old["metadata"]}
            same.pop("resourceVersion")
            if (same, old["spec"], old.get("status")) == (about, new["spec"], new.get("status")):
                about["resourceVersion"] = old["metadata"]["resourceVersion"]
        about.setdefault("generation", 1)
        if touched:
            self.writes.append((touched, key.name))
        if "resourceVersion" not in about:
            self._version += 1
            about["resourceVersion"] = str(self._version)
        self.objects[key] = new

    def edit(self, key: Key, **spec: Any) -> None:
        """Change fields of a spec, as a person does."""
        found = self.get(key)
        assert found is not None
        self.put({**found, "spec": {**found["spec"], **spec}})

    def replace(self, manifest: Manifest) -> None:
        """Apply a Pipeline again, as a person does."""
        found = self.get(key_of(manifest))
        assert found is not None
        self.put({**found, "spec": manifest["spec"]})


class Streams:
    """JetStream: refuses what the server refuses."""

    def __init__(self, store_bytes: int = 2**40) -> None:
        self.there: dict[str, StreamSeen] = {}
        self.values: dict[tuple[str, str], bytes] = {}
        self.writes: list[tuple[str, str]] = []
        self.store_bytes = store_bytes
        self.away = False

    def _reach(self) -> None:
        if self.away:
            raise BrokerUnreachable("no servers available for connection")

    async def streams(self, installation: str) -> list[StreamSeen]:
        self._reach()
        return list(self.there.values())

    async def of_pipeline(self, namespace: str, pipeline: str) -> list[StreamSeen]:
        self._reach()
        return list(self.there.values())

    async def stream(self, name: str) -> StreamSeen | None:
        self._reach()
        return self.there.get(name)

    async def make(self, plan: StreamPlan) -> None:
        self._reach()
        known = self.there.get(plan.name)
        if known is not None and known.retention != plan.retention:
            raise StreamRefused("stream name already in use with a different configuration")
        if sum(one.max_bytes for one in self.there.values()) + plan.max_bytes > self.store_bytes:
            raise OverBudget("insufficient storage resources available")
        self.writes.append(("make", plan.name))
        self.there[plan.name] = StreamSeen(
            plan.name, (plan.subject,), plan.retention, plan.discard, plan.max_bytes,
            plan.max_msgs_per_subject, plan.storage, plan.replicas, dict(plan.metadata),
            consumers={one.durable: _consumer(one) for one in plan.consumers},
        )  # fmt: skip

    async def update(self, plan: StreamPlan) -> None:
        self._reach()
        live = self.there[plan.name]
        if (live.retention, live.storage) != (plan.retention, plan.storage):
            raise StreamRefused("stream configuration update can not change retention policy")
        self.writes.append(("update", plan.name))
        self.there[plan.name] = replace(
            live, subjects=(plan.subject,), discard=plan.discard, max_bytes=plan.max_bytes,
            replicas=plan.replicas, metadata=dict(plan.metadata),
        )  # fmt: skip

    async def make_consumer(self, stream: str, plan: ConsumerPlan) -> None:
        self._reach()
        live = self.there[stream]
        self.writes.append(("consumer", f"{stream}/{plan.durable}"))
        consumers = {**(live.consumers or {}), plan.durable: _consumer(plan)}
        self.there[stream] = replace(live, consumers=consumers)

    async def remove_consumer(self, stream: str, durable: str) -> None:
        self._reach()
        live = self.there[stream]
        self.writes.append(("remove consumer", f"{stream}/{durable}"))
        consumers = {name: one for name, one in (live.consumers or {}).items() if name != durable}
        self.there[stream] = replace(live, consumers=consumers)

    async def remove(self, stream: str) -> None:
        self._reach()
        self.writes.append(("remove", stream))
        self.there.pop(stream, None)
        if stream.startswith("KV_"):
            self.values = {at: one for at, one in self.values.items() if f"KV_{at[0]}" != stream}

    async def make_bucket(self, plan: BucketPlan) -> None:
        self._reach()
        name = f"KV_{plan.name}"
        self.writes.append(("bucket", name))
        self.there[name] = StreamSeen(
            name, (f"$KV.{plan.name}.>",), "limits", "new", plan.max_bytes, plan.history,
            plan.storage, plan.replicas, dict(plan.metadata), consumers={},
        )  # fmt: skip

    async def get(self, bucket: str, key: str) -> bytes | None:
        self._reach()
        return self.values.get((bucket, key))

    async def put(self, bucket: str, key: str, value: bytes) -> None:
        self._reach()
        assert f"KV_{bucket}" in self.there
        self.writes.append(("put", key))
        self.values[bucket, key] = value

    def hold(self, stream: str, durable: str, pending: int) -> None:
        """Let messages wait at a consumer."""
        live = self.there[stream]
        consumer = replace((live.consumers or {})[durable], pending=pending)
        consumers = {**(live.consumers or {}), durable: consumer}
        most = max(one.pending + one.ack_pending for one in consumers.values())
        self.there[stream] = replace(live, consumers=consumers, messages=most)


def _consumer(plan: ConsumerPlan) -> ConsumerSeen:
    return ConsumerSeen(
        plan.durable, plan.ack_wait_seconds, plan.max_ack_pending, plan.deliver_policy
    )


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


def key_of(manifest: Manifest) -> Key:
    """The key of an object."""
    about = manifest["metadata"]
    return Key(Kind(manifest["kind"]), about["namespace"], about["name"])


def _pod(deployment: Manifest, name: str) -> Manifest:
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": dict(labels), "uid": name},
        "spec": {},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


# -- fields, as server-side apply knows them ----------------------------------------------------


def leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """The fields of an object; lists are one field each."""
    if isinstance(value, dict) and value:
        return {
            at: leaf for key, one in value.items() for at, leaf in leaves(one, (*path, key)).items()
        }
    return {path: value} if path else {}


def put(value: Any, path: tuple[str, ...], leaf: Any) -> None:
    for step in path[:-1]:
        value = value.setdefault(step, {})
    value[path[-1]] = copy.deepcopy(leaf)


def drop(value: Any, path: tuple[str, ...]) -> None:
    parents = [value]
    for step in path[:-1]:
        parents.append(parents[-1].get(step, {}))
    for parent, step in zip(reversed(parents), reversed(path), strict=True):
        parent.pop(step, None)
        if parent:
            return
