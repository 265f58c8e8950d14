"""One of four replicas is killed in the middle of a paced scan: how long until all is as before."""

import asyncio
import signal
import time
from bisect import bisect_left
from dataclasses import dataclass, field

from interact_api import wire

from benchmarks import flow
from benchmarks.counted import DETECTOR, FRAMES, SCAN
from benchmarks.figures import Figure, Goal, Side, Table
from benchmarks.flow import OPERATORS, Stage

REPLICAS, VICTIM = 4, 1
ACK_WAIT_SECONDS, MARGIN_SECONDS = 5, 2
RATE = 12_000
"""Frames a second: a scan of 262,144 takes 22 s."""
SETTLE_SECONDS = 3.0
FROZEN_SECONDS = 0.25
"""The victim stands still before it dies, so that it holds messages then."""
BIN_SECONDS, FULL = 0.5, 0.95
"""Full rate: so much of the pace in a window of this length that ends at a message."""
PATIENCE_SECONDS = 60.0


def stages(ack_wait: int, replicas: int) -> list[Stage]:
    """A paced source, the replicas, and the map."""
    planted = {
        "scan_rows": SCAN, "scan_columns": SCAN, "detector_rows": DETECTOR,
        "detector_columns": DETECTOR, "dose": 200, "frames_per_message": FRAMES, "repeats": 0,
        "rate": RATE,
    }  # fmt: skip
    partial = OPERATORS / "center-of-mass-partial" / "run.py"
    return [
        Stage("source", OPERATORS / "scan-generator" / "run.py", planted),
        Stage("partial", partial, replicas=replicas, ack_wait=f"{ack_wait}s"),
        Stage("map", OPERATORS / "center-of-mass-reduce" / "run.py"),
    ]


@dataclass
class Log:
    """What left the replicas: when, and which frames."""

    times: list[float] = field(default_factory=list)
    seen: dict[tuple[bytes, int], float] = field(default_factory=dict)

    async def hear(self, payload: bytes, subject: str) -> None:
        """Note one message."""
        del subject
        header, _ = wire.parse(payload)
        if header.kind != "end":
            self.times.append(now := time.monotonic())
            self.seen.setdefault((bytes(header.scan), header.start), now)

    def lacking(self, scan: bytes, stop: int) -> list[tuple[bytes, int]]:
        """Messages of a scan before a frame that have not left."""
        return [(scan, start) for start in range(0, stop, FRAMES) if (scan, start) not in self.seen]

    def full_rate_at(self, since: float) -> float | None:
        """When, after a moment, the pace was first kept over a window; None if not yet."""
        for number in range(bisect_left(self.times, since), len(self.times)):
            end = self.times[number]
            inside = number + 1 - bisect_left(self.times, end - BIN_SECONDS)
            if inside * FRAMES >= FULL * RATE * BIN_SECONDS and end - BIN_SECONDS >= since:
                return end - BIN_SECONDS
        return None


@dataclass(frozen=True)
class Recovery:
    """Seconds after the kill until the pace was kept (None: not awaited), and until none was missing."""

    full_rate: float | None
    complete: float
    held: int


async def recovery(
    ack_wait: int,
    *,
    replicas: int = REPLICAS,
    settle: float = SETTLE_SECONDS,
    until_full_rate: bool = True,
) -> Recovery:
    """Kill a replica, start it again at once as the platform does, and watch what leaves.

    A busy machine may never keep the pace: who only asks for the frames does not wait for it.
    """
    log = Log()
    async with flow.flow(stages(ack_wait, replicas), watch={"partial": log.hear}) as running:
        await running.until(lambda: bool(log.seen), PATIENCE_SECONDS, "a frame came")
        await asyncio.sleep(settle)
        victim = running.processes.pop(("partial", VICTIM))
        victim.send_signal(signal.SIGSTOP)
        await asyncio.sleep(FROZEN_SECONDS)
        victim.kill()
        victim.wait()
        killed = time.monotonic()
        scan, last = max(log.seen, key=lambda entry: entry[1])
        running.start("partial", VICTIM)
        await asyncio.sleep(0.25)  # what the others held has left by now
        held = log.lacking(scan, last)
        await running.until(
            lambda: (
                not log.lacking(scan, last)
                and (not until_full_rate or log.full_rate_at(killed) is not None)
            ),
            PATIENCE_SECONDS + ack_wait,
            "all was as before",
        )
        complete = max((log.seen[message] - killed for message in held), default=0.0)
        at = log.full_rate_at(killed)
        return Recovery(None if at is None else at - killed, complete, len(held))


def bench(*, quick: bool) -> Table:
    """Seconds until the pace is kept and every frame is there, against the ack wait."""
    runs, ack_wait = (1, 2) if quick else (5, ACK_WAIT_SECONDS)
    found = [asyncio.run(recovery(ack_wait)) for _ in range(runs)]
    goal = Goal(ack_wait + MARGIN_SECONDS, at_least=False)
    full = Side("SDK", tuple(one.full_rate or 0.0 for one in found))
    complete = Side("SDK", tuple(one.complete for one in found))
    held = Side("dead replica", tuple(float(one.held) for one in found))
    return Table(
        "recovery",
        f"kill -9 of one of {REPLICAS} replicas, {SCAN}×{SCAN} scans at {RATE:,} frames/s",
        (
            Figure("until the pace is kept", "s", full, goal=goal),
            Figure("until no frame is missing", "s", complete, goal=goal),
            Figure("held by the dead", "messages", held),
        ),
        (
            f"{runs} runs; ack wait {ack_wait} s: what the dead replica held is given away then",
            f"it stands still for {FROZEN_SECONDS:g} s before it dies, so that it holds something",
            f"the pace is kept: {FULL:.0%} of it within {BIN_SECONDS:g} s",
        ),
    )
