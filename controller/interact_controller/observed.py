"""What one look at a pipeline finds: everything the desired state and the status follow from."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from interact_api import load, names
from interact_api.board import Board
from interact_api.operator import KIND as OPERATOR_KIND
from interact_api.operator import InteractOperator
from interact_api.pipeline import KIND as PIPELINE_KIND
from interact_api.pipeline import Pipeline
from interact_api.plain import entries, mapping

from interact_controller import labels
from interact_controller.errors import BrokerError
from interact_controller.policy import Policy
from interact_controller.ports import Broker, Store
from interact_controller.seen import Key, Kind, Manifest, StreamSeen

PARAMETERS: str = "parameters"
"""Key of the state bucket that operator processes watch."""
CONFIG_VARIABLE: str = "INTERACT_CONFIG"


@dataclass(frozen=True)
class WorkloadSeen:
    """A Deployment as it is.

    ``owner`` is the uid of its controller, empty without one; ``former`` says that this is another
    Pipeline, so that the garbage collector is about to remove it. ``pods`` counts those there are
    or are about to be; ``settled`` says that they are what the Deployment asks for.
    """

    name: str
    uid: str
    operator: str
    manifest: Manifest
    owner: str
    former: bool
    replicas: int
    ready: int
    pods: int
    settled: bool
    trouble: str

    @property
    def config(self) -> str:
        """What its processes were started with, as JSON."""
        return self.variable(CONFIG_VARIABLE).replace("$$(", "$(")

    @property
    def reads(self) -> frozenset[tuple[str, str]]:
        """The streams and consumers its processes read by."""
        found = [mapping(one) for one in entries(self._wires().get("inputs"))]
        return frozenset((str(one.get("stream")), str(one.get("durable"))) for one in found)

    @property
    def writes(self) -> frozenset[str]:
        """The streams its processes write to."""
        found = entries(self._wires().get("outputs"))
        return frozenset(str(mapping(one).get("stream")) for one in found)

    def _wires(self) -> dict[str, Any]:
        try:
            return mapping(json.loads(self.config or "{}"))
        except ValueError:
            return {}

    def variable(self, name: str) -> str:
        """The value of an environment variable of its container."""
        found = [
            str(mapping(one).get("value", ""))
            for one in entries(container(self.manifest).get("env"))
            if mapping(one).get("name") == name
        ]
        return found[0] if found else ""

    @property
    def annotations(self) -> dict[str, Any]:
        """Its annotations."""
        return mapping(mapping(self.manifest.get("metadata")).get("annotations"))


@dataclass(frozen=True)
class PodSeen:
    """A pod as it is: what keeps it from being ready, in Kubernetes' words."""

    name: str
    operator: str
    ready: bool
    ending: bool
    waiting: str = ""
    waiting_message: str = ""
    unschedulable: str = ""
    restarts: int = 0
    exit_code: int | None = None
    exit_reason: str = ""
    last_words: str = ""


@dataclass(frozen=True)
class Observed:
    """A pipeline and everything around it.

    ``operators`` are by `OperatorRef.key`; ``unusable`` says, for the keys that are not there, why.
    ``streams`` is None, and ``broker_words`` says why, where NATS does not answer.
    """

    pipeline: Pipeline
    manifest: Manifest
    board: Board
    operators: Mapping[str, InteractOperator] = field(default_factory=dict[str, InteractOperator])
    unusable: Mapping[str, str] = field(default_factory=dict[str, str])
    forbidden: tuple[str, ...] = ()
    workloads: Mapping[str, WorkloadSeen] = field(default_factory=dict[str, WorkloadSeen])
    pods: tuple[PodSeen, ...] = ()
    streams: Mapping[str, StreamSeen] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    broker_words: str = ""

    @property
    def namespace(self) -> str:
        """The pipeline's namespace."""
        return self.pipeline.metadata.namespace or ""

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.pipeline.metadata.name

    @property
    def uid(self) -> str:
        """The pipeline's uid."""
        return self.pipeline.metadata.uid

    @property
    def drops(self) -> bool:
        """Whether what removed edges hold may be lost."""
        return self.pipeline.metadata.annotations.get(labels.DROP) == "true"

    def still(self, operator: str) -> bool:
        """Whether no process of an operator runs, nor is about to."""
        live = [one for one in self.workloads.values() if one.operator == operator]
        return not self.pods_of(operator) and all(
            one.pods == 0 and one.replicas == 0 for one in live
        )

    def pods_of(self, operator: str) -> tuple[PodSeen, ...]:
        """The pods of one operator, ending ones too."""
        return tuple(pod for pod in self.pods if pod.operator == operator)


def pipeline(manifest: Manifest) -> Pipeline:
    """The Pipeline in an object.

    Raises:
        load.SpecError: If the models refuse it; the API server admitted it by an older schema.
    """
    return load.resource(Pipeline, _sound(manifest, PIPELINE_KIND), origin="Pipeline")


def operator(manifest: Manifest) -> InteractOperator:
    """The InteractOperator in an object.

    Raises:
        load.SpecError: If the models refuse it.
    """
    return load.resource(
        InteractOperator, _sound(manifest, OPERATOR_KIND), origin="InteractOperator"
    )


def _sound(manifest: Manifest, kind: str) -> Manifest:
    """What people write of an object: metadata of the server's and status play no part."""
    about = mapping(manifest.get("metadata"))
    kept = ("name", "namespace", "uid", "generation", "resourceVersion", "annotations", "labels")
    metadata = {key: about[key] for key in kept if key in about}
    metadata.pop("labels", None)
    return {
        "apiVersion": manifest.get("apiVersion"),
        "kind": kind,
        "metadata": metadata,
        "spec": manifest.get("spec", {}),
    }


async def observe(
    found: Pipeline, manifest: Manifest, store: Store, broker: Broker, board: Board, policy: Policy
) -> Observed:
    """Look at everything around a pipeline.

    Pods are looked at before streams: whatever a pod that is gone has sent is in the streams.
    """
    namespace, name, uid = found.metadata.namespace or "", found.metadata.name, found.metadata.uid
    usable, unusable, forbidden = _operators(found, store, policy)
    deployments = workloads(store.of_pipeline(Kind.DEPLOYMENT, namespace, name), uid)
    pods = [one for one in store.of_pipeline(Kind.POD, namespace, name) if not _over(one)]
    streams: dict[str, StreamSeen] | None = None
    parameters: Mapping[str, Any] = {}
    words = ""
    try:
        streams = {one.name: one for one in await broker.of_pipeline(namespace, name)}
        bucket = names.state_bucket(namespace, name)
        state = streams.get(f"KV_{bucket}")
        if state is not None and state.metadata.get(labels.STREAM_UID) == uid:
            parameters = _read(await broker.get(bucket, PARAMETERS))
    except BrokerError as error:
        streams, words = None, str(error)
    return Observed(
        pipeline=found,
        manifest=manifest,
        board=board,
        operators=usable,
        unusable=unusable,
        forbidden=forbidden,
        workloads=deployments,
        pods=tuple(_pod(one) for one in pods),
        streams=streams,
        parameters=parameters,
        broker_words=words,
    )


def again(seen: Observed, store: Store) -> Observed:
    """The same with the Deployments as they are after our own writes."""
    found = store.of_pipeline(Kind.DEPLOYMENT, seen.namespace, seen.name)
    return replace(seen, workloads=workloads(found, seen.uid))


def _read(raw: bytes | None) -> Mapping[str, Any]:
    """The document of parameters; what is none counts as empty and is written anew."""
    try:
        return mapping(json.loads(raw)) if raw else {}
    except ValueError:
        return {}


def _operators(
    found: Pipeline, store: Store, policy: Policy
) -> tuple[dict[str, InteractOperator], dict[str, str], tuple[str, ...]]:
    """The operators a pipeline may use, why others are of no use, and what it must not use."""
    usable: dict[str, InteractOperator] = {}
    unusable: dict[str, str] = {}
    forbidden: list[str] = []
    home = found.metadata.namespace or ""
    for ref in (one.operator_ref for one in found.spec.operators):
        namespace = ref.namespace or home
        if not policy.may_use(home, namespace):
            forbidden.append(ref.key)
            continue
        manifest = store.get(Key(Kind.OPERATOR, namespace, ref.name))
        if manifest is None:
            unusable[ref.key] = f"there is no InteractOperator {ref.name!r} in {namespace!r}"
            continue
        try:
            usable[ref.key] = operator(manifest)
        except load.SpecError as error:
            unusable[ref.key] = f"InteractOperator {ref.key!r} is not valid: {error}"
    return usable, unusable, tuple(dict.fromkeys(forbidden))


# -- Kubernetes' objects as small values ------------------------------------------------------


def container(deployment: Manifest) -> dict[str, Any]:
    """The container of an operator in its Deployment; empty if there is none."""
    template = mapping(mapping(deployment.get("spec")).get("template"))
    found = entries(mapping(template.get("spec")).get("containers"))
    named = [one for one in found if mapping(one).get("name") == "operator"]
    return mapping(named[0]) if named else {}


def workloads(manifests: Iterable[Manifest], uid: str) -> dict[str, WorkloadSeen]:
    """Deployments by their name; ``uid`` is the pipeline's."""
    found = [workload(one, uid) for one in manifests]
    return {one.name: one for one in found}


def workload(manifest: Manifest, uid: str) -> WorkloadSeen:
    """One Deployment."""
    about, spec = mapping(manifest.get("metadata")), mapping(manifest.get("spec"))
    status = mapping(manifest.get("status"))
    owners = [
        one for one in entries(about.get("ownerReferences")) if mapping(one).get("controller")
    ]
    owner = mapping(owners[0]) if owners else {}
    replicas = spec.get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= about.get("generation", 0)
    settled = (
        seen
        and status.get("updatedReplicas", 0) >= replicas
        and status.get("replicas", 0) == status.get("updatedReplicas", 0)
        and status.get("readyReplicas", 0) >= replicas
    )
    return WorkloadSeen(
        name=str(about.get("name", "")),
        uid=str(about.get("uid", "")),
        operator=str(mapping(about.get("labels")).get(labels.OPERATOR, "")),
        manifest=manifest,
        owner=str(owner.get("uid", "")),
        former=owner.get("kind") == PIPELINE_KIND and owner.get("uid") != uid,
        replicas=int(replicas),
        ready=int(status.get("readyReplicas", 0)),
        pods=int(status.get("replicas", 0)) if seen else max(1, int(replicas)),
        settled=settled,
        trouble=_trouble(entries(status.get("conditions"))),
    )


def _trouble(conditions: Sequence[Any]) -> str:
    """Why no pods can be made, in the words of the Deployment."""
    return next(
        (
            str(one.get("message", ""))
            for one in conditions
            if one.get("type") == "ReplicaFailure" and one.get("status") == "True"
        ),
        "",
    )


def _over(manifest: Manifest) -> bool:
    """Whether a pod has ended for good (evicted, for example) and only its record is there."""
    return mapping(manifest.get("status")).get("phase") in {"Succeeded", "Failed"}


def _pod(manifest: Manifest) -> PodSeen:
    about, status = mapping(manifest.get("metadata")), mapping(manifest.get("status"))
    held = {mapping(one).get("type"): mapping(one) for one in entries(status.get("conditions"))}
    statuses = [mapping(one) for one in entries(status.get("containerStatuses"))]
    ours = next((one for one in statuses if one.get("name") == "operator"), {})
    state, last = mapping(ours.get("state")), mapping(ours.get("lastState"))
    waiting = mapping(state.get("waiting"))
    ended = mapping(state.get("terminated")) or mapping(last.get("terminated"))
    scheduled = held.get("PodScheduled", {})
    stuck = scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable"
    code = ended.get("exitCode")
    return PodSeen(
        name=str(about.get("name", "")),
        operator=str(mapping(about.get("labels")).get(labels.OPERATOR, "")),
        ready=held.get("Ready", {}).get("status") == "True",
        ending="deletionTimestamp" in about,
        waiting=str(waiting.get("reason", "")),
        waiting_message=str(waiting.get("message", "")),
        unschedulable=str(scheduled.get("message", "")) or "no node takes it" if stuck else "",
        restarts=int(ours.get("restartCount", 0)),
        exit_code=code if isinstance(code, int) else None,
        exit_reason=str(ended.get("reason", "")),
        last_words=str(ended.get("message", "")).strip()[:1000],
    )
