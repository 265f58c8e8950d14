"""What the controller measures of itself and of pipelines; names are API. Series end with their pipeline."""

import prometheus_client
from interact_api.plain import entries, mapping
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

import interact_controller
from interact_controller.seen import Manifest

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
_PIPELINE = ("namespace", "pipeline")
_EDGE = (*_PIPELINE, "source", "target")

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
_conditions = Gauge(
    "interact_resource_condition", "1 if the condition holds.",
    (*_PIPELINE, "type", "reason"), registry=registry,
)  # fmt: skip
_pending = Gauge("interact_edge_pending_messages", "Not yet delivered.", _EDGE, registry=registry)
_bytes = Gauge("interact_edge_bytes", "Bytes in the stream of the edge.", _EDGE, registry=registry)
_redelivered = Gauge(
    "interact_edge_redelivered_messages", "Delivered more than once.", _EDGE, registry=registry
)
_per_second = Gauge(
    "interact_pipeline_frames_per_second", "At the sources.", _PIPELINE, registry=registry
)
_series: dict[tuple[str, str], frozenset[tuple[Gauge, tuple[str, ...]]]] = {}
"""The series of each pipeline, so that ending them costs nothing to the others."""


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
    """The figures of a pipeline's status; what is no longer in it ends."""
    pipeline = (namespace, name)
    given: dict[tuple[Gauge, tuple[str, ...]], float] = {
        (_per_second, pipeline): _number(status.get("framesPerSecond"))
    }
    for one in map(mapping, entries(status.get("conditions"))):
        names: tuple[str, ...] = (*pipeline, str(one.get("type")), str(one.get("reason")))
        given[_conditions, names] = float(one.get("status") == "True")
    for edge in map(mapping, entries(status.get("edges"))):
        names = (*pipeline, str(edge.get("from")), str(edge.get("to")))
        given[_pending, names] = _number(edge.get("pendingMessages"))
        given[_bytes, names] = _number(edge.get("pendingBytes"))
        given[_redelivered, names] = _number(edge.get("redelivered"))
    for (gauge, labels), value in given.items():
        gauge.labels(*labels).set(value)
    for gauge, labels in _series.get(pipeline, frozenset()) - given.keys():
        gauge.remove(*labels)
    _series[pipeline] = frozenset(given)


def forget(namespace: str, name: str) -> None:
    """A pipeline is gone: its series end."""
    for gauge, labels in _series.pop((namespace, name), frozenset()):
        gauge.remove(*labels)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
