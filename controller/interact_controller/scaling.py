"""How many replicas an operator should have by what waits for it: one pure decision.

More at once, as soon as more waits than the replicas are to have before them; fewer only after a
time of calm in which fewer would have done all along, with room to spare. What replicas are busy
with counts against fewer: a queue that is short because they keep up is no reason to take them away.
So a number that was raised is not lowered within the time of calm, and a steady load keeps it steady.
"""

import math
from dataclasses import dataclass
from typing import Final

CALM_SHARE: Final = 0.5
"""Share of the target that may wait for each of fewer replicas."""
BUSY_SHARE: Final = 0.8
"""Share of the time that each of fewer replicas may be at work."""


@dataclass(frozen=True)
class Range:
    """What a pipeline asks for: replicas from ``least`` to ``most``, and what may wait for each.

    ``unit`` is what is counted, frames or messages.
    """

    least: int
    most: int
    target: int
    unit: str = "frames"


@dataclass(frozen=True)
class Load:
    """What one look found: what waits, in the range's unit, and how many replicas are at work."""

    waiting: float
    busy: float = 0.0


@dataclass(frozen=True)
class Memory:
    """What an operator needed at the looks before: (when, fewest replicas that would have done).

    ``since`` is when looking began; ``why`` says how the number of replicas came about.
    """

    since: float | None = None
    needed: tuple[tuple[float, int], ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Choice:
    """So many replicas there should be, and what to remember."""

    replicas: int
    memory: Memory


def choice(
    asked: Range, load: Load, current: int, memory: Memory, now: float, calm: float
) -> Choice:
    """The replicas there should be.

    Args:
        asked: What the pipeline says.
        load: What was found just now.
        current: Replicas that were chosen last.
        memory: What the last choice gave.
        now: Seconds of any clock.
        calm: Seconds that fewer replicas would have to do before there are fewer.
    """
    since = now if memory.since is None else memory.since
    enough = _within(asked, _enough(asked, load))
    looks = _remembered((*memory.needed, (now, enough)), now - calm)
    up = _within(asked, math.ceil(load.waiting / asked.target))
    down = _within(asked, max(number for _, number in looks))
    if not asked.least <= current <= asked.most:
        number = max(up, _within(asked, current))
        why = f"the range is {asked.least} to {asked.most}"
    elif up > current:
        number = up
        why = f"{load.waiting:,.0f} {asked.unit} waited, {asked.target:,} are aimed at for each"
    elif down < current and now - since >= calm:
        number = down
        why = f"{down} would have done for {calm:g} s"
    else:
        return Choice(current, Memory(since, looks, memory.why))
    raised = number > current
    return Choice(number, Memory(now if raised else since, () if raised else looks, why))


def _enough(asked: Range, load: Load) -> int:
    """The fewest replicas that would do with room to spare."""
    by_queue = math.ceil(load.waiting / (asked.target * CALM_SHARE))
    return max(by_queue, math.ceil(round(load.busy, 3) / BUSY_SHARE))


def _within(asked: Range, number: int) -> int:
    return min(max(number, asked.least), asked.most)


def _remembered(
    looks: tuple[tuple[float, int], ...], since: float
) -> tuple[tuple[float, int], ...]:
    """The looks since a time; of those that a later one exceeds, none plays a part."""
    kept: list[tuple[float, int]] = []
    for at, number in looks:
        while kept and kept[-1][1] <= number:
            kept.pop()
        kept.append((at, number))
    return tuple(one for one in kept if one[0] >= since)
