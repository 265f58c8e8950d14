"""Writing a status once, if it differs, and telling people of its transitions."""

from datetime import datetime
from typing import Any, Final

from interact_api.plain import entries, mapping

from interact_controller.ports import World
from interact_controller.seen import Key, Manifest

FIGURES: Final = frozenset(
    {
        "framesPerSecond",
        "bytesPerSecond",
        "lag",
        "pendingMessages",
        "pendingBytes",
        "redelivered",
        "ackPendingMessages",
        "oldestMessageTime",
        "deadLettered",
        "externalRuns",
        "deadLetters",
        "deadLettersEver",
        "kernelSecondsPerMessage",
        "delayP50Seconds",
        "delayP99Seconds",
        "completeness",
        "message",
        "lastTransitionTime",
        "usedBy",
    }
)
"""Fields whose changes alone are written after a pause only."""
_NORMAL: Final = frozenset(
    {"Running", "Completed", "Suspended", "Drained", "Draining", "Starting", "Rolling", "Ready"}
    | {"EdgesDraining", "FormerPods"}
)
"""Reasons of Ready that nobody needs to act on."""


async def tell(key: Key, manifest: Manifest, status: Manifest, world: World) -> float | None:
    """Write a status if it differs.

    Returns:
        Seconds after which it may be written, if only figures moved too soon; None otherwise.

    Raises:
        Conflict: If the object changed since it was read.
    """
    before = mapping(manifest.get("status"))
    if before == status:
        return None
    now = world.now()
    if structure(before) == structure(status):
        wait = _pause(world.told.get(key), now, world.policy.status_seconds)
        if wait > 0:
            return wait
    about = mapping(manifest.get("metadata"))
    version = str(about.get("resourceVersion", ""))
    await world.cluster.write_status(key, status, resource_version=version)
    world.told[key] = now
    await _transitions(manifest, before, status, world)
    return None


def structure(value: Any) -> Any:
    """A status without its figures: what is written at once when it differs."""
    if isinstance(value, dict):
        return {name: structure(one) for name, one in value.items() if name not in FIGURES}
    return [structure(one) for one in value] if isinstance(value, list) else value


def _pause(last: datetime | None, now: datetime, seconds: float) -> float:
    return seconds - (now - last).total_seconds() if last is not None else 0.0


async def _transitions(
    manifest: Manifest, before: dict[str, Any], status: Manifest, world: World
) -> None:
    """One event where Ready has another reason than before."""
    old, new = _ready(before), _ready(status)
    if (old.get("status"), old.get("reason")) == (new.get("status"), new.get("reason")):
        return
    reason = str(new.get("reason"))
    await world.cluster.tell(
        manifest,
        warning=reason not in _NORMAL,
        reason=reason,
        message=str(new.get("message", ""))[:1000] or reason,
    )


def _ready(status: Manifest) -> dict[str, Any]:
    found = [mapping(one) for one in entries(status.get("conditions"))]
    return next((one for one in found if one.get("type") == "Ready"), {})
