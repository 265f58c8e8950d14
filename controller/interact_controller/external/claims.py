"""Claims: what is going on in other systems, written down where no run's deletion reaches it.

A claim is a ConfigMap in the controller's own namespace, made before a submit and released after
the run's end is told. A run that is gone leaves its claim, and so the work is found and cancelled.
"""

import dataclasses
import json
import logging
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from interact_api.external import Handle, Run
from interact_api.model import GROUP
from interact_api.plain import mapping
from pydantic import ValidationError

from interact_controller import labels
from interact_controller.errors import Conflict
from interact_controller.seen import Manifest

logger = logging.getLogger(__name__)

LABEL: Final = f"{GROUP}/claim"
"""On claims: the installation they belong to."""


@dataclass(frozen=True)
class Claim:
    """One attempt of a run, and its work on another system.

    Attributes:
        run: What the driver is told; enough to look the work up when the run is gone.
        driver: The driver's name.
        system: The ExternalSystem; empty for drivers that need none.
        operator: The operator whose run it is; empty without one.
        handle: The work, once its submit was answered.
        left: Since when nobody waits for the work: it is to be cancelled.
        why: Why nobody does.
        manifest: The ConfigMap as it was written last.
    """

    run: Run
    driver: str
    system: str = ""
    operator: str = ""
    handle: Handle | None = None
    left: datetime | None = None
    why: str = ""
    manifest: Manifest = dataclasses.field(default_factory=dict, compare=False)

    @property
    def key(self) -> str:
        """The idempotency key, by which claims are known."""
        return self.run.key

    @property
    def place(self) -> tuple[str, str]:
        """Namespace and name of the run."""
        return self.run.namespace, self.run.name


class Shelf(Protocol):
    """ConfigMaps of the controller's own namespace; every method raises `ClusterError`."""

    def pages(self, labels: str) -> AsyncIterator[list[Manifest]]:
        """All with these labels."""
        ...

    async def make(self, manifest: Manifest) -> Manifest:
        """Make one; `Conflict` if it is there."""
        ...

    async def read(self, name: str) -> Manifest | None:
        """One, or None if it is not there."""
        ...

    async def replace(self, manifest: Manifest) -> Manifest:
        """Replace one; `Conflict` if it is another version than was read."""
        ...

    async def remove(self, name: str, uid: str) -> None:
        """Delete one; gone already is fine."""


class Claims:
    """All claims of this installation. This process is the only one that writes them.

    Args:
        shelf: Where they lie.
        installation: Id of ours.
    """

    def __init__(self, shelf: Shelf, installation: str) -> None:
        self._shelf = shelf
        self._installation = installation
        self._kept: dict[str, Claim] = {}
        self._places: dict[tuple[str, str], dict[str, None]] = {}

    async def load(self) -> None:
        """Read them all; one that cannot be understood is left for a person."""
        async for page in self._shelf.pages(f"{LABEL}={self._installation}"):
            for manifest in page:
                self._read(manifest)

    def all(self) -> tuple[Claim, ...]:
        """Every claim."""
        return tuple(self._kept.values())

    def get(self, key: str) -> Claim | None:
        """The claim with a key."""
        return self._kept.get(key)

    def of(self, namespace: str, name: str) -> tuple[Claim, ...]:
        """The claims of runs with this name, there or gone, oldest first."""
        return tuple(self._kept[key] for key in self._places.get((namespace, name), ()))

    async def make(self, claim: Claim) -> tuple[Claim, bool]:
        """Write a new claim down; the one that is there, and whether it was made by this call.

        Raises:
            ClusterError: If it may not have been written.
        """
        try:
            manifest = await self._shelf.make(self._manifest(claim))
        except Conflict:
            found = await self._shelf.read(_name(claim.key))
            kept = self._read(found) if found is not None else None
            if kept is None:
                raise
            return kept, False
        return self._keep(dataclasses.replace(claim, manifest=manifest)), True

    async def note(self, claim: Claim, **changes: Any) -> Claim:
        """Write down what is known of the work; the claim as it is then.

        Raises:
            Conflict: If somebody else wrote or removed it; it is read again.
        """
        changed = dataclasses.replace(claim, **changes)
        if changed == claim:
            return claim
        try:
            manifest = await self._shelf.replace(self._manifest(changed))
        except Conflict:
            found = await self._shelf.read(_name(claim.key))
            if found is None:
                self._forget(claim)
            else:
                self._read(found)
            raise
        return self._keep(dataclasses.replace(changed, manifest=manifest))

    async def release(self, claim: Claim) -> None:
        """The work has ended, and that is told."""
        uid = str(mapping(claim.manifest.get("metadata")).get("uid", ""))
        await self._shelf.remove(_name(claim.key), uid)
        self._forget(claim)

    def _read(self, manifest: Manifest) -> Claim | None:
        try:
            return self._keep(claim(manifest))
        except (ValidationError, ValueError, KeyError) as error:
            name = mapping(manifest.get("metadata")).get("name")
            logger.error("claim is not to be read", extra={"claim": name, "error": str(error)})
            return None

    def _keep(self, claim: Claim) -> Claim:
        self._kept[claim.key] = claim
        self._places.setdefault(claim.place, {})[claim.key] = None
        return claim

    def _forget(self, claim: Claim) -> None:
        self._kept.pop(claim.key, None)
        keys = self._places.get(claim.place, {})
        keys.pop(claim.key, None)
        if not keys:
            self._places.pop(claim.place, None)

    def _manifest(self, claim: Claim) -> Manifest:
        run = claim.run
        data = {
            "key": run.key, "driver": claim.driver, "system": claim.system,
            "operator": claim.operator, "namespace": run.namespace, "name": run.name,
            "uid": run.uid, "attempt": str(run.attempt), "run": _text(run),
        }  # fmt: skip
        if claim.handle is not None:
            data |= {"externalId": claim.handle.external_id, "handle": _text(claim.handle)}
        if claim.left is not None:
            data |= {"left": claim.left.isoformat(), "why": claim.why}
        about: dict[str, Any] = {
            "name": _name(run.key),
            "labels": {LABEL: self._installation, labels.MANAGED_BY: labels.CONTROLLER},
        }
        known = mapping(claim.manifest.get("metadata"))
        about |= {key: known[key] for key in ("uid", "resourceVersion") if key in known}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": dict(data)}


def claim(manifest: Manifest) -> Claim:
    """The claim that lies in a ConfigMap.

    Raises:
        ValueError: If it is none: somebody changed it.
    """
    data = {key: str(value) for key, value in mapping(manifest.get("data")).items()}
    run = Run.model_validate_json(data["run"])
    if data.get("key") != run.key:
        raise ValueError(f"key {data.get('key')!r} is not that of its run, {run.key!r}")
    return Claim(
        run=run,
        driver=data["driver"],
        system=data.get("system", ""),
        operator=data.get("operator", ""),
        handle=Handle.model_validate_json(data["handle"]) if "handle" in data else None,
        left=datetime.fromisoformat(data["left"]) if "left" in data else None,
        why=data.get("why", ""),
        manifest=manifest,
    )


def orphans(claims: Iterable[Claim], uids: frozenset[str]) -> tuple[Claim, ...]:
    """The claims whose run is not among those that are there."""
    return tuple(one for one in claims if one.run.uid not in uids)


def _name(key: str) -> str:
    return f"claim-{key}"


def _text(value: Run | Handle) -> str:
    plain = value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return json.dumps(plain, separators=(",", ":"), sort_keys=True)
