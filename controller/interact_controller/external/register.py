"""What is told of ExternalSystems: whether they answer, and how many attempts are on each."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

from interact_api.conditions import ConditionStatus, ConditionType, Reason
from interact_api.external_system import ExternalSystemStatus
from interact_api.plain import mapping

from interact_controller import status
from interact_controller.errors import ClusterError
from interact_controller.external.caps import Caps
from interact_controller.external.systems import Hindered, Systems
from interact_controller.policy import Policy
from interact_controller.seen import Key, Kind, Manifest
from interact_controller.verdicts import Verdict

logger = logging.getLogger(__name__)

PATIENCE: Final = 3
"""Calls in a row that fail before a system is said not to answer."""


class Writes(Protocol):
    """What is needed of the API server."""

    async def write_status(self, key: Key, status: Manifest, *, resource_version: str) -> Manifest:
        """Replace the status if the object is still this version."""
        ...


class Objects(Protocol):
    """The systems as last heard of."""

    def all(self, kind: Kind) -> Sequence[Manifest]:
        """All objects of a kind."""
        ...


class Register:
    """Tells of systems.

    Args:
        writes: Where it is told.
        objects: What there is.
        systems: Makes their drivers.
        caps: Counts attempts.
        policy: Which namespaces are looked after.
        now: The time.
    """

    def __init__(
        self,
        writes: Writes,
        objects: Objects,
        systems: Systems,
        caps: Caps,
        policy: Policy,
        now: Callable[[], datetime],
    ) -> None:
        self._writes = writes
        self._objects = objects
        self._systems = systems
        self._caps = caps
        self._policy = policy
        self._now = now
        self._failures: dict[str, tuple[int, str]] = {}

    def heard(self, system: str, trouble: str) -> None:
        """A call of a system ended: in trouble, or well if that is empty."""
        if not trouble:
            self._failures.pop(system, None)
        elif system:
            self._failures[system] = self._failures.get(system, (0, ""))[0] + 1, trouble

    async def tell(self) -> None:
        """Write every status that differs; what cannot be written now is written the next time."""
        for manifest in self._objects.all(Kind.EXTERNAL_SYSTEM):
            try:
                if self._ours(str(mapping(manifest["metadata"])["name"])):
                    await self._tell(manifest)
            except ClusterError as error:
                logger.info("a system was not told of", extra={"error": str(error)})

    def _ours(self, name: str) -> bool:
        """Whether a namespace that is looked after may use it; of others another controller tells."""
        spec, watched = self._systems.spec(name), self._policy.watched
        return spec is None or not watched or any(spec.admits(one) for one in watched)

    async def _tell(self, manifest: Manifest) -> None:
        about, before = mapping(manifest["metadata"]), mapping(manifest.get("status"))
        name, generation = str(about["name"]), int(about.get("generation", 0))
        verdict = await self._verdict(name)
        found = ExternalSystemStatus(
            observed_generation=generation,
            conditions=status.conditions(
                (verdict,), before.get("conditions"), generation, self._now()
            ),
            runs=self._caps.count(("system", name)),
        )
        told = found.model_dump(mode="json", by_alias=True, exclude_none=True)
        if told != before:
            key = Key(Kind.EXTERNAL_SYSTEM, "", name)
            version = str(about.get("resourceVersion", ""))
            await self._writes.write_status(key, told, resource_version=version)

    async def _verdict(self, name: str) -> Verdict:
        kind, no = ConditionType.READY, ConditionStatus.FALSE
        spec = self._systems.spec(name)
        if spec is None:
            words = "this version does not understand its spec; correct it"
            return Verdict(kind, no, Reason.INVALID_SPEC, words)
        try:
            await self._systems.driver(spec.driver, name, None)
        except Hindered as error:
            return Verdict(kind, no, Reason.SYSTEM_UNREACHABLE, str(error))
        failures, trouble = self._failures.get(name, (0, ""))
        if failures >= PATIENCE:
            words = f"the last {PATIENCE} calls and more failed: {trouble}"
            return Verdict(kind, no, Reason.SYSTEM_UNREACHABLE, words)
        return Verdict(kind, ConditionStatus.TRUE, Reason.READY)
