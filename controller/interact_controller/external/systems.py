"""The drivers of runs: which system a run may use, and the credentials of that system alone.

A run names a system; where it is and whose credentials it takes stand in the ExternalSystem, which
an administrator makes. No Secret and no address that a run's author chose is ever read or called.
"""

# ruff: noqa: N818  # named for what happened

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from interact_api.external_system import ExternalSystem, ExternalSystemSpec
from interact_api.lifecycle import RunReason
from interact_api.plain import mapping
from pydantic import ValidationError

from interact_controller.errors import ControllerError, Refused
from interact_controller.external.driver import Driver, ExternalError
from interact_controller.ports import Store
from interact_controller.seen import Key, Kind, Manifest

CREDENTIALS_SECONDS: Final = 60.0
"""How long credentials are used before they are read again."""
POLL_SECONDS: Final = 10.0
"""Longest between two looks at work of drivers without a system; `ExternalSystemSpec` has the same."""


class Hindered(ControllerError):
    """A run cannot be looked after now: its system is not there, or not its."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


Maker = Callable[[ExternalSystemSpec | None, Mapping[str, str]], Driver]
"""Makes a driver of what its system says and its credentials; raises `ExternalError`."""
Secrets = Callable[[str], Awaitable[Mapping[str, bytes] | None]]
"""Reads a Secret of the release namespace by its name."""


@dataclass(frozen=True)
class _Made:
    driver: Driver
    version: str
    read_at: float


class Systems:
    """Drivers, one for each system, made again when the system or its credentials change.

    Args:
        store: Has the ExternalSystems.
        secrets: Reads credentials.
        makers: How each kind of driver is made, by its name.
        clock: Seconds that only go on.
    """

    def __init__(
        self,
        store: Store,
        secrets: Secrets,
        makers: Mapping[str, Maker],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._makers = makers
        self._clock = clock
        self._made: dict[tuple[str, str], _Made] = {}

    def spec(self, system: str) -> ExternalSystemSpec | None:
        """What an ExternalSystem says; None if it is not there, or not to be understood."""
        manifest = self._store.get(Key(Kind.EXTERNAL_SYSTEM, "", system))
        return None if manifest is None else _spec(manifest)

    async def driver(self, name: str, system: str, namespace: str | None) -> Driver:
        """The driver for a run.

        Args:
            name: The driver's name.
            system: The ExternalSystem; empty for a driver that needs none.
            namespace: Whose runs it is for; None for work that goes on already.

        Raises:
            Hindered: If there is none for it now.
        """
        maker = self._makers.get(name)
        if maker is None:
            raise Hindered(
                RunReason.SYSTEM_NOT_FOUND,
                f"this controller has no driver {name!r}; it has {', '.join(sorted(self._makers))}",
            )
        if not system:
            return self._kept(name, "", "") or self._make(name, "", "", maker, None, {})
        manifest = self._store.get(Key(Kind.EXTERNAL_SYSTEM, "", system))
        spec = _spec(manifest) if manifest is not None else None
        if manifest is None or spec is None:
            raise Hindered(
                RunReason.SYSTEM_NOT_FOUND,
                f"there is no ExternalSystem {system!r}; an administrator makes it",
            )
        if namespace is not None and not spec.admits(namespace):
            raise Hindered(
                RunReason.SYSTEM_NOT_ALLOWED,
                f"ExternalSystem {system!r} is not for namespace {namespace!r}; an administrator "
                "adds it to spec.namespaces there",
            )
        if spec.driver != name:
            raise Hindered(
                RunReason.SYSTEM_NOT_FOUND,
                f"ExternalSystem {system!r} has the driver {spec.driver!r}, the run {name!r}",
            )
        about = mapping(manifest["metadata"])
        version = f"{about.get('uid')}/{about.get('generation')}"
        kept = self._kept(name, system, version)
        return kept or self._make(name, system, version, maker, spec, await self._read(spec))

    def _kept(self, name: str, system: str, version: str) -> Driver | None:
        made = self._made.get((name, system))
        if made is None or made.version != version:
            return None
        fresh = not system or self._clock() - made.read_at < CREDENTIALS_SECONDS
        return made.driver if fresh else None

    def _make(
        self,
        name: str,
        system: str,
        version: str,
        maker: Maker,
        spec: ExternalSystemSpec | None,
        credentials: Mapping[str, str],
    ) -> Driver:
        try:
            driver = maker(spec, credentials)
        except ExternalError as error:
            raise Hindered(RunReason.SYSTEM_UNREACHABLE, str(error)) from error
        self._made[name, system] = _Made(driver, version, self._clock())
        return driver

    async def _read(self, spec: ExternalSystemSpec) -> Mapping[str, str]:
        """The credentials of a system; whoever may create runs is not told the Secret's name."""
        if not spec.secret:
            return {}
        try:
            found = await self._secrets(spec.secret)
        except Refused as error:
            raise Hindered(RunReason.SYSTEM_UNREACHABLE, _UNREADABLE) from error
        if found is None:
            raise Hindered(RunReason.SYSTEM_UNREACHABLE, _UNREADABLE)
        try:
            return {key: value.decode() for key, value in found.items()}
        except UnicodeDecodeError as error:
            raise Hindered(RunReason.SYSTEM_UNREACHABLE, _UNREADABLE) from error


_UNREADABLE: Final = (
    "the Secret that the ExternalSystem names cannot be read, or is no text; an administrator "
    "looks at spec.secret and at the release's namespace"
)


def _spec(manifest: Manifest) -> ExternalSystemSpec | None:
    try:
        return ExternalSystem.model_validate(
            {key: manifest[key] for key in ("metadata", "spec") if key in manifest}
        ).spec
    except ValidationError:
        return None
