"""The process: wait for the lead, fill the store, then watch, look and sweep until it is ended."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import urllib3
from interact_api.plain import mapping

from interact_controller import (
    handlers,
    jetstream,
    kube,
    leading,
    metrics,
    queue,
    reconcile,
    sweeper,
    web,
)
from interact_controller.election import Lease, Terms
from interact_controller.events import Teller
from interact_controller.external import failpoints
from interact_controller.external.asking import Asking
from interact_controller.external.calls import Tenure
from interact_controller.external.drivers import known
from interact_controller.external.office import Bounds, Given, Office
from interact_controller.external.shelf import ReleaseShelf
from interact_controller.fork import Fork
from interact_controller.hearing import Hearing
from interact_controller.ports import World
from interact_controller.queue import Queue
from interact_controller.relist import Relist, Scope
from interact_controller.reports import Reports
from interact_controller.resync import Resync
from interact_controller.seen import Key, Kind
from interact_controller.settings import Settings
from interact_controller.store import Objects

logger = logging.getLogger(__name__)

FIRST_RELIST_SECONDS: Final = 5.0
"""What was deleted between our list and the watch's is found so soon."""
LONGEST_RELIST_SECONDS: Final = 60.0
"""/healthz waits for one."""
INSTALLATION: Final = "interact-installation"
"""The ConfigMap with the installation's id."""


@dataclass(frozen=True)
class Parts:
    """Everything that runs once this process leads."""

    world: World
    hearing: Hearing
    queue: Queue
    office: Office
    relist: Relist
    resync: Resync
    teller: Teller
    asking: Asking


async def run(
    settings: Settings, environment: Mapping[str, str], take_signals: Callable[[], None]
) -> None:
    """Run until cancelled.

    Args:
        settings: What the administrator decided.
        environment: Where to look for the API server.
        take_signals: Called when others have taken the process's signals.

    Raises:
        ExceptionGroup: If a part of it gives up; the process is to be started again then.
    """
    health = web.Health()
    identity = leading.identity(settings.pod)
    async with web.serving(settings.http_host, settings.http_port, health):
        connection = await kube.connection(environment)
        logger.info("waiting for the lead", extra={"identity": identity})
        async with leading.leading(
            _lease_door(connection, identity), _terms(settings, identity)
        ) as lease:
            health.leading = True
            health.beat()
            metrics.leading(True)
            hit = failpoints.from_environment(environment)
            async with parts(settings, connection, identity, lease, health.beat, hit) as made:
                await made.relist.first()
                await made.office.start()
                health.ready = True
                logger.info(
                    "ready", extra={"pipelines": len(made.hearing.objects.keys(Kind.PIPELINE))}
                )
                await _work(made, settings, connection, lease, take_signals)


@asynccontextmanager
async def parts(
    settings: Settings,
    connection: kube.Connection,
    identity: str,
    lease: Lease,
    beat: Callable[[], None],
    hit: failpoints.Hit = failpoints.nothing,
) -> AsyncIterator[Parts]:
    """Make everything and join it together."""
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(kube.door(connection, identity, lease.valid))
        broker = await stack.enter_async_context(
            jetstream.connect(settings.nats_url, settings.nats_token_file, identity)
        )
        objects = Objects()

        async def look(key: Key) -> float | None:
            wait = await reconcile.reconcile(key, world)
            _measure(key, objects, resync)
            return wait

        keys = Queue(look, beat)
        fork = Fork(keys)
        hearing = Hearing(objects, fork, beat)
        teller = Teller(api, hearing.took, hearing.gone, instance=identity)
        installation = settings.installation or await teller.installation(
            settings.namespace, INSTALLATION, secrets.token_hex(8)
        )
        policy = settings.policy(installation)
        reports = Reports(keys.wake)
        world = World(
            store=objects, cluster=teller, broker=broker, reports=reports, policy=policy,
            now=lambda: datetime.now(UTC),
        )  # fmt: skip
        resync = Resync(broker, installation, keys.wake, settings.resync_seconds)
        broker.on_report(reports.hear)
        broker.on_connected(resync.soon)
        relist = Relist(teller, objects, hearing, scopes(settings), beat)
        asking = Asking(teller, objects, broker, policy, fork.wake)
        given = Given(
            cluster=teller, objects=objects, shelf=ReleaseShelf(api, settings.namespace),
            policy=policy, tenure=Tenure(lease.remaining, lease.longest),
            makers=known.makers(api, policy, broker.ask), bounds=bounds(settings), hit=hit, beat=beat,
            told=asking.told,
        )  # fmt: skip
        fork.external = Office(given)
        yield Parts(world, hearing, keys, fork.external, relist, resync, teller, asking)


async def _work(
    made: Parts,
    settings: Settings,
    connection: kube.Connection,
    lease: Lease,
    take_signals: Callable[[], None],
) -> None:
    relist_seconds = min(settings.resync_seconds, LONGEST_RELIST_SECONDS)

    async def live_uids() -> frozenset[str]:
        return await _uids(made.teller, settings.watch_namespaces)

    async with asyncio.TaskGroup() as group:
        for scope in scopes(settings):
            group.create_task(
                handlers.watch(scope, connection, made.hearing, take_signals), name="watch"
            )
        group.create_task(
            made.relist.run(min(FIRST_RELIST_SECONDS, relist_seconds), relist_seconds),
            name="relist",
        )
        group.create_task(made.resync.run(), name="resync")
        group.create_task(
            sweeper.sweep(
                made.world.broker, live_uids, made.world.policy,
                seconds=settings.sweep_seconds, may_write=lease.valid,
            ), name="sweep",
        )  # fmt: skip
        looks = group.create_task(made.queue.run(), name="looks")
        runs = group.create_task(made.office.run(), name="external runs")
        group.create_task(made.asking.run(), name="messages that become runs")
        made.hearing.all()
        try:
            await asyncio.Event().wait()
        finally:
            made.queue.stop()
            made.office.stop()
            with suppress(TimeoutError):
                async with asyncio.timeout(queue.STOP_SECONDS):
                    await asyncio.wait([looks, runs])


def bounds(settings: Settings) -> Bounds:
    """What the administrator decided about external runs."""
    return Bounds(
        runs=settings.external_runs,
        cancel_seconds=settings.external_cancel_seconds,
        claim_seconds=settings.external_claim_seconds,
        sweep_seconds=settings.sweep_seconds,
        status_seconds=settings.status_seconds,
    )


def scopes(settings: Settings) -> tuple[Scope, ...]:
    """What is watched: everything, or some namespaces and the operators of the catalogues."""
    watched = settings.watch_namespaces
    if not watched:
        return (Scope(tuple(Kind)),)
    others = tuple(one for one in settings.catalogue_namespaces if one not in watched)
    first = Scope(tuple(Kind), watched)
    return (first, Scope((Kind.OPERATOR,), others)) if others else (first,)


async def _uids(teller: Teller, namespaces: tuple[str, ...]) -> frozenset[str]:
    """The uids of all pipelines we look after, read from the API server."""
    found: set[str] = set()
    for namespace in namespaces or ("",):
        glance = await teller.glance(Kind.PIPELINE, namespace)
        found.update(uid for uid, _ in glance.objects.values())
    return frozenset(found)


def _measure(key: Key, objects: Objects, resync: Resync) -> None:
    if key.kind is not Kind.PIPELINE:
        return
    manifest = objects.get(key)
    if manifest is None:
        metrics.forget(key.namespace, key.name)
        resync.forget(key.namespace, key.name)
    else:
        metrics.pipeline(key.namespace, key.name, mapping(manifest.get("status")))


def _terms(settings: Settings, identity: str) -> Terms:
    return Terms(settings.namespace, settings.lease_name, identity, settings.lease_seconds)


def _lease_door(connection: kube.Connection, identity: str) -> leading.HttpDoor:
    pool = urllib3.PoolManager(ssl_context=connection.ssl_context(), retries=False)
    told = {"User-Agent": kube.agent(identity)}
    return leading.HttpDoor(connection.url, pool, lambda: {**told, **connection.headers()})
