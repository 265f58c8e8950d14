"""Named points at which a test ends, breaks or freezes the controller; nothing happens otherwise.

A point is hit after what it is named for, and before the next thing.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

VARIABLE: Final = "INTERACT_FAILPOINT"
"""``point=action`` for tests, for example ``submitted=kill``; each acts the first time only.

``submitted=kill*3`` waits until three runs have come to the point.
"""

CREATED: Final = "created"
"""The status has the key."""
CLAIMED: Final = "claimed"
PREPARED: Final = "prepared"
SUBMITTED: Final = "submitted"
"""The other system has the work; nobody here has its id."""
NOTED: Final = "noted"
"""The claim has the id, the status does not."""
CHECKED: Final = "checked"
TOLD: Final = "told"
"""The status has the id."""
COLLECTED: Final = "collected"
"""The results are here, and written nowhere."""
FINISHED: Final = "finished"
"""The status has the end and the results; the claim is still there."""
RELEASED: Final = "released"
CANCELLED: Final = "cancelled"
"""The work was cancelled; nothing says so yet."""
POINTS: Final = (
    CREATED, CLAIMED, PREPARED, SUBMITTED, NOTED, CHECKED, TOLD, COLLECTED, FINISHED, RELEASED,
    CANCELLED,
)  # fmt: skip
"""Every point, in the order in which a run that ends well comes to them."""

Hit = Callable[[str], Awaitable[None]]
"""Called with a point's name each time it is passed."""


class Broken(Exception):  # noqa: N818  # named for what happened
    """Raised at a point, to a test's order."""


async def nothing(point: str) -> None:
    """What happens at a point unless a test says otherwise."""


def from_environment(environment: Mapping[str, str]) -> Hit:
    """What a test's environment asks for: ``kill``, ``stop`` (freeze) or ``raise`` at one point.

    Raises:
        ValueError: If there is no such point or action, or the number is none.
    """
    given = environment.get(VARIABLE, "")
    if not given:
        return nothing
    point, _, told = given.partition("=")
    action, _, runs = told.partition("*")
    if point not in POINTS or action not in _ACTIONS or not (runs or "1").isdecimal():
        words = f"points {', '.join(POINTS)}; actions {', '.join(_ACTIONS)}"
        raise ValueError(
            f"{VARIABLE}={given!r}: write point=action, or point=action*runs, with {words}"
        )
    return once(point, _ACTIONS[action], int(runs or 1))


def once(point: str, act: Callable[[], None], runs: int = 1) -> Hit:
    """Act the first time so many runs have come to a point; those before the last wait there."""
    came, acted = 0, asyncio.Event()

    async def hit(passed: str) -> None:
        nonlocal came
        if passed != point or acted.is_set():
            return
        came += 1
        if came < runs:
            await acted.wait()
            return
        acted.set()
        act()

    return hit


def broken() -> None:
    """Break off with an exception that nothing expects."""
    raise Broken("broken off by a test")


def _signal(number: signal.Signals) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


_ACTIONS: Final = {
    "kill": _signal(signal.SIGKILL),
    "stop": _signal(signal.SIGSTOP),
    "raise": broken,
}
