"""One way to a pipeline that runs, on this machine or on a cluster, for commands that talk to it.

A command takes the options of `cli.asking` and opens `reached`::

    @app.command()
    @anywhere
    def words(asked: Asking, pipeline: PipelineArgument) -> None:
        asyncio.run(_words(pipeline, asked))

    async def _words(pipeline: str, asked: Asking) -> None:
        async with reached(pipeline, asked) as reach:
            stream = names.dead_letter_stream(reach.namespace, reach.pipeline)
            ...  # reach.broker is an interact._jetstream connection

Without ``--local`` and ``--cluster`` a run on this machine comes first, unless the cluster is named.
What must differ between the two (how a specification is changed, say) looks at ``reach.place``, which
is None for a local run.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from interact import _jetstream
from interact._errors import BrokerError
from interact.cli import presence
from interact.cli.asking import Asking
from interact.cli.cluster import kinds
from interact.cli.cluster.api import Object
from interact.cli.cluster.objects import Place
from interact.cli.exits import CommandError, Exit
from interact.cli.presence import Presence


@dataclass(frozen=True)
class Reach:
    """A pipeline that runs, and a connection to its NATS.

    Attributes:
        broker: The connection.
        namespace: The pipeline's namespace, as `interact_api.names` takes it.
        pipeline: Its name.
        place: The cluster; None for a local run.
        resource: The Pipeline as the cluster has it; empty for a local run.
    """

    broker: _jetstream.JetStream
    namespace: str
    pipeline: str
    place: Place | None
    resource: Object

    @property
    def local(self) -> bool:
        """Whether it is a run on this machine."""
        return self.place is None


def local_run(pipeline: str, asked: Asking) -> Presence | None:
    """The run on this machine a command is about; None if it is about a cluster.

    Raises:
        CommandError: If it must be one and there is none, or several could be meant.
    """
    if asked.local is False or (asked.local is None and _names_a_cluster(asked)):
        return None
    found = presence.live(pipeline, asked.where.namespace)
    if len(found) > 1:
        numbers = ", ".join(str(one.pid) for one in found)
        raise CommandError(
            Exit.USAGE,
            f"{len(found)} runs on this machine have a pipeline {pipeline!r} (processes {numbers}); "
            "start them with different --namespace, and choose with -n",
        )
    if not found and asked.local:
        known = sorted({name for one in presence.live() for name in one.pipelines})
        there = f"there are {', '.join(known)}" if known else "start one with interact run"
        raise CommandError(
            Exit.NOT_FOUND, f"no run on this machine has a pipeline {pipeline!r}; {there}"
        )
    return found[0] if found else None


def _names_a_cluster(asked: Asking) -> bool:
    return bool(asked.where.context or asked.where.kubeconfig or asked.nats or asked.nats_namespace)


@asynccontextmanager
async def reached(pipeline: str, asked: Asking) -> AsyncIterator[Reach]:
    """A pipeline that runs, wherever it does, while the block lasts.

    Raises:
        CommandError: If there is no such pipeline, or no way to its NATS.
    """
    run = local_run(pipeline, asked)
    async with AsyncExitStack() as stack:
        if run is not None:
            url, token = run.nats_url, run.token
            place, resource, namespace = None, Object(), run.namespace
        else:
            from interact.cli.cluster import broker, objects

            place = _place(pipeline, asked)
            resource = objects.read(place, kinds.PIPELINE, kinds.named(pipeline))
            namespace, token = place.namespace, _token(asked.token_file)
            url = asked.nats or stack.enter_context(broker.reached(place, asked.nats_namespace))
        try:
            connected = await stack.enter_async_context(
                _jetstream.connect(url, name="interact", token=token or None)
            )
        except BrokerError as error:
            where = "of the run on this machine" if run is not None else "of the cluster"
            raise CommandError(Exit.NO_NATS, f"the NATS {where} does not answer") from error
        yield Reach(connected, namespace, pipeline, place, resource)


def _place(pipeline: str, asked: Asking) -> Place:
    from interact.cli.cluster import connecting

    try:
        return connecting.place(asked.where)
    except CommandError as error:
        if error.code is not Exit.UNREACHABLE or asked.local is False:
            raise
        words = f"no run on this machine has a pipeline {pipeline!r}"
        raise CommandError(error.code, words, *error.lines) from error


def _token(file: Path | None) -> str:
    try:
        return file.read_text(encoding="utf-8").strip() if file is not None else ""
    except OSError as error:
        raise CommandError(Exit.USAGE, f"--nats-token-file {file}: {error.strerror}") from error
