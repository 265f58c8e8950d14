"""An API server in memory for external runs: it refuses what the real one refuses of a status."""

import copy
import itertools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from interact_api.external_run import ExternalRun
from interact_controller.errors import Conflict, Refused
from interact_controller.kube import Glance
from interact_controller.seen import Key, Kind, Manifest


@dataclass
class Server:
    """ExternalRuns, ConfigMaps of the release, and events; counts what is written.

    Attributes:
        runs: By key.
        maps: ConfigMaps by name.
        told: Reasons of events.
        phases: Every phase that was written, by uid and attempt.
    """

    runs: dict[Key, dict[str, Any]] = field(default_factory=dict[Key, dict[str, Any]])
    maps: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    told: list[str] = field(default_factory=list[str])
    writes: dict[str, int] = field(default_factory=dict[str, int])
    phases: list[tuple[str, int, str]] = field(default_factory=list[tuple[str, int, str]])
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def create(self, name: str, created: str = "2026-01-01T00:00:00Z", **spec: Any) -> Key:
        """A run of the driver http."""
        key = Key(Kind.EXTERNAL_RUN, "lab", name)
        self.runs[key] = {
            "apiVersion": "interact.science/v1alpha1", "kind": "ExternalRun",
            "metadata": {"name": name, "namespace": "lab", "uid": f"uid-{next(self._numbers)}",
                         "generation": 1, "resourceVersion": str(next(self._numbers)),
                         "creationTimestamp": created},
            "spec": {"driver": "http", "system": "desk", **spec},
        }  # fmt: skip
        return key

    def edit(self, key: Key, **spec: Any) -> None:
        """Change what a run asks for."""
        found = self.runs[key]
        found["spec"] |= spec
        found["metadata"]["generation"] += 1
        self._touch(found)

    def status(self, key: Key) -> dict[str, Any]:
        """A run's status."""
        found: dict[str, Any] = self.runs[key].get("status", {})
        return found

    async def live(self, key: Key) -> Manifest | None:
        """One run."""
        return copy.deepcopy(self.runs.get(key))

    async def write_status(self, key: Key, status: Manifest, *, resource_version: str) -> Manifest:
        """Replace a status, as the rules of the resource allow it."""
        found = self.runs.get(key)
        if found is None:
            raise Refused(f"{key.name} is gone", 404)
        if found["metadata"]["resourceVersion"] != resource_version:
            raise Conflict("it changed", 409)
        after = {**found, "status": copy.deepcopy(status)}
        old, new = ExternalRun.model_validate(found), ExternalRun.model_validate(after)
        for move in ExternalRun.moves:
            assert move.holds(old, new), (move.message, found.get("status"), status)
        self._count("status")
        found["status"] = after["status"]
        self._touch(found)
        place = str(found["metadata"]["uid"]), int(after["status"]["attempt"])
        self.phases.append((*place, str(after["status"]["phase"])))
        return copy.deepcopy(found)

    async def remove(self, key: Key, *, uid: str) -> None:
        """Delete one run."""
        if key in self.runs and self.runs[key]["metadata"]["uid"] == uid:
            del self.runs[key]

    async def tell(self, about: Manifest, *, warning: bool, reason: str, message: str) -> None:
        """Note an event."""
        self._count("event")
        self.told.append(reason)

    async def glance(self, kind: Kind, namespace: str = "", *, labels: str = "") -> Glance:
        """What there is."""
        found = {key: (str(one["metadata"]["uid"]), 1) for key, one in self.runs.items()}
        return Glance(1, found)

    # -- the release's namespace ---------------------------------------------------------------

    async def pages(self, labels: str) -> AsyncIterator[list[Manifest]]:
        """All ConfigMaps."""
        yield [copy.deepcopy(one) for one in self.maps.values()]

    async def make(self, manifest: Manifest) -> Manifest:
        """Make a ConfigMap."""
        made: dict[str, Any] = copy.deepcopy(manifest)
        name = made["metadata"]["name"]
        if name in self.maps:
            raise Conflict("it is there", 409)
        self._count("claim")
        made["metadata"]["uid"] = f"uid-{next(self._numbers)}"
        self.maps[name] = made
        return self._touch(made)

    async def read(self, name: str) -> Manifest | None:
        """One ConfigMap."""
        return copy.deepcopy(self.maps.get(name))

    async def replace(self, manifest: Manifest) -> Manifest:
        """Replace a ConfigMap if it is this version."""
        made: dict[str, Any] = copy.deepcopy(manifest)
        name = made["metadata"]["name"]
        known = self.maps.get(name, {"metadata": {}})["metadata"].get("resourceVersion")
        if known != made["metadata"].get("resourceVersion"):
            raise Conflict("it changed", 409)
        self._count("claim")
        self.maps[name] = made
        return self._touch(made)

    async def remove_map(self, name: str) -> None:
        """Delete a ConfigMap."""
        self._count("claim")
        self.maps.pop(name, None)

    async def secret(self, name: str) -> Mapping[str, bytes] | None:
        """There are none."""
        return None

    def _touch(self, made: dict[str, Any]) -> Manifest:
        made["metadata"]["resourceVersion"] = str(next(self._numbers))
        return copy.deepcopy(made)

    def _count(self, what: str) -> None:
        self.writes[what] = self.writes.get(what, 0) + 1


class Drawers:
    """The release's part of a server: it has the same word for deleting as runs have."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.pages = server.pages
        self.make = server.make
        self.read = server.read
        self.replace = server.replace
        self.secret = server.secret

    async def remove(self, name: str, uid: str) -> None:
        """Delete a ConfigMap."""
        await self._server.remove_map(name)
