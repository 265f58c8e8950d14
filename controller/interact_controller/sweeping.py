"""Which streams are swept: those whose pipeline was absent in two looks. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from interact_controller import labels
from interact_controller.policy import Policy
from interact_controller.seen import StreamSeen


@dataclass(frozen=True)
class Orphan:
    """A stream whose pipeline is not there, and the pipeline it names."""

    stream: str
    namespace: str
    pipeline: str
    uid: str


def orphans(
    streams: Iterable[StreamSeen], uids: frozenset[str], policy: Policy
) -> frozenset[Orphan]:
    """Streams of this installation, in namespaces it watches, whose pipeline is not there.

    Args:
        streams: What JetStream has.
        uids: Of the pipelines that a live list of the API server gave, after the streams.
        policy: The administrator's decisions.
    """
    return frozenset(
        Orphan(one.name, namespace, one.metadata.get(labels.STREAM_PIPELINE, ""), uid)
        for one in streams
        if one.metadata.get(labels.INSTALLATION) == policy.installation
        and policy.installation
        and policy.watches(namespace := one.metadata.get(labels.STREAM_NAMESPACE, ""))
        and (uid := one.metadata.get(labels.STREAM_UID, ""))
        and namespace
        and uid not in uids
    )


def swept(before: frozenset[Orphan], now: frozenset[Orphan]) -> tuple[str, ...]:
    """The streams to remove: orphans in both of two looks, some time apart."""
    return tuple(sorted(one.stream for one in before & now))
