"""The one door to kopf: it watches, and what it hears is handed on. It writes nothing.

No finalizers, timers or daemons, no peering, no events, no annotations: each of them would write to
objects, and a finalizer would hold up their deletion while no controller runs.
"""

import asyncio
import datetime
import itertools
import logging
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import CodeType
from typing import Any, Final

import kopf
from interact_api.model import GROUP
from kopf._core.reactor import inventory

from interact_controller import labels
from interact_controller.kube import PAGE, VERSIONS, Connection
from interact_controller.relist import Hears, Scope
from interact_controller.seen import Key, Kind, Manifest
from interact_controller.store import key_of, version_of

logger = logging.getLogger(__name__)

RESOURCES: Final = {
    Kind.PIPELINE: (GROUP, "v1alpha1", "pipelines"),
    Kind.OPERATOR: (GROUP, "v1alpha1", "interactoperators"),
    Kind.DEPLOYMENT: ("apps", "v1", "deployments"),
    Kind.POD: ("", "v1", "pods"),
    Kind.EXTERNAL_RUN: (GROUP, "v1alpha1", "externalruns"),
    Kind.EXTERNAL_SYSTEM: (GROUP, "v1alpha1", "externalsystems"),
}
LOGIN_SECONDS: Final = 300
"""How long a token is used; the kubelet renews it earlier than it expires."""
CONNECT_SECONDS: Final = 5.0
LONGEST_SECONDS: Final = 10.0
_KOPF: Final = Path(kopf.__file__).parent


class _Pauses:
    """Seconds between tries of a request, for ever: losing the lease ends us, not this."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.2, 0.5, 1.0, 2.0, 5.0), itertools.repeat(LONGEST_SECONDS))


class _NoEssence(kopf.DiffBaseStorage):
    """No memory of what objects were like: kopf's copies each object for it with each event."""

    def build(self, *, body: Any, extra_fields: Any = None) -> Any:
        return {}

    def fetch(self, *, body: Any) -> None:
        return None

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """No memory of handlers' progress: there is none."""

    def fetch(self, *, key: Any, body: Any) -> None:
        return None

    def store(self, *, key: Any, record: Any, body: Any, patch: Any) -> None:
        return None

    def purge(self, *, key: Any, body: Any, patch: Any) -> None:
        return None

    def touch(self, *, body: Any, patch: Any, value: Any) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence


class _NoMemories(inventory.ResourceMemories):
    """No memory of each object: nothing of ours lasts from one event to the next."""

    async def recall(
        self,
        raw_body: Any,
        *,
        memobase: Any = None,
        noticed_by_listing: bool = False,
        ephemeral: bool = False,
    ) -> inventory.ResourceMemory:
        del ephemeral
        return await super().recall(
            raw_body, memobase=memobase, noticed_by_listing=noticed_by_listing, ephemeral=True
        )


class _Others(Collection[Any]):
    """The tasks of others: at its end, kopf would end whatever runs in the process.

    Its own are to go. A scan of the kinds that is cut short leaves some that hold connections.
    """

    def __contains__(self, task: object) -> bool:
        coroutine = task.get_coro() if isinstance(task, asyncio.Task) else None
        code = getattr(coroutine, "cr_code", None)
        return code is None or not _is_theirs(code)

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0


async def watch(
    scope: Scope, connection: Connection, hearing: Hears, spawned: Callable[[], None]
) -> None:
    """Watch the kinds of a scope for ever.

    Args:
        scope: What to watch.
        connection: The API server.
        hearing: Who is told.
        spawned: Called once kopf has taken the process's signals: they are to be ours again.

    Raises:
        Exception: If kopf gives up; the process is to be started again then.
    """
    tasks = await kopf.spawn_tasks(
        registry=_registry(scope, connection, hearing),
        settings=_settings(),
        memories=_NoMemories(),
        clusterwide=not scope.namespaces,
        namespaces=scope.namespaces,
    )
    spawned()
    asyncio.get_running_loop().set_exception_handler(without_theirs)
    await kopf.run_tasks(tasks, ignored=_Others())


def without_theirs(loop: asyncio.AbstractEventLoop, told: dict[str, Any]) -> None:
    """Be silent about streams of kopf that are left open at the end of the process.

    A watch that is cancelled while it hands on an event leaves two generators, one in the other.
    The loop closes both at once as it ends, and the outer one is then told that the inner is closed.
    """
    code = getattr(told.get("asyncgen"), "ag_code", None)
    if code is None or not _is_theirs(code):
        loop.default_exception_handler(told)


def _is_theirs(code: CodeType) -> bool:
    return Path(code.co_filename).is_relative_to(_KOPF)


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.persistence.diffbase_storage = _NoEssence()
    settings.persistence.progress_storage = _NoProgress()
    settings.process.ultimate_exiting_timeout = None
    settings.watching.chunk_size = PAGE
    settings.watching.connect_timeout = CONNECT_SECONDS
    settings.networking.connect_timeout = CONNECT_SECONDS
    settings.networking.error_backoffs = _Pauses()
    settings.queueing.idle_timeout = 0.5
    settings.queueing.exit_timeout = 0.5
    for kind in (Kind.DEPLOYMENT, Kind.POD):
        settings.watching.label_selectors[RESOURCES[kind]] = labels.PIPELINE
    return settings


def _registry(scope: Scope, connection: Connection, hearing: Hears) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=LOGIN_SECONDS)
        return kopf.ConnectionInfo(
            server=connection.url,
            ca_path=connection.ca_file,
            insecure=not connection.verify,
            certificate_path=connection.certificate_file,
            private_key_path=connection.key_file,
            token=connection.bearer() or None,
            expiration=until,
        )

    for kind in scope.kinds:
        _listen(kind, registry, hearing)
    return registry


def _listen(kind: Kind, registry: kopf.OperatorRegistry, hearing: Hears) -> None:
    @kopf.on.event(*RESOURCES[kind], registry=registry, id=f"hear-{kind.lower()}")
    async def hear(event: Any, **_: Any) -> None:
        hand_on(kind, event["type"], event["object"], hearing)


def hand_on(kind: Kind, verb: str | None, manifest: Manifest, hearing: Hears) -> None:
    """Tell of one event; kopf gives no verb to what a list found."""
    whole: Manifest = {**manifest, "apiVersion": VERSIONS[kind], "kind": str(kind)}
    if verb == "DELETED":
        key: Key = key_of(whole)
        hearing.gone(key, str(_about(whole).get("uid", "")), version_of(whole))
    else:
        hearing.heard(whole)


def _about(manifest: Manifest) -> dict[str, Any]:
    found = manifest["metadata"]
    return found if isinstance(found, dict) else {}
