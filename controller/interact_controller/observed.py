"""What one look at a pipeline finds: everything the desired state and the status follow from."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from interact_api import load, names
from interact_api.board import Board
from interact_api.operator import KIND as OPERATOR_KIND
from interact_api.operator import InteractOperator
from interact_api.pipeline import KIND as PIPELINE_KIND
from interact_api.pipeline import Pipeline
from interact_api.plain import mapping

from interact_controller import labels
from interact_controller.children import PodSeen, WorkloadSeen, over, pod, workloads
from interact_controller.errors import BrokerError
from interact_controller.policy import Policy
from interact_controller.ports import Broker, Store
from interact_controller.seen import Key, Kind, Manifest, StreamSeen
from interact_controller.steps import STREAMS, Change

PARAMETERS: Final = "parameters"
"""Key of the state bucket that operator processes watch."""
_MOST_PARSED: Final = 4096


@dataclass(frozen=True)
class Scaled:
    """Replicas chosen by what is pending, and why."""

    replicas: int
    why: str = ""


@dataclass(frozen=True)
class Observed:
    """A pipeline and everything around it.

    ``operators`` are by `OperatorRef.key`; ``unusable`` says, for the keys that are not there, why.
    ``streams`` is None, and ``broker_words`` says why, where NATS does not answer. ``scaled`` has the
    operators whose replicas follow what is pending; ``runs`` the operator and the phase of each
    external run of the pipeline's messages.
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
    scaled: Mapping[str, Scaled] = field(default_factory=dict[str, Scaled])
    runs: tuple[tuple[str, str], ...] = ()

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


_operators_parsed: dict[tuple[str, int], InteractOperator] = {}
"""By uid and generation, which say everything about a specification."""


def _parsed(manifest: Manifest) -> InteractOperator:
    """An operator, parsed once for all the pipelines that use it."""
    about = mapping(manifest.get("metadata"))
    key = str(about.get("uid", "")), int(about.get("generation", 0))
    found = _operators_parsed.get(key)
    if found is None:
        found = operator(manifest)
        if all(key):
            _operators_parsed[key] = found
        while len(_operators_parsed) > _MOST_PARSED:
            del _operators_parsed[next(iter(_operators_parsed))]
    return found


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
    pods = [one for one in store.of_pipeline(Kind.POD, namespace, name) if not over(one)]
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
        pods=tuple(pod(one) for one in pods),
        streams=streams,
        parameters=parameters,
        broker_words=words,
        runs=tuple(store.phases(namespace, name)),
    )


async def again(seen: Observed, store: Store, broker: Broker, done: Iterable[Change]) -> Observed:
    """The same with Deployments and streams as they are after our own writes."""
    found = store.of_pipeline(Kind.DEPLOYMENT, seen.namespace, seen.name)
    after = replace(seen, workloads=workloads(found, seen.uid))
    if seen.streams is None or not any(isinstance(one, STREAMS) for one in done):
        return after
    try:
        live = await broker.of_pipeline(seen.namespace, seen.name)
    except BrokerError:
        return after  # the next look tells
    return replace(after, streams={one.name: one for one in live})


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
            usable[ref.key] = _parsed(manifest)
        except load.SpecError as error:
            unusable[ref.key] = f"InteractOperator {ref.key!r} is not valid: {error}"
    return usable, unusable, tuple(dict.fromkeys(forbidden))
