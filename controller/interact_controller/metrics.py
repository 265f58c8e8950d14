"""What the controller measures of itself and of pipelines; names are API. Series end with their pipeline.

Pipelines are measured by what their last look found; scraping asks nobody anything.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import prometheus_client
from interact_api.plain import entries, mapping
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

import interact_controller
from interact_controller.seen import Manifest

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
_PIPELINE: Final = ("namespace", "pipeline")
_EDGE: Final = (*_PIPELINE, "source", "target")


@dataclass(frozen=True)
class Family:
    """A metric of pipelines: its name, what it is, its labels, and whether it counts up."""

    name: str
    help: str
    labels: tuple[str, ...]
    kind: Literal["gauge", "counter"] = "gauge"


PENDING: Final = Family("interact_edge_pending_messages", "Not yet delivered.", _EDGE)
HELD: Final = Family("interact_edge_ack_pending_messages", "Delivered, not acknowledged.", _EDGE)
BYTES: Final = Family("interact_edge_bytes", "Bytes in the stream of the edge.", _EDGE)
LIMIT: Final = Family("interact_edge_bytes_limit", "Bytes that stream holds at most.", _EDGE)
REDELIVERED: Final = Family(
    "interact_edge_redelivered_messages", "Held, and delivered more than once.", _EDGE
)
AGE: Final = Family(
    "interact_edge_oldest_message_age_seconds", "Since the oldest message came; 0 without.", _EDGE
)
STUCK: Final = Family("interact_edge_stuck", "1 if nothing was acknowledged for long.", _EDGE)
LETTERS: Final = Family(
    "interact_dead_letter_messages_total", "Ever put aside.", _PIPELINE, "counter"
)
KEPT: Final = Family("interact_dead_letters", "Put aside, and kept now.", _PIPELINE)
CONDITION: Final = Family(
    "interact_resource_condition", "1 if the condition holds.", (*_PIPELINE, "type", "reason")
)
RATE: Final = Family("interact_pipeline_frames_per_second", "At the sources.", _PIPELINE)
REPLICAS: Final = Family("interact_operator_replicas", "There should be.", (*_PIPELINE, "operator"))
READY: Final = Family("interact_operator_ready_replicas", "Are ready.", (*_PIPELINE, "operator"))
FAMILIES: Final = (
    PENDING, HELD, BYTES, LIMIT, REDELIVERED, AGE, STUCK, LETTERS, KEPT, CONDITION, RATE, REPLICAS,
    READY,
)  # fmt: skip
"""Everything measured of pipelines."""

registry = CollectorRegistry()
_reconciles = Counter(
    "interact_reconcile", "Looks at objects.", ("kind", "result"), registry=registry
)
_seconds = Histogram(
    "interact_reconcile_duration_seconds", "Time of one look.", ("kind",), registry=registry,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
_depth = Gauge("interact_queue_depth", "Objects that wait for a look.", registry=registry)
_leading = Gauge("interact_leading", "1 if this process leads.", registry=registry)
_info = Gauge("interact_build_info", "Always 1.", ("version",), registry=registry)
_info.labels(interact_controller.__version__).set(1)
_statuses: dict[tuple[str, str], Manifest] = {}
"""The last status of each pipeline: what is no longer in it has no series."""

Sample = tuple[Family, tuple[str, ...], float]


class _Pipelines(Collector):
    """The series of pipelines, made at each scrape."""

    def collect(self) -> Iterable[Metric]:
        now = datetime.now(UTC)
        found: dict[Family, list[tuple[tuple[str, ...], float]]] = {one: [] for one in FAMILIES}
        for place, status in [*_statuses.items()]:
            for family, labels, value in samples(place, status, now):
                found[family].append((labels, value))
        for family, values in found.items():
            counts = family.kind == "counter"
            made = (CounterMetricFamily if counts else GaugeMetricFamily)(
                family.name, family.help, labels=family.labels
            )
            for labels, value in values:
                made.add_metric(labels, value)
            yield made


registry.register(_Pipelines())


def text() -> bytes:
    """Everything, as Prometheus reads it."""
    return prometheus_client.generate_latest(registry)


def reconciled(kind: str, result: str, seconds: float) -> None:
    """One look is over; ``result`` is ok, waiting, conflict or failed."""
    _reconciles.labels(kind, result).inc()
    _seconds.labels(kind).observe(seconds)


def queue_depth(number: int) -> None:
    """So many objects wait."""
    _depth.set(number)


def leading(yes: bool) -> None:  # a gauge of one bit
    """Whether this process leads."""
    _leading.set(yes)


def pipeline(namespace: str, name: str, status: Manifest) -> None:
    """A pipeline's status as it is now; what is no longer in it ends."""
    _statuses[namespace, name] = status


def forget(namespace: str, name: str) -> None:
    """A pipeline is gone: its series end."""
    _statuses.pop((namespace, name), None)


def samples(place: tuple[str, str], status: Manifest, now: datetime) -> Iterator[Sample]:
    """What a status says in numbers."""
    yield RATE, place, _number(status.get("framesPerSecond"))
    if "deadLetters" in status:
        yield KEPT, place, _number(status.get("deadLetters"))
        yield LETTERS, place, _number(status.get("deadLettersEver"))
    for one in map(mapping, entries(status.get("conditions"))):
        why = (*place, str(one.get("type")), str(one.get("reason")))
        yield CONDITION, why, float(one.get("status") == "True")
    for one in map(mapping, entries(status.get("operators"))):
        whose = (*place, str(one.get("name")))
        yield REPLICAS, whose, _number(one.get("replicas"))
        yield READY, whose, _number(one.get("ready"))
    for edge in map(mapping, entries(status.get("edges"))):
        ends = (*place, str(edge.get("from")), str(edge.get("to")))
        for family, value in _edge(edge, now).items():
            yield family, ends, value


def _edge(edge: Mapping[str, object], now: datetime) -> dict[Family, float]:
    return {
        PENDING: _number(edge.get("pendingMessages")),
        HELD: _number(edge.get("ackPendingMessages")),
        BYTES: _number(edge.get("pendingBytes")),
        LIMIT: _number(edge.get("bytesLimit")),
        REDELIVERED: _number(edge.get("redelivered")),
        AGE: _age(str(edge.get("oldestMessageTime") or ""), now),
        STUCK: float(edge.get("stuck") is True),
    }


def _age(time: str, now: datetime) -> float:
    try:
        return max((now - datetime.fromisoformat(time)).total_seconds(), 0.0) if time else 0.0
    except (TypeError, ValueError):
        return 0.0


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
