"""What runs refer to by name: operators of the catalogue, and the caps that stand there."""

from interact_api import load
from interact_api.operator import InteractOperator
from interact_api.plain import mapping

from interact_controller import observed
from interact_controller.external import reading
from interact_controller.external.caps import TOTAL, Purse
from interact_controller.external.systems import Systems
from interact_controller.policy import Policy
from interact_controller.seen import Key, Kind, Manifest
from interact_controller.store import Objects


class Catalogue:
    """Operators and caps by name; what is read once is kept until it changes.

    Args:
        objects: The store.
        systems: Says what ExternalSystems say.
        policy: The administrator's decisions.
        total: Most attempts at once in all.
    """

    def __init__(self, objects: Objects, systems: Systems, policy: Policy, total: int) -> None:
        self._objects = objects
        self._systems = systems
        self._policy = policy
        self._total = total
        self._operators: dict[Key, tuple[tuple[str, int], InteractOperator | str]] = {}
        self._limits: dict[Purse, tuple[tuple[str, int], int | None]] = {}

    def read(self, manifest: Manifest) -> reading.Reading:
        """The run in an object, with its operator.

        Raises:
            Unreadable: If this version does not understand it.
        """
        key = reading.key_of(manifest)
        ref = mapping(mapping(manifest.get("spec")).get("operator"))
        if not ref:
            return reading.read(manifest, {})
        home, name = str(ref.get("namespace") or key.namespace), str(ref.get("name"))
        found = self._operator(Key(Kind.OPERATOR, home, name))
        if isinstance(found, InteractOperator):
            found = reading.usable(key, found, self._policy)
        return reading.read(manifest, {f"{home}/{name}": found} if found is not None else {})

    def limit(self, purse: Purse) -> int | None:
        """The cap of a purse; None without one."""
        if purse == TOTAL:
            return self._total
        kind, name = purse
        key = _key(kind, name)
        version = self._objects.version(key)
        if version is None:
            return None
        kept = self._limits.get(purse)
        if kept is None or kept[0] != version:
            kept = self._limits[purse] = (version, self._read_limit(key))
        return kept[1]

    def _read_limit(self, key: Key) -> int | None:
        if key.kind is Kind.EXTERNAL_SYSTEM:
            spec = self._systems.spec(key.name)
            return spec.max_runs if spec is not None else None
        found = self._operator(key)
        return found.spec.execution.max_runs if isinstance(found, InteractOperator) else None

    def _operator(self, key: Key) -> InteractOperator | str | None:
        version = self._objects.version(key)
        manifest = self._objects.get(key)
        if manifest is None or version is None:
            return None
        kept = self._operators.get(key)
        if kept is None or kept[0] != version:
            try:
                found: InteractOperator | str = observed.operator(manifest)
            except load.SpecError as error:
                found = f"operator {key.namespace}/{key.name} cannot be used: {error}"
            kept = self._operators[key] = (version, found)
        return kept[1]


def _key(kind: str, name: str) -> Key:
    if kind == "system":
        return Key(Kind.EXTERNAL_SYSTEM, "", name)
    home, _, operator = name.partition("/")
    return Key(Kind.OPERATOR, home, operator)


def purses(system: str, operator: str) -> tuple[Purse, ...]:
    """What a run counts for beside all."""
    named = (("system", system), ("operator", operator))
    return tuple(one for one in named if one[1])
