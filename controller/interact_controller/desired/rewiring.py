"""Changes of the graph while frames flow: what has to run empty before the new plan is applied.

Nothing is remembered: what is to go is what JetStream has and the plan does not. The producers of a
stream that loses a consumer, or has to be made anew, are paused; its readers go on until nothing
is left. Then no frame, acknowledged or not, depends on what is removed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from interact_api.stream_plan import Retention, StreamPlan

from interact_controller import labels
from interact_controller.children import WorkloadSeen
from interact_controller.observed import Observed
from interact_controller.seen import StreamSeen


@dataclass(frozen=True)
class Rewiring:
    """What an edit of the graph waits for.

    Attributes:
        paused: Operators that must not run meanwhile.
        waits: What is not empty yet, for people; empty if the new plan can be applied.
    """

    paused: frozenset[str] = frozenset()
    waits: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Losing:
    """A stream that loses consumers, or goes; ``words`` say what it still holds, if anything."""

    stream: str
    departing: frozenset[str]
    producers: tuple[str, ...]
    words: str


def rewiring(observed: Observed, planned: Mapping[str, StreamPlan]) -> Rewiring:
    """What has to run empty before a plan can be applied.

    Args:
        observed: The pipeline as it is.
        planned: The streams of the plan by name.
    """
    if observed.streams is None or observed.drops:
        return Rewiring()
    live = [one for one in observed.workloads.values() if one.owner == observed.uid]
    losing = list(_losing(observed, live, planned))
    waits = tuple(one.words for one in losing if one.words)
    if not waits:
        return Rewiring()
    unread = {(one.stream, durable) for one in losing if one.words for durable in one.departing}
    busy = {one.operator for one in live if one.reads & unread}
    paused = {operator for one in losing for operator in one.producers} - busy
    return Rewiring(frozenset(paused), waits)


def ours(stream: StreamSeen, uid: str) -> bool:
    """Whether a stream belongs to a pipeline."""
    return bool(uid) and stream.metadata.get(labels.STREAM_UID) == uid


def must_be_replaced(stream: StreamSeen, plan: StreamPlan) -> bool:
    """Whether a stream differs in what JetStream cannot change."""
    same = (stream.retention.lower(), stream.storage.lower())
    return same != (plan.retention.lower(), plan.storage.lower())


def keeps_frames(stream: StreamSeen) -> bool:
    """Whether every message of a stream is to be read by everybody."""
    return stream.retention.lower() == Retention.INTEREST


def _losing(
    observed: Observed, live: list[WorkloadSeen], planned: Mapping[str, StreamPlan]
) -> Iterator[_Losing]:
    for stream in (observed.streams or {}).values():
        if not ours(stream, observed.uid) or not keeps_frames(stream):
            continue
        departing = _departing(stream, planned.get(stream.name))
        if not departing:
            continue
        producers = tuple(one.operator for one in live if stream.name in one.writes)
        running = [one for one in producers if not observed.still(one)]
        idle = all((stream.consumers or {})[one].idle for one in departing)
        gains = _gains(stream, planned.get(stream.name))
        words = ""
        if running or not idle or (gains and stream.messages):
            words = f"{stream.name} is to change and holds {stream.messages} messages"
        if running:
            words += f"; {', '.join(running)} is being paused"
        yield _Losing(stream.name, departing, producers, words)


def _departing(stream: StreamSeen, plan: StreamPlan | None) -> frozenset[str]:
    """Consumers that are there and will not be, or not like that."""
    there = frozenset(stream.consumers or {})
    if plan is None or must_be_replaced(stream, plan):
        return there
    return there - {one.durable for one in plan.consumers}


def _gains(stream: StreamSeen, plan: StreamPlan | None) -> bool:
    """Whether somebody new will read the stream: what others hold would come to them as well."""
    return plan is not None and any(
        one.durable not in (stream.consumers or {}) for one in plan.consumers
    )
