"""What has to be done so that the world is as desired: small values, in the order of doing.

Streams and consumers come before the pods that use them, and what nobody uses any more goes last.
"""

from collections.abc import Iterator, Mapping

from interact_api.conditions import Reason
from interact_api.stream_plan import ConsumerPlan, StreamPlan

from interact_controller import changes_workloads, labels
from interact_controller.desired.rewiring import must_be_replaced, ours
from interact_controller.desired.state import Desired
from interact_controller.errors import Stalled, Waiting
from interact_controller.observed import Observed
from interact_controller.policy import Policy
from interact_controller.seen import ConsumerSeen, StreamSeen
from interact_controller.steps import (
    Change,
    MakeBucket,
    MakeConsumer,
    MakeStream,
    PutParameters,
    RemoveConsumer,
    RemoveStream,
    UpdateStream,
)

FORMER_SECONDS = 2.0
"""Between two looks whether the pods of a deleted pipeline of this name are gone."""


def changes(observed: Observed, desired: Desired, policy: Policy) -> tuple[Change, ...]:
    """What has to be done; empty if nothing differs. Only replicas where NATS does not answer.

    Raises:
        Stalled: If something of the same name is not ours.
        Waiting: If pods of a deleted pipeline of the same name are still there.
    """
    _refuse_taken(observed, desired, policy)
    if observed.streams is None:
        return tuple(changes_workloads.stops(observed, desired))
    planned = {one.name: one for one in desired.streams}
    steady = _steady(observed, desired)
    found: list[Change] = [*_former(observed, policy)]
    if not desired.waits:
        found += _streams(observed, observed.streams, planned, steady)
    found += _bucket(observed, observed.streams, desired)
    if observed.parameters != desired.parameters:
        found.append(PutParameters(desired.bucket.name, desired.parameters))
    found += changes_workloads.changes(observed, desired)
    if not desired.waits:
        found += [
            RemoveStream(one.name)
            for one in observed.streams.values()
            if ours(one, observed.uid) and one.name not in {*planned, f"KV_{desired.bucket.name}"}
        ]
    return tuple(found)


# -- what is not ours --------------------------------------------------------------------------


def _refuse_taken(observed: Observed, desired: Desired, policy: Policy) -> None:
    for one in desired.workloads:
        live = observed.workloads.get(one.name)
        if live is not None and live.owner != observed.uid and not live.former:
            raise Stalled(Reason.NAME_TAKEN, taken(one.name))
    names = [*(one.name for one in desired.streams), f"KV_{desired.bucket.name}"]
    for name in names:
        stream = (observed.streams or {}).get(name)
        if stream is None or stream.metadata.get(labels.INSTALLATION) == policy.installation:
            continue
        raise Stalled(Reason.NAME_TAKEN, _foreign(stream, observed.uid, policy))
    if any(one.former for one in observed.workloads.values()) or (
        _former_streams(observed, policy) and _foreign_pods(observed)
    ):
        raise Waiting(
            Reason.FORMER_PODS,
            "pods of the deleted pipeline of this name are still there; wait until they are gone",
            after=FORMER_SECONDS,
        )


def taken(name: str) -> str:
    """The words for a Deployment that is not ours."""
    return (
        f"Deployment {name!r} is there and does not belong to this pipeline; "
        "delete it, or rename the pipeline or its operator"
    )


def _foreign(stream: StreamSeen, uid: str, policy: Policy) -> str:
    """The words for a stream of another installation, or of ours when its id was another."""
    theirs = stream.metadata.get(labels.INSTALLATION, "none")
    if ours(stream, uid):
        return (
            f"stream {stream.name!r} is this pipeline's, made when the installation's id was "
            f"{theirs!r}; now it is {policy.installation!r}. Give the controller the former id "
            "again (INTERACT_INSTALLATION, or id in the ConfigMap interact-installation, then "
            "restart it), or delete the pipeline and its streams"
        )
    return (
        f"stream {stream.name!r} was made by somebody else (installation {theirs!r}, ours is "
        f"{policy.installation!r}); remove it, rename the pipeline, or use another NATS account"
    )


def _foreign_pods(observed: Observed) -> bool:
    live = {one.operator for one in observed.workloads.values() if one.owner == observed.uid}
    return any(pod.operator not in live for pod in observed.pods)


def _former_streams(observed: Observed, policy: Policy) -> list[StreamSeen]:
    """Streams of a deleted pipeline of the same name."""
    return [
        one
        for one in (observed.streams or {}).values()
        if one.metadata.get(labels.INSTALLATION) == policy.installation
        and one.metadata.get(labels.STREAM_UID, observed.uid) != observed.uid
    ]


def _former(observed: Observed, policy: Policy) -> Iterator[Change]:
    for one in _former_streams(observed, policy):
        yield RemoveStream(one.name)


# -- JetStream ---------------------------------------------------------------------------------


def _steady(observed: Observed, desired: Desired) -> frozenset[str]:
    """Operators whose Deployments are as we last wanted them: what differs was changed by others."""
    return frozenset(
        one.operator
        for one in desired.workloads
        if (live := observed.workloads.get(one.name)) is not None
        and live.annotations.get(labels.HASH) == one.digest
    )


def _streams(
    observed: Observed,
    seen: Mapping[str, StreamSeen],
    planned: Mapping[str, StreamPlan],
    steady: frozenset[str],
) -> Iterator[Change]:
    makers = {stream: one.operator for one in observed.workloads.values() for stream in one.writes}
    for plan in planned.values():
        live = seen.get(plan.name)
        known = makers.get(plan.name) in steady
        if live is None or not ours(live, observed.uid):
            yield MakeStream(plan, f"stream {plan.name} was missing; it is made anew" * known)
        elif must_be_replaced(live, plan):
            yield RemoveStream(plan.name)
            yield MakeStream(plan)
        elif live.subjects != (plan.subject,):
            yield MakeStream(plan)
        else:
            yield from _consumers(observed, live, plan, steady)
            what = _stream_difference(live, plan)
            if what:
                words = f"{what} of stream {plan.name} was changed; it is set again" * known
                yield UpdateStream(plan, words)


def _stream_difference(live: StreamSeen, plan: StreamPlan) -> str:
    if live.discard.lower() != plan.discard:
        return "discard"
    for field in ("max_bytes", "max_msgs_per_subject", "replicas"):
        if getattr(live, field) != getattr(plan, field):
            return field
    same = all(live.metadata.get(key) == value for key, value in plan.metadata.items())
    return "" if same else "metadata"


def _consumers(
    observed: Observed, live: StreamSeen, plan: StreamPlan, steady: frozenset[str]
) -> Iterator[Change]:
    there = live.consumers or {}
    for durable in there.keys() - {one.durable for one in plan.consumers}:
        yield RemoveConsumer(plan.name, durable)
    for one in plan.consumers:
        seen = there.get(one.durable)
        if seen is not None and _same(seen, one):
            continue
        readers = {
            w.operator for w in observed.workloads.values() if (plan.name, one.durable) in w.reads
        }
        what = "was missing; it is made anew" if seen is None else "was changed; it is set again"
        words = f"consumer {one.durable} of stream {plan.name} {what}"
        yield MakeConsumer(plan.name, one, words * (readers <= steady and bool(readers)))


def _same(seen: ConsumerSeen, plan: ConsumerPlan) -> bool:
    return (
        seen.max_ack_pending == plan.max_ack_pending
        and abs(seen.ack_wait_seconds - plan.ack_wait_seconds) < 0.001
    )


def _bucket(
    observed: Observed, seen: Mapping[str, StreamSeen], desired: Desired
) -> Iterator[Change]:
    live = seen.get(f"KV_{desired.bucket.name}")
    plan = desired.bucket
    wanted = (plan.max_bytes, plan.replicas)
    if live is None or not ours(live, observed.uid) or (live.max_bytes, live.replicas) != wanted:
        yield MakeBucket(plan)
