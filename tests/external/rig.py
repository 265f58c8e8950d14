"""A controller's part for external runs in this process, against a real API server."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from cluster.kube import Kube, Object
from cluster.plane import Plane
from interact_controller import kube as door
from interact_controller.events import Teller
from interact_controller.external import failpoints
from interact_controller.external.calls import Tenure
from interact_controller.external.office import Bounds, Given, Office
from interact_controller.external.shelf import ReleaseShelf
from interact_controller.external.systems import Maker
from interact_controller.policy import Policy
from interact_controller.seen import Key, Kind
from interact_controller.store import Objects, key_of

_NAMES = itertools.count(1)
MOST_LOOKS = 60


class Clock:
    """Time that a test moves on; both kinds."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)

    def seconds(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead


@dataclass
class Rig:
    """One namespace of runs, one of the release, and whoever looks after them."""

    plane: Plane
    kube: Kube
    release: str
    makers: Mapping[str, Maker]
    installation: str
    clock: Clock = field(default_factory=Clock)
    bounds: Bounds = field(default_factory=lambda: Bounds(status_seconds=0.0))
    identity: str = "rig"

    @asynccontextmanager
    async def controller(
        self, hit: failpoints.Hit = failpoints.nothing, leads: Any = lambda: 60.0
    ) -> AsyncIterator["Controller"]:
        """A controller that has just begun to lead."""
        connection = await door.connection({"KUBECONFIG": str(self.plane.kubeconfig)})
        async with door.door(connection, self.identity, lambda: leads() > 0) as api:
            objects = Objects()
            teller = Teller(api, objects.put, lambda key, uid: None, instance=self.identity)
            given = Given(
                cluster=teller, objects=objects, shelf=ReleaseShelf(api, self.release),
                policy=Policy(installation=self.installation, namespace=self.release,
                              watched=frozenset({self.kube.namespace})),
                tenure=Tenure(leads, 10.0), makers=self.makers, bounds=self.bounds, hit=hit,
                now=self.clock.now, clock=self.clock.seconds,
            )  # fmt: skip
            made = Controller(self, given, Office(given), teller)
            made.office.lanes = made.woken
            await made.hear()
            await made.office.start()
            yield made

    def create(self, name: str = "", driver: str = "http", **spec: Any) -> str:
        """A run; gives its name."""
        named = name or f"run-{next(_NAMES)}"
        said: Object = {"driver": driver, **spec}
        if driver == "http":
            said.setdefault("system", self.desk)
        self.kube.create({"apiVersion": "interact.science/v1alpha1", "kind": "ExternalRun",
                          "metadata": {"name": named}, "spec": said})  # fmt: skip
        return named

    @property
    def desk(self) -> str:
        """The system of the namespace's runs; systems are in no namespace."""
        return f"{self.installation}-{self.kube.namespace}"

    def system(self, name: str = "", **spec: Any) -> None:
        """An ExternalSystem for the namespace's runs."""
        call = {"path": "/jobs"}
        said = {"driver": "http", "namespaces": [self.kube.namespace],
                "http": {"url": "https://desk.example", "submit": call, "check": call,
                         "states": {"done": "Succeeded"}}, **spec}  # fmt: skip
        self.kube.apply({"apiVersion": "interact.science/v1alpha1", "kind": "ExternalSystem",
                         "metadata": {"name": name or self.desk}, "spec": said})  # fmt: skip

    def status(self, name: str) -> Object:
        """A run's status."""
        found: Object = self.kube.get("externalruns", name).get("status", {})
        return found

    def reason(self, name: str) -> str:
        """Why a run is where it is, for people."""
        return str(self.status(name)["message"])

    def claims(self) -> list[Object]:
        """The claims there are."""
        label = f"interact.science/claim={self.installation}"
        return self.kube.list("configmaps", self.release, labels=label)

    def events(self, name: str, namespace: str | None = None) -> list[str]:
        """Reasons of the events about an object, oldest first."""
        found = self.kube.list("events", namespace, fields=f"involvedObject.name={name}")
        found.sort(key=lambda one: int(one["metadata"]["resourceVersion"]))
        return [one["reason"] for one in found]

    def clear(self) -> None:
        """Remove the runs, and the system."""
        self.kube.request("DELETE", self.kube.path("externalruns"))
        if self.kube.find("externalsystems", self.desk) is not None:
            self.kube.delete("externalsystems", self.desk)


@dataclass
class Woken:
    """Takes the place of the lanes, in the order in which keys were woken."""

    keys: list[Key] = field(default_factory=list[Key])
    later: dict[Key, float] = field(default_factory=dict[Key, float])

    def wake(self, key: Key) -> None:
        self.later.pop(key, None)
        if key not in self.keys:
            self.keys.append(key)

    def wake_after(self, key: Key, seconds: float) -> None:
        if key not in self.keys:
            self.later[key] = min(seconds, self.later.get(key, seconds))

    async def run(self) -> None:
        """A test looks itself."""

    def stop(self) -> None:
        """Nothing goes on."""

    def pass_by(self, seconds: float) -> None:
        for key, left in list(self.later.items()):
            self.later[key] = left - seconds
            if self.later[key] <= 0.001:
                self.wake(key)


@dataclass
class Controller:
    """A controller in this process; its looks are made one after the other."""

    rig: Rig
    given: Given
    office: Office
    lists: Teller
    woken: Woken = field(default_factory=Woken)

    async def hear(self) -> None:
        """Take in what is there now, as a watch would."""
        objects = self.given.objects
        for kind in (Kind.EXTERNAL_RUN, Kind.EXTERNAL_SYSTEM, Kind.OPERATOR):
            here = "" if kind is Kind.EXTERNAL_SYSTEM else self.rig.kube.namespace
            found: set[Key] = set()
            async for page in self.lists.pages(kind, here):
                for one in page:
                    objects.put(one)
                    found.add(key_of(one))
            for key in set(objects.keys(kind)) - found:
                objects.drop(key)

    async def look(self, name: str, times: int = 1) -> float | None:
        """Look at a run; gives when it is to be looked at again."""
        wait: float | None = None
        for _ in range(times):
            await self.hear()
            wait = await self.office.loop.look(self.key(name))
        return wait

    async def until_ended(self, name: str) -> Object:
        """Look until a run has ended and nothing is left to do, moving the clock on; its status."""
        for _ in range(MOST_LOOKS):
            wait = await self.look(name)
            status = self.rig.status(name)
            if status.get("phase") in {"COMPLETED", "FAILED", "CANCELLED"} and wait is None:
                return status
            self.rig.clock.ahead += wait or 0.0
        raise AssertionError(f"{name} has not ended: {self.rig.status(name)}")

    async def drain(self) -> float | None:
        """Look at everything that is woken until nothing is; seconds until something is due."""
        await self.hear()
        while self.woken.keys:
            key = self.woken.keys.pop(0)
            wait = await self.office.loop.look(key)
            if wait is not None:
                self.woken.wake_after(key, wait)
        return min(self.woken.later.values(), default=None)

    async def until_rest(self) -> None:
        """Look until nothing is due any more, moving the clock on."""
        for _ in range(MOST_LOOKS):
            wait = await self.drain()
            if wait is None:
                return
            self.rig.clock.ahead += wait
            self.woken.pass_by(wait)
        raise AssertionError(f"never at rest: {self.woken}")

    def system(self, name: str) -> Key:
        return Key(Kind.EXTERNAL_SYSTEM, "", name)

    def key(self, name: str) -> Key:
        return Key(Kind.EXTERNAL_RUN, self.rig.kube.namespace, name)


def bounded(rig: Rig, **bounds: Any) -> Rig:
    """The same with other bounds."""
    return replace(rig, bounds=replace(rig.bounds, **bounds))
