"""Where the NATS of an installation is, and a way to it from outside the cluster."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final, NamedTuple

from interact_api.plain import entries, mapping
from interact_api.problem import listed

from interact.cli.cluster import forwarding, objects
from interact.cli.cluster.api import ApiError, Object
from interact.cli.cluster.objects import Place
from interact.cli.cluster.refusals import refusal
from interact.cli.exits import CommandError, Exit

SELECTOR: Final = "app.kubernetes.io/part-of=interact,app.kubernetes.io/component=nats"
"""The labels of the chart's Service of NATS."""
NATS_PORT: Final = 4222
_PORT_NAMES: Final = ("nats", "client")


class PodPort(NamedTuple):
    """A port of a pod that serves NATS."""

    namespace: str
    pod: str
    port: int


@contextmanager
def reached(place: Place, nats_namespace: str = "") -> Iterator[str]:
    """The address of a cluster's NATS on this machine, while the block lasts.

    Args:
        place: The cluster.
        nats_namespace: Where its Service is; looked for in all namespaces when empty.

    Raises:
        CommandError: If there is none, or several, no pod of it is ready, or none may be reached.
    """
    target = pod_port(place, nats_namespace)
    with ExitStack() as stack:
        try:
            port = stack.enter_context(forwarding.forwarded(lambda: place.api.tunnel(*target)))
        except ApiError as error:
            what = f"a way to port {target.port} of pod {target.pod!r} in {target.namespace!r}"
            raise refusal(error, what) from error
        yield f"nats://{forwarding.LOOPBACK}:{port}"


def pod_port(place: Place, nats_namespace: str = "") -> PodPort:
    """A ready pod behind the Service of NATS.

    Raises:
        CommandError: If there is none, or several Services could be meant.
    """
    there = Place(place.api, nats_namespace)
    service = _service(there)
    namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
    there = Place(place.api, namespace)
    labels = mapping(mapping(service.get("spec")).get("selector"))
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    pods = objects.core(there, "pods", {"labelSelector": selector}) if selector else []
    ready = sorted(
        (pod for pod in pods if _ready(pod)), key=lambda pod: str(pod["metadata"]["name"])
    )
    if not ready:
        raise CommandError(
            Exit.NO_NATS,
            f"service {name!r} in namespace {namespace!r}: none of its {len(pods)} pods is ready",
            f"look: kubectl -n {namespace} describe pods",
        )
    return PodPort(namespace, ready[0]["metadata"]["name"], _port(service, ready[0]))


def _service(there: Place) -> Object:
    try:
        found = objects.core(there, "services", {"labelSelector": SELECTOR})
    except CommandError as error:
        if error.code is not Exit.FORBIDDEN or there.namespace:
            raise
        words = "name the namespace of NATS with --nats-namespace, or its address with --nats"
        raise CommandError(error.code, error.lines[0], words) from error
    if not found:
        raise CommandError(
            Exit.NO_NATS,
            f"{there.words} has no Service of NATS (labels {SELECTOR})",
            "name its namespace with --nats-namespace, or its address with --nats",
        )
    if len(found) > 1:
        places = listed({str(one["metadata"]["namespace"]) for one in found})
        raise CommandError(
            Exit.USAGE,
            f"{len(found)} Services of NATS are there, in {places}; "
            "choose the namespace with --nats-namespace",
        )
    return found[0]


def _ready(pod: Object) -> bool:
    if mapping(pod["metadata"]).get("deletionTimestamp"):
        return False
    conditions = entries(mapping(pod.get("status")).get("conditions"))
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _port(service: Object, pod: Object) -> int:
    """The port of the pod that the Service's port for clients leads to."""
    ports: Sequence[Object] = entries(mapping(service.get("spec")).get("ports"))
    by_name = [one for one in ports if one.get("name") in _PORT_NAMES]
    by_number = [one for one in ports if one.get("port") == NATS_PORT]
    chosen = next(iter((*by_name, *by_number, *ports)), {})
    target = chosen.get("targetPort", chosen.get("port", NATS_PORT))
    if isinstance(target, int):
        return target
    named = [
        port.get("containerPort")
        for container in entries(mapping(pod.get("spec")).get("containers"))
        for port in entries(container.get("ports"))
        if port.get("name") == target
    ]
    return int(named[0]) if named else NATS_PORT
