"""One of four replicas is killed in the middle of a paced scan: how long until nothing is missing."""

import asyncio
import time

from benchmarks import flow
from benchmarks.counted import DETECTOR, FRAMES, SCAN
from benchmarks.figures import Figure, Goal, Side, Table
from benchmarks.flow import OPERATORS, Flow, Stage

REPLICAS, VICTIM = 4, 1
ACK_WAIT_SECONDS = 5
RATE = 16_000
"""Frames a second: a scan of 262,144 takes 16 s, about a tenth of what the machine can do."""
SETTLE_SECONDS = 3.0
REPORT_SECONDS = 0.5
PATIENCE_SECONDS = 60.0


def stages(ack_wait: int, rate: float) -> list[Stage]:
    """A paced source, four replicas, and the map."""
    planted = {
        "scan_rows": SCAN, "scan_columns": SCAN, "detector_rows": DETECTOR,
        "detector_columns": DETECTOR, "dose": 200, "frames_per_message": FRAMES, "repeats": 0,
        "rate": rate,
    }  # fmt: skip
    return [
        Stage("source", OPERATORS / "scan-generator" / "run.py", planted),
        Stage(
            "partial", OPERATORS / "center-of-mass-partial" / "run.py",
            replicas=REPLICAS, ack_wait=f"{ack_wait}s",
        ),
        Stage("map", OPERATORS / "center-of-mass-reduce" / "run.py"),
    ]  # fmt: skip


async def recovery(ack_wait: int, rate: float) -> tuple[float, int]:
    """Seconds from the kill until the map has every frame sent before it, and frames late then.

    The killed replica is started again at once, as the platform does.
    """
    async with flow.flow(stages(ack_wait, rate)) as running:
        await running.until(lambda: _frames(running, "map") > 0, PATIENCE_SECONDS, "a frame came")
        await asyncio.sleep(SETTLE_SECONDS)
        usual = _late(running)
        victim = running.processes.pop(("partial", VICTIM))
        killed = time.monotonic()
        victim.kill()
        victim.wait()
        running.start("partial", VICTIM)
        worst = 0

        def caught_up() -> bool:
            nonlocal worst
            told = running.heard[("map", 0)][-1]
            worst = max(worst, _late(running))
            return told.at > killed + 2 * REPORT_SECONDS and _late(running) <= usual + 2 * FRAMES

        await running.until(caught_up, PATIENCE_SECONDS + ack_wait, "the backlog was gone")
        return time.monotonic() - killed, worst


def _frames(running: Flow, name: str) -> int:
    told = running.latest(name)
    return 0 if told is None else told.frames_in


def _late(running: Flow) -> int:
    """Frames of the oldest open scan that lie before one the map has, and that it lacks."""
    told = running.latest("map")
    sent = running.latest("source")
    if told is None or sent is None:
        return 0
    held = sum(one.covered for one in told.scans.values())
    made = sum(one.covered for name, one in sent.scans.items() if name in told.scans)
    return max(0, made - held)


def bench(*, quick: bool) -> Table:
    """Seconds until every frame is there again, against the ack wait."""
    runs, ack_wait = (1, 2) if quick else (5, ACK_WAIT_SECONDS)
    found = [asyncio.run(recovery(ack_wait, RATE)) for _ in range(runs)]
    return Table(
        "recovery",
        f"kill -9 of one of {REPLICAS} replicas, {SCAN}×{SCAN} scan at {RATE:,} frames/s",
        (
            Figure(
                "until no frame is late any more", "s",
                Side("SDK", tuple(seconds for seconds, _ in found)),
                Side("ack wait", (float(ack_wait),) * runs), "difference",
                Goal(2, at_least=False),
            ),
            Figure("late at worst", "frames", Side("SDK", tuple(float(late) for _, late in found))),
        ),
        (
            f"{runs} runs; what the dead replica held is given to another after the ack wait of "
            f"{ack_wait} s",
            f"the processes report every {REPORT_SECONDS:g} s, so a figure is right to about as much",
        ),
    )  # fmt: skip
