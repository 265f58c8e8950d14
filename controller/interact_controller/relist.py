"""A look at the whole cluster now and then: a watch that expired tells nobody what was deleted.

Only uids and versions are listed, so that thousands of objects cost little; an object is read whole
only if it is still newer than what was heard after a pause.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from interact_controller import labels
from interact_controller.errors import ClusterError
from interact_controller.kube import Glance
from interact_controller.seen import Key, Kind, Manifest
from interact_controller.store import Objects

logger = logging.getLogger(__name__)

GRACE_SECONDS: Final = 2.0
"""For what the watch is about to tell."""
AGAIN_SECONDS: Final = 2.0
"""After a listing that failed at the start."""
CHILDREN: Final = {Kind.DEPLOYMENT: labels.PIPELINE, Kind.POD: labels.PIPELINE}
"""Kinds of which only those with this label are ours to know."""


@dataclass(frozen=True)
class Scope:
    """Kinds, and the namespaces in which they are looked at; none for all."""

    kinds: tuple[Kind, ...]
    namespaces: tuple[str, ...] = ()

    def places(self) -> tuple[tuple[Kind, str], ...]:
        """Each list there is to ask for; an empty namespace stands for all."""
        return tuple((kind, one) for kind in self.kinds for one in self.namespaces or ("",))


class Lists(Protocol):
    """What is asked of the API server."""

    def pages(
        self, kind: Kind, namespace: str = "", *, labels: str = ""
    ) -> AsyncIterator[list[Manifest]]:
        """All objects of a kind."""
        ...

    async def glance(self, kind: Kind, namespace: str = "", *, labels: str = "") -> Glance:
        """Uids and versions of all objects of a kind."""
        ...

    async def live(self, key: Key) -> Manifest | None:
        """One object."""
        ...


class Hears(Protocol):
    """Who is told."""

    def heard(self, manifest: Manifest) -> None:
        """An object is there, or is another than before."""
        ...

    def took(self, manifest: Manifest) -> None:
        """An object is there, and nobody is to be woken by it."""
        ...

    def gone(self, key: Key, uid: str, version: int = 0) -> None:
        """An object is there no more."""
        ...


@dataclass(frozen=True)
class Relist:
    """Compares the store with the cluster.

    Args:
        lists: The API server.
        objects: The store.
        hearing: Who is told of what differs.
        scopes: What to look at.
        beat: Called after each comparison that went well.
    """

    lists: Lists
    objects: Objects
    hearing: Hears
    scopes: Sequence[Scope]
    beat: Callable[[], None]

    async def first(self, again: float = AGAIN_SECONDS) -> None:
        """Fill the store; waits until the API server has every kind."""
        for kind, namespace in self._places():
            while True:
                try:
                    async for page in self.lists.pages(
                        kind, namespace, labels=CHILDREN.get(kind, "")
                    ):
                        for one in page:
                            self.hearing.took(one)
                except ClusterError as error:
                    words = f"{error}; are the CRDs installed, and may the controller list them?"
                    logger.warning("cannot list", extra={"kind": str(kind), "error": words})
                    await asyncio.sleep(again)
                else:
                    break

    async def run(self, soon: float, seconds: float) -> None:
        """Compare for ever, for the first time soon."""
        pause = soon
        while True:
            await asyncio.sleep(pause)
            pause = seconds
            try:
                await self.once()
            except ClusterError as error:
                logger.warning("the cluster could not be listed", extra={"error": str(error)})
            else:
                self.beat()

    async def once(self, grace: float = GRACE_SECONDS) -> None:
        """Compare once."""
        late: list[Key] = []
        for kind, namespace in self._places():
            glance = await self.lists.glance(kind, namespace, labels=CHILDREN.get(kind, ""))
            self._forget(kind, namespace, glance)
            late += [
                key for key, (_, version) in glance.objects.items() if self._behind(key, version)
            ]
            wanted = glance.objects
            if not late:
                continue
            await asyncio.sleep(grace)
            for key in late:
                if self._behind(key, wanted[key][1]) and (found := await self.lists.live(key)):
                    logger.info(
                        "missed by the watch", extra={"kind": str(kind), "object": key.name}
                    )
                    self.hearing.heard(found)
            late.clear()

    def _forget(self, kind: Kind, namespace: str, glance: Glance) -> None:
        """What is kept, older than the list, and not in it, is gone."""
        for key in self.objects.keys(kind):
            kept = self.objects.version(key)
            if kept is None or (namespace and key.namespace != namespace):
                continue
            uid, version = kept
            there = glance.objects.get(key)
            if version <= glance.version and (there is None or there[0] != uid):
                logger.info("gone unheard", extra={"kind": str(kind), "object": key.name})
                self.hearing.gone(key, uid, glance.version)

    def _behind(self, key: Key, version: int) -> bool:
        kept = self.objects.version(key)
        return kept is None or kept[1] < version

    def _places(self) -> list[tuple[Kind, str]]:
        return [place for scope in self.scopes for place in scope.places()]
