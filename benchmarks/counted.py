"""Counted frames through centre of mass to a map, every operator a process, at camera rate."""

import asyncio

from benchmarks import flow
from benchmarks.figures import Figure, Goal, Side, Table
from benchmarks.flow import OPERATORS, Stage

CAMERA = 87_000
"""Frames a second of the 4D Camera (Ercius et al. 2024, 10.1093/mam/ozae086)."""
FRAMES, EVENTS = 125, 2000
SCAN = 512
DETECTOR = 576


def stages() -> list[Stage]:
    """Source, centre of mass, map; the source makes its messages from a pool."""
    planted = {
        "scan_rows": SCAN, "scan_columns": SCAN, "detector_rows": DETECTOR,
        "detector_columns": DETECTOR, "dose": EVENTS, "frames_per_message": FRAMES, "repeats": 0,
    }  # fmt: skip
    return [
        Stage("source", OPERATORS / "scan-generator" / "run.py", planted),
        Stage("partial", OPERATORS / "center-of-mass-partial" / "run.py"),
        Stage("map", OPERATORS / "center-of-mass-reduce" / "run.py"),
    ]


async def passage(module: str, seconds: float, warm: float) -> tuple[float, dict[str, float]]:
    """Frames a second at the map, and CPU µs a frame of each process and the server."""
    async with flow.flow(stages(), module=module) as running:
        await running.until(
            lambda: (told := running.latest("map")) is not None and told.frames_in > 0, 60, "a frame"
        )
        await asyncio.sleep(warm)
        began, ended = await running.window(seconds)
        first, last = running.between("map", began, ended)
        frames = last.report.frames_in - first.report.frames_in
        cpu = {flow.SERVER: 1e6 * (last.server_cpu_seconds - first.server_cpu_seconds) / frames}
        for stage in running.stages:
            a, b = running.between(stage.name, began, ended)
            share = (last.at - first.at) / (b.at - a.at)
            cpu[stage.name] = 1e6 * (b.cpu_seconds - a.cpu_seconds) * share / frames
        return frames / (last.at - first.at), cpu


def bench(*, quick: bool) -> Table:
    """Frames a second of the shipped operators and of hand-tuned loops with the same kernel."""
    runs, seconds = (2, 3.0) if quick else (5, 6.0)
    ours, raw = [], []
    for _ in range(runs):
        ours.append(asyncio.run(passage("interact", seconds, 1.0)))
        raw.append(asyncio.run(passage("benchmarks.raw", seconds, 1.0)))
    mine = Side("SDK", tuple(rate for rate, _ in ours))
    theirs = Side("raw nats-py", tuple(rate for rate, _ in raw))
    camera = Side("4D Camera", (CAMERA,) * runs)
    figures = [
        Figure("to the map", "frames/s", mine, camera, "quotient", Goal(1.0)),
        Figure("to the map", "frames/s", mine, theirs, "quotient"),
    ]
    for process in ours[0][1]:
        a = Side("SDK", tuple(cpu[process] for _, cpu in ours))
        b = Side("raw nats-py", tuple(cpu[process] for _, cpu in raw))
        figures.append(Figure(f"CPU of {process}", "µs/frame", a, b, "quotient"))
    return Table(
        "counted",
        f"{SCAN}×{SCAN} scans again and again, messages of {FRAMES} frames × {EVENTS} events, "
        "memory streams",
        tuple(figures),
        (f"{runs} interleaved runs of {seconds:g} s after 1 s of warm-up",),
    )
