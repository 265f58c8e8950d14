"""Where `interact images` finds the server: by its address, or through a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager

from interact.cli.cluster import broker, connecting, kinds, objects
from interact.cli.cluster.options import Where


@contextmanager
def server(
    nats: str, where: Where, pipeline: str, nats_namespace: str
) -> Iterator[tuple[str, str]]:
    """The server's address, and the namespace to look at; empty for all.

    Args:
        nats: An address; a cluster is asked when empty.
        where: The cluster, and the pipelines' namespace.
        pipeline: A pipeline that has to be there; any when empty.
        nats_namespace: The namespace of NATS; looked for when empty.

    Raises:
        CommandError: If the cluster has no such pipeline, or no NATS.
    """
    if nats:
        yield nats, where.namespace
        return
    place = connecting.place(where)
    if pipeline:
        objects.read(place, kinds.PIPELINE, kinds.named(pipeline))
    with broker.reached(place, nats_namespace) as url:
        yield url, place.namespace
