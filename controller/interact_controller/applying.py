"""Doing what changes say, and turning refusals into what the pipeline's status can tell."""

import asyncio
import itertools
import json
from collections.abc import Iterable, Iterator

from interact_api.conditions import Reason
from interact_api.plain import mapping

from interact_controller import labels
from interact_controller.changes import taken
from interact_controller.children import workload
from interact_controller.errors import (
    BrokerUnreachable,
    ClusterError,
    ControllerError,
    OverBudget,
    Refused,
    Stalled,
    StreamRefused,
    Waiting,
)
from interact_controller.observed import PARAMETERS, Observed
from interact_controller.ports import Broker, World
from interact_controller.seen import Key, Kind, Manifest
from interact_controller.steps import (
    ApplyDeployment,
    ApplyReplicas,
    Change,
    MakeBucket,
    MakeConsumer,
    MakeStream,
    PutParameters,
    ReleaseReplicas,
    RemoveConsumer,
    RemoveDeployment,
    RemoveStream,
    UpdateStream,
)

BROKER_SECONDS = 10.0
BUDGET_SECONDS = 30.0
REFUSED_SECONDS = 60.0
HEALED = "Healed"
"""Reason of the events about what somebody had changed."""


async def apply(changes: Iterable[Change], observed: Observed, world: World) -> None:
    """Do what is to be done, in order; what a pipeline is made of at once.

    Raises:
        Stalled: If a person has to change something.
        Waiting: If it may go later: NATS away, no room, a quota.
        ClusterError: If the API server does not answer, or the object changed meanwhile.
    """
    for together in _batches(changes):
        done = await asyncio.gather(
            *(_do(one, observed, world) for one in together), return_exceptions=True
        )
        for failed in filter(None, done):
            raise failed


def _batches(changes: Iterable[Change]) -> Iterator[list[Change]]:
    """The changes in order; neighbours that make things of one kind go at once."""
    for kind, several in itertools.groupby(changes, type):
        if kind in {MakeStream, ApplyDeployment}:
            yield list(several)
        else:
            yield from ([one] for one in several)


async def _do(change: Change, observed: Observed, world: World) -> None:
    try:
        await _to_broker(change, world.broker)
    except OverBudget as error:
        words = f"{error}; lower delivery.maxBytes, remove pipelines, or give NATS more store"
        raise Waiting(Reason.OVER_BUDGET, words, after=BUDGET_SECONDS) from error
    except StreamRefused as error:
        raise Waiting(Reason.STREAM_REFUSED, str(error), after=BUDGET_SECONDS) from error
    except BrokerUnreachable as error:
        words = f"NATS does not answer: {error}; look after the nats-server"
        raise Waiting(Reason.BROKER_UNREACHABLE, words, after=BROKER_SECONDS) from error
    try:
        await _to_cluster(change, observed, world)
    except ClusterError as error:
        raise _refusal(change, error) from error
    if change.healed:
        await world.cluster.tell(
            observed.manifest, warning=True, reason=HEALED, message=change.healed
        )


def _refusal(change: Change, error: ClusterError) -> ControllerError:
    """What the API server's refusal means for the pipeline; what may pass by itself stays as it is.

    Fields that Kubernetes does not know give a 500 in server-side apply.
    """
    untyped = error.status == 500 and "typed patch object" in str(error)
    if not isinstance(error, Refused) and not untyped:
        return error
    if error.status == 403 and "quota" in str(error):
        words = f"{error}; raise the quota, or lower replicas and resources"
        return Waiting(Reason.QUOTA_EXCEEDED, words, after=BUDGET_SECONDS)
    if (untyped or error.status in {400, 422}) and isinstance(change, ApplyDeployment):
        name = mapping(change.manifest["metadata"])["name"]
        words = f"Deployment {name!r} is refused: {error}; correct the operator's template"
        return Stalled(Reason.INVALID_TEMPLATE, words)
    return Waiting(Reason.NOT_STARTED, str(error), after=REFUSED_SECONDS)


async def _to_broker(change: Change, broker: Broker) -> None:
    match change:
        case MakeStream():
            await broker.make(change.plan)
        case UpdateStream():
            await broker.update(change.plan)
        case MakeConsumer():
            await broker.make_consumer(change.stream, change.plan)
        case RemoveConsumer():
            await broker.remove_consumer(change.stream, change.durable)
        case RemoveStream():
            await broker.remove(change.stream)
        case MakeBucket():
            await broker.make_bucket(change.plan)
        case PutParameters():
            value = json.dumps(change.value, separators=(",", ":"), sort_keys=True)
            await broker.put(change.bucket, PARAMETERS, value.encode())
        case _:
            return


async def _to_cluster(change: Change, observed: Observed, world: World) -> None:
    cluster, namespace = world.cluster, observed.namespace
    match change:
        case ApplyDeployment():
            if change.makes:
                await _refuse_taken(change, observed, world)
            await cluster.apply(change.manifest, manager=labels.CONTROLLER)
        case ApplyReplicas():
            given = {labels.REPLICAS_OURS: str(change.replicas)}
            if change.resume:
                given[labels.RESUME] = change.resume
            applied = replicas(namespace, change.name, change.replicas, given)
            await cluster.apply(applied, manager=labels.REPLICAS)
        case ReleaseReplicas():
            held = replicas(namespace, change.name, change.replicas)
            await cluster.apply(held, manager=labels.RELEASED)
            await cluster.apply(change.manifest, manager=labels.CONTROLLER)
            await cluster.apply(replicas(namespace, change.name), manager=labels.REPLICAS)
        case RemoveDeployment():
            await cluster.remove(Key(Kind.DEPLOYMENT, namespace, change.name), uid=change.uid)
        case _:
            return


async def _refuse_taken(change: ApplyDeployment, observed: Observed, world: World) -> None:
    """Look before a Deployment is made: apply would take over one that somebody else made."""
    name = str(mapping(change.manifest["metadata"])["name"])
    found = await world.cluster.live(Key(Kind.DEPLOYMENT, observed.namespace, name))
    if found is None:
        return
    seen = workload(found, observed.uid)
    if seen.former:
        words = "Deployments of the deleted pipeline of this name are still there"
        raise Waiting(Reason.FORMER_PODS, words, after=1.0)
    if seen.owner != observed.uid:
        raise Stalled(Reason.NAME_TAKEN, taken(name))


def replicas(
    namespace: str,
    name: str,
    number: int | None = None,
    annotations: dict[str, str] | None = None,
) -> Manifest:
    """A Deployment with nothing but its replicas, to be applied by a manager of its own."""
    about: Manifest = {"name": name, "namespace": namespace}
    if annotations:
        about["annotations"] = dict(annotations)
    found: Manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": about}
    if number is not None:
        found["spec"] = {"replicas": number}
    return found
