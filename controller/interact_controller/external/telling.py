"""What people and figures are told of a run's way, beside its status."""

from datetime import datetime
from typing import Final, Protocol

from interact_api.lifecycle import RunPhase, RunReason

from interact_controller.external import account, figures
from interact_controller.external.reading import Reading
from interact_controller.external.steps import Tell
from interact_controller.seen import Key, Manifest

_WARNINGS: Final = frozenset(
    {
        RunReason.SUBMIT_UNCERTAIN,
        RunReason.SYSTEM_UNREACHABLE,
        RunReason.SYSTEM_NOT_FOUND,
        RunReason.SYSTEM_NOT_ALLOWED,
        RunReason.INVALID_RESPONSE,
        RunReason.COLLECTING,
        RunReason.RETRYING,
    }
)
"""Reasons that somebody may have to act on."""
_SAID: Final = frozenset(
    {RunPhase.SUBMITTED, RunPhase.WAITING_EXTERNAL, RunPhase.COMPLETED, RunPhase.FAILED,
     RunPhase.CANCELLED}
)  # fmt: skip
"""Phases whose beginning is an event."""
_BEGUN: Final = frozenset({RunPhase.SUBMITTED, RunPhase.RUNNING, RunPhase.WAITING_EXTERNAL})
"""Phases in which a run's work has a name."""


class Tells(Protocol):
    """What is needed of the API server."""

    async def tell(self, about: Manifest, *, warning: bool, reason: str, message: str) -> None:
        """Post an event about an object."""
        ...


class Herald:
    """Events and figures of runs.

    Args:
        tells: Where events go.
        seconds: Least pause between two writes that only change words.
    """

    def __init__(self, tells: Tells, seconds: float) -> None:
        self._tells = tells
        self._seconds = seconds
        self._at: dict[Key, datetime] = {}

    def due(self, key: Key, now: datetime) -> bool:
        """Whether words alone may be written again."""
        at = self._at.get(key)
        return at is None or (now - at).total_seconds() >= self._seconds

    def forget(self, key: Key) -> None:
        """A run is gone."""
        self._at.pop(key, None)

    async def told(self, before: Reading, tell: Tell, now: datetime) -> None:
        """A status was written."""
        there = tell.standing
        self._at[before.key] = now
        if there.terminal:
            self.forget(before.key)
        if there.phase in _BEGUN and not before.told:
            figures.waited(before.driver, (now - before.created).total_seconds())
        if account.quiet(before.status, there):
            return
        warning = there.phase is RunPhase.FAILED or there.reason in _WARNINGS
        moved = before.phase is not there.phase and there.phase in _SAID
        if warning or moved:
            words = there.message or f"{there.phase} of attempt {there.attempt}"
            await self._tells.tell(
                before.manifest, warning=warning, reason=str(there.reason), message=words
            )
