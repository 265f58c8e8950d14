"""How old a frame is when it has passed a worker, at a pace everything can keep."""

import asyncio
import time
from dataclasses import dataclass, field

import numpy as np
from interact_api import wire as format_of_messages

from benchmarks import flow
from benchmarks.figures import Figure, Goal, Side, Table
from benchmarks.flow import STAGES, Stage
from benchmarks.wire import SMALL_BYTES

RATE = 1_000
PATIENCE_SECONDS = 90.0
GOAL_MILLISECONDS = 10.0


@dataclass
class Ages:
    """Milliseconds between the source's stamp and the arrival of what a worker made of it."""

    values: list[float] = field(default_factory=list)

    async def hear(self, payload: bytes, subject: str) -> None:
        """Note one message."""
        del subject
        header, _ = format_of_messages.parse(payload)
        if header.time:
            self.values.append(1e3 * (time.time() - header.time))


async def ages(*, rate: float, frames: int, warm: int) -> list[float]:
    """The ages of so many frames, after some that are not counted."""
    content = {"message_bytes": SMALL_BYTES, "frames_per_message": 1, "rate": rate}
    chain = [
        Stage("source", STAGES / "blanks.py", content),
        Stage("worker", STAGES / "passed.py"),
        Stage("sink", STAGES / "counted_in.py"),
    ]
    heard = Ages()
    async with flow.flow(chain, watch={"worker": heard.hear}) as running:
        await running.until(
            lambda: len(heard.values) >= warm + frames, PATIENCE_SECONDS, "all frames came"
        )
    return heard.values[warm : warm + frames]


def bench(*, quick: bool) -> Table:
    """Percentiles of the ages."""
    runs, frames = (1, 2_000) if quick else (5, 10_000)
    found = [asyncio.run(ages(rate=RATE, frames=frames, warm=RATE)) for _ in range(runs)]
    percentiles = {
        percent: tuple(float(np.percentile(one, percent)) for one in found)
        for percent in (50, 99, 100)
    }
    return Table(
        "latency",
        f"{SMALL_BYTES:,} bytes, {RATE:,} frames/s, source → worker → whoever listens",
        (
            Figure("p50", "ms", Side("SDK", percentiles[50])),
            Figure(
                "p99",
                "ms",
                Side("SDK", percentiles[99]),
                goal=Goal(GOAL_MILLISECONDS, at_least=False),
            ),
            Figure("longest", "ms", Side("SDK", percentiles[100])),
        ),
        (f"{runs} runs of {frames:,} frames; memory streams; both stamps from one clock",),
    )
