"""A cluster in memory: objects, and who applied which of their fields; refuses what a server does."""

import copy
from typing import Any

from interact_api.admission import admission_errors
from interact_controller.errors import Conflict, Refused
from interact_controller.seen import Key, Kind, Manifest
from interact_controller.store import references


class Memory:
    """Store and Cluster in one: objects, and who applied what."""

    def __init__(self) -> None:
        self.objects: dict[Key, Manifest] = {}
        self.applied: dict[Key, dict[str, Manifest]] = {}
        self.writes: list[tuple[str, str]] = []
        self.events: list[tuple[str, str]] = []
        self._version = 0

    # -- Store

    def get(self, key: Key) -> Manifest | None:
        return copy.deepcopy(self.objects.get(key))

    def of_pipeline(self, kind: Kind, namespace: str, pipeline: str) -> list[Manifest]:
        return [
            copy.deepcopy(one)
            for key, one in sorted(self.objects.items())
            if key.kind is kind
            and key.namespace == namespace
            and one["metadata"].get("labels", {}).get("interact.science/pipeline") == pipeline
        ]

    def users(self, operator: Key) -> list[Key]:
        return [key for key, one in self.objects.items()
                if key.kind is Kind.PIPELINE and operator in references(one)]  # fmt: skip

    def phases(self, namespace: str, pipeline: str) -> list[tuple[str, str]]:
        runs = self.of_pipeline(Kind.EXTERNAL_RUN, namespace, pipeline)
        return [
            (one["metadata"]["labels"]["interact.science/operator"], one["status"]["phase"])
            for one in runs
        ]

    # -- Cluster

    async def apply(self, manifest: Manifest, *, manager: str) -> Manifest:
        key = key_of(manifest)
        old = self.objects.get(key)
        self._refuse(manifest, old)
        managers = self.applied.setdefault(key, {})
        new = copy.deepcopy(old or {})
        given = copy.deepcopy(manifest)
        uid = given["metadata"].pop("uid", None)
        if uid is not None and (old is None or old["metadata"]["uid"] != uid):
            raise Conflict("uid mismatch", 409)
        others = [one for name, one in managers.items() if name != manager]
        for path in set(leaves(managers.get(manager, {}))) - set(leaves(given)):
            if not any(path in set(leaves(other)) for other in others):
                drop(new, path)
        for path, value in leaves(given).items():
            put(new, path, value)
            for other in others:
                if leaves(other).get(path, value) != value:
                    drop(other, path)
        managers[manager] = given
        new["spec"].setdefault("replicas", 1)
        new["metadata"].setdefault("uid", f"uid-{key.name}-{self._version}")
        self.put(new, touched="apply")
        return self.objects[key]

    def _refuse(self, manifest: Manifest, old: Manifest | None) -> None:
        if len(manifest["metadata"]["name"]) > 63:
            raise Refused("name is too long", 422)
        if old is None and "template" not in manifest.get("spec", {}):
            raise Refused("spec.selector: Required value", 422)
        wanted = manifest.get("spec", {}).get("selector")
        if old is not None and wanted is not None and wanted != old["spec"]["selector"]:
            raise Refused("spec.selector: field is immutable", 422)

    async def remove(self, key: Key, *, uid: str) -> None:
        found = self.objects.get(key)
        if found is not None and found["metadata"]["uid"] != uid:
            raise Conflict("uid mismatch", 409)
        self.writes.append(("remove", key.name))
        self.objects.pop(key, None)
        self.applied.pop(key, None)

    async def write_status(self, key: Key, status: Manifest, *, resource_version: str) -> Manifest:
        found = self.objects[key]
        if found["metadata"]["resourceVersion"] != resource_version:
            raise Conflict("the object has been modified", 409)
        new = copy.deepcopy({**found, "status": status})
        errors = [one for one in admission_errors(new) if one.startswith("status")]
        if errors:
            raise Refused("; ".join(errors), 422)
        self.put(new, touched="status")
        return self.objects[key]

    async def tell(self, about: Manifest, *, warning: bool, reason: str, message: str) -> None:
        assert message
        self.events.append((reason, message))

    async def live(self, key: Key) -> Manifest | None:
        return self.get(key)

    # -- what people and Kubernetes do

    def put(self, manifest: Manifest, touched: str = "") -> None:
        """Store an object; generation and version move as the API server moves them."""
        key = key_of(manifest)
        old = self.objects.get(key)
        new = copy.deepcopy(manifest)
        about = new["metadata"]
        about.pop("resourceVersion", None)
        if old is not None:
            about["generation"] = old["metadata"]["generation"] + (old["spec"] != new["spec"])
            same = {**old["metadata"]}
            same.pop("resourceVersion")
            if (same, old["spec"], old.get("status")) == (about, new["spec"], new.get("status")):
                about["resourceVersion"] = old["metadata"]["resourceVersion"]
        about.setdefault("generation", 1)
        if touched:
            self.writes.append((touched, key.name))
        if "resourceVersion" not in about:
            self._version += 1
            about["resourceVersion"] = str(self._version)
        self.objects[key] = new

    def edit(self, key: Key, **spec: Any) -> None:
        """Change fields of a spec, as a person does."""
        found = self.get(key)
        assert found is not None
        self.put({**found, "spec": {**found["spec"], **spec}})

    def replace(self, manifest: Manifest) -> None:
        """Apply a Pipeline again, as a person does."""
        found = self.get(key_of(manifest))
        assert found is not None
        self.put({**found, "spec": manifest["spec"]})


def key_of(manifest: Manifest) -> Key:
    """The key of an object."""
    about = manifest["metadata"]
    return Key(Kind(manifest["kind"]), about["namespace"], about["name"])


# -- fields, as server-side apply knows them ----------------------------------------------------


def leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """The fields of an object; lists are one field each."""
    if isinstance(value, dict) and value:
        return {
            at: leaf for key, one in value.items() for at, leaf in leaves(one, (*path, key)).items()
        }
    return {path: value} if path else {}


def put(value: Any, path: tuple[str, ...], leaf: Any) -> None:
    for step in path[:-1]:
        value = value.setdefault(step, {})
    value[path[-1]] = copy.deepcopy(leaf)


def drop(value: Any, path: tuple[str, ...]) -> None:
    parents = [value]
    for step in path[:-1]:
        parents.append(parents[-1].get(step, {}))
    for parent, step in zip(reversed(parents), reversed(path), strict=True):
        parent.pop(step, None)
        if parent:
            return
