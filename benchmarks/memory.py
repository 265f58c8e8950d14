"""Resident memory of every process of an endless pipeline at full speed."""

import asyncio
from collections.abc import Sequence

import psutil

from benchmarks import counted, flow
from benchmarks.figures import Figure, Side, Table
from benchmarks.flow import Stage

WARM_SECONDS, SECONDS = 20.0, 120.0
QUICK_SECONDS = 15.0
MIB = 1 << 20


async def growth(
    stages: Sequence[Stage], seconds: float, warm: float
) -> tuple[dict[str, tuple[float, float]], int]:
    """Resident MiB of each process after the warm-up and at the end; frames at the last."""
    sink = stages[-1].name
    async with flow.flow(stages) as running:
        pids = {stage.name: running.processes[stage.name, 0].pid for stage in running.stages}
        pids[flow.SERVER] = running.server.pid
        await running.until(
            lambda: (told := running.latest(sink)) is not None and told.frames_in > 0, 60, "a frame"
        )
        await asyncio.sleep(warm)
        before = {name: resident(pid) for name, pid in pids.items()}
        await asyncio.sleep(seconds)
        after = {name: resident(pid) for name, pid in pids.items()}
        told = running.latest(sink)
        frames = told.frames_in if told else 0
    return {name: (before[name], after[name]) for name in pids}, frames


def resident(pid: int) -> float:
    """Resident memory of a process, MiB."""
    return float(psutil.Process(pid).memory_info().rss) / MIB


def bench(*, quick: bool) -> Table:
    """MiB a minute by which each process grows."""
    seconds, warm = (QUICK_SECONDS, 5.0) if quick else (SECONDS, WARM_SECONDS)
    found, frames = asyncio.run(growth(counted.stages(), seconds, warm))
    return Table(
        "memory",
        f"resident memory over {seconds:g} s after {warm:g} s of warm-up, {frames:,} frames passed",
        tuple(
            Figure(
                f"{name} grows, over the minutes", "MiB/min",
                Side("by", ((after - before) * 60 / seconds,)),
                Side(f"from {before:.0f} to", (after,)),
            )
            for name, (before, after) in found.items()
        ),
        ("one run; nats-server holds up to 256 MiB a stream and collects garbage in its own time",),
    )  # fmt: skip
