"""Whom news wake: pipelines' queue, or who looks after external runs."""

from typing import Final

from interact_controller.hearing import Wakes
from interact_controller.seen import Key, Kind

_EXTERNAL: Final = frozenset({Kind.EXTERNAL_RUN, Kind.EXTERNAL_SYSTEM})


class Fork:
    """Hands keys on by their kind.

    Args:
        pipelines: Takes those of pipelines and operators.

    Attributes:
        external: Takes those of external runs and systems, and of operators too: runs name them.
    """

    def __init__(self, pipelines: Wakes) -> None:
        self._pipelines = pipelines
        self.external: Wakes | None = None

    def wake(self, key: Key) -> None:
        """Look at a key as soon as may be."""
        for one in self._of(key):
            one.wake(key)

    def wake_after(self, key: Key, seconds: float) -> None:
        """Look at a key in some seconds."""
        if key.kind not in _EXTERNAL:
            self._pipelines.wake_after(key, seconds)
        elif self.external is not None:
            self.external.wake_after(key, seconds)

    def _of(self, key: Key) -> list[Wakes]:
        found = [] if key.kind in _EXTERNAL else [self._pipelines]
        if self.external is not None and (key.kind in _EXTERNAL or key.kind is Kind.OPERATOR):
            found.append(self.external)
        return found
