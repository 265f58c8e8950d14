"""All that looks after external runs, put together: what process and tests start."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

from interact_api.plain import mapping

from interact_controller.errors import ClusterError, ControllerError
from interact_controller.external import admission, failpoints, reading
from interact_controller.external import claims as claiming
from interact_controller.external.calls import Calls, Tenure
from interact_controller.external.caps import Caps, Turn
from interact_controller.external.catalogue import Catalogue, purses
from interact_controller.external.claims import Claim, Claims
from interact_controller.external.deeds import Deeds
from interact_controller.external.driver import Driver
from interact_controller.external.lanes import Lanes
from interact_controller.external.loop import Loop
from interact_controller.external.parts import Cluster, Parts, Told, nobody
from interact_controller.external.register import Register
from interact_controller.external.sweep import Sweeper
from interact_controller.external.systems import Maker, Systems
from interact_controller.external.telling import Herald
from interact_controller.kube import Glance
from interact_controller.policy import Policy
from interact_controller.seen import Key, Kind
from interact_controller.store import Objects

logger = logging.getLogger(__name__)

FIRST: Final = Turn("", "", "")
"""Whose turn came already, or never will."""


@dataclass(frozen=True)
class Bounds:
    """What the administrator decided about external runs.

    Attributes:
        runs: Most attempts at once in all.
        cancel_seconds: How long work is asked to stop before its run ends without it.
        claim_seconds: How long work whose run is gone is tried to be cancelled.
        sweep_seconds: Between two looks for claims whose run is gone.
        status_seconds: Least pause between writes that only change words.
    """

    runs: int = 200
    cancel_seconds: float = 300.0
    claim_seconds: float = 86400.0
    sweep_seconds: float = 300.0
    status_seconds: float = 10.0


class Server(Cluster, Protocol):
    """The API server."""

    async def glance(self, kind: Kind, namespace: str = "", *, labels: str = "") -> Glance:
        """Uids and versions of all objects of a kind."""
        ...


class Drawers(claiming.Shelf, Protocol):
    """The release's namespace."""

    async def secret(self, name: str) -> Mapping[str, bytes] | None:
        """What a Secret holds; None if it is not there."""
        ...


@dataclass(frozen=True)
class Given:
    """What external runs are looked after with."""

    cluster: Server
    objects: Objects
    shelf: Drawers
    policy: Policy
    tenure: Tenure
    makers: Mapping[str, Maker]
    bounds: Bounds = field(default_factory=Bounds)
    hit: failpoints.Hit = failpoints.nothing
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock: Callable[[], float] = time.monotonic
    beat: Callable[[], None] = lambda: None
    told: Told = nobody


class Looks(Protocol):
    """Who looks at what is woken; see `Lanes`."""

    def wake(self, key: Key) -> None:
        """Look at a key as soon as may be."""
        ...

    def wake_after(self, key: Key, seconds: float) -> None:
        """Look at a key in some seconds."""
        ...

    async def run(self) -> None:
        """Look until `stop`."""

    def stop(self) -> None:
        """Begin no others."""


class Office:
    """Looks after all external runs.

    Args:
        given: What it does so with.
    """

    def __init__(self, given: Given) -> None:
        self._given = given
        bounds = given.bounds
        self.claims = Claims(given.shelf, given.policy.installation)
        self.systems = Systems(given.objects, given.shelf.secret, given.makers, given.clock)
        self.catalogue = Catalogue(given.objects, self.systems, given.policy, bounds.runs)
        self.caps = Caps(self.catalogue.limit)
        self.register = Register(
            given.cluster, given.objects, self.systems, self.caps, given.policy, given.now
        )
        deeds = Deeds(
            Calls(given.tenure, given.hit), self.claims, given.clock, given.hit,
            heard=self.register.heard,
        )  # fmt: skip
        sweeper = Sweeper(
            deeds, self.claims, self._driver, given.cluster, given.now, bounds.claim_seconds
        )
        parts = Parts(
            cluster=given.cluster, runs=given.objects, systems=self.systems,
            catalogue=self.catalogue, claims=self.claims, deeds=deeds, sweeper=sweeper,
            caps=self.caps, herald=Herald(given.cluster, bounds.status_seconds), now=given.now,
            cancel_seconds=bounds.cancel_seconds, hit=given.hit, told=given.told,
        )  # fmt: skip
        self.loop = Loop(parts, self.wake)
        self.lanes: Looks = Lanes(self.loop.look, self._lane, given.beat)

    def wake(self, key: Key) -> None:
        """Look at a run, or at those that name a system or an operator which is new or changed."""
        if key.kind is Kind.EXTERNAL_RUN:
            self.lanes.wake(key)
            return
        for run in self.loop.naming(key):
            self.lanes.wake(run)

    def wake_after(self, key: Key, seconds: float) -> None:
        """Look at a run in some seconds."""
        self.lanes.wake_after(key, seconds)

    async def start(self) -> None:
        """Read the claims, note who waits, and wake everything; the store is full.

        Raises:
            ClusterError: If the API server does not answer.
        """
        await self.claims.load()
        for claim in self.claims.all():
            self.caps.hold(claim.key, purses(claim.system, claim.operator))
            if self._given.policy.watches(claim.run.namespace):  # others we may not even look at
                self.lanes.wake(_place(claim))
        turns = {key: self._note(key) for key in self._given.objects.keys(Kind.EXTERNAL_RUN)}
        for key in sorted(turns, key=turns.__getitem__):  # those let in are looked at in turn
            self.lanes.wake(key)

    async def run(self) -> None:
        """Look at what is woken and sweep, until `stop`."""
        async with asyncio.TaskGroup() as group:
            sweep = group.create_task(self._sweep(), name="sweep claims")
            tell = group.create_task(self._tell(), name="tell of systems")
            await self.lanes.run()
            sweep.cancel()
            tell.cancel()

    def stop(self) -> None:
        """Finish the looks that go on, and begin no others."""
        self.lanes.stop()

    async def sweep(self) -> None:
        """Wake the claims whose run is not there.

        Raises:
            ClusterError: If the API server does not answer.
        """
        policy, uids = self._given.policy, set[str]()
        known = tuple(one for one in self.claims.all() if policy.watches(one.run.namespace))
        for namespace in sorted(policy.watched) or ("",):
            glance = await self._given.cluster.glance(Kind.EXTERNAL_RUN, namespace)
            uids.update(uid for uid, _ in glance.objects.values())
        for claim in claiming.orphans(known, frozenset(uids)):
            self.lanes.wake(_place(claim))

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._given.bounds.sweep_seconds)
            try:
                await self.sweep()
            except ClusterError as error:
                logger.warning("claims could not be swept", extra={"error": str(error)})

    async def _tell(self) -> None:
        while True:
            await self.register.tell()
            await asyncio.sleep(max(1.0, self._given.bounds.status_seconds))

    def _note(self, key: Key) -> Turn:
        """A run that may be waiting takes its place before anybody is let in; its turn."""
        manifest = self._given.objects.get(key)
        if manifest is None:
            return FIRST
        try:
            found = self.catalogue.read(manifest)
        except ControllerError:
            return FIRST
        if not admission.waiting(found) or self.claims.of(key.namespace, key.name):
            return FIRST
        waits = admission.candidate(found)
        self.caps.wait(waits)
        return waits.turn

    async def _driver(self, claim: Claim) -> Driver:
        return await self.systems.driver(claim.driver, claim.system, None)

    def _lane(self, key: Key) -> str:
        """The system of a run, or its driver: what is slow together."""
        for claim in self.claims.of(key.namespace, key.name):
            return claim.system or claim.driver
        manifest = self._given.objects.get(key)
        spec = mapping(manifest.get("spec")) if manifest is not None else {}
        return str(spec.get("system") or spec.get("driver") or "")


def _place(claim: Claim) -> Key:
    return Key(reading.RUN, claim.run.namespace, claim.run.name)
