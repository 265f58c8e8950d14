"""How fast a chain passes frames on, and what each of its processes uses for it."""

import asyncio
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from benchmarks import flow
from benchmarks.figures import Figure, Side
from benchmarks.flow import Flow, Stage

RAW = "benchmarks.raw"
FIRST_SECONDS = 60.0
"""Longest wait for the first frame at the end of a chain."""


@dataclass(frozen=True)
class Passage:
    """One run: per second at the last operator, per unit and process, and what others used.

    Attributes:
        rate: Frames (or messages of one frame) a second at the last operator.
        cpu: CPU microseconds a frame of each operator's processes and the server.
        foreign: Cores that programs outside the run kept busy.
    """

    rate: float
    cpu: dict[str, float]
    foreign: float


async def passage(stages: Sequence[Stage], *, module: str, seconds: float, warm: float) -> Passage:
    """Run an endless chain and look at a window of it."""
    sink = stages[-1].name
    async with flow.flow(stages, module=module) as running:
        await running.until(
            lambda: (told := running.latest(sink)) is not None and told.frames_in > 0,
            FIRST_SECONDS,
            "a frame came",
        )
        await asyncio.sleep(warm)
        busy = _busy()
        began, ended = await running.window(seconds)
        busy = (_busy() - busy) / (ended - began)
        return _measured(running, began, ended, busy)


def _measured(running: Flow, began: float, ended: float, busy: float) -> Passage:
    first, last = running.between(running.stages[-1].name, began, ended)
    took = last.at - first.at
    frames = max(1, last.report.frames_in - first.report.frames_in)
    cores = {flow.SERVER: (last.server_cpu_seconds - first.server_cpu_seconds) / took}
    for stage in running.stages:
        cores[stage.name] = 0.0
        for replica in range(stage.replicas):
            a, b = running.between(stage.name, began, ended, replica)
            cores[stage.name] += (b.cpu_seconds - a.cpu_seconds) / (b.at - a.at)
    cpu = {name: 1e6 * used * took / frames for name, used in cores.items()}
    return Passage(frames / took, cpu, max(0.0, busy - sum(cores.values())))


def _busy() -> float:
    """CPU seconds all programs of the machine have used."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0))


@dataclass(frozen=True)
class Contest:
    """Interleaved runs of the SDK and of the raw loops on the same chain."""

    sdk: tuple[Passage, ...]
    raw: tuple[Passage, ...]

    def rates(self, what: str, unit: str) -> Figure:
        """How fast both are."""
        return Figure(
            what, unit,
            Side("SDK", tuple(one.rate for one in self.sdk)),
            Side("raw nats-py", tuple(one.rate for one in self.raw)),
            "quotient",
        )  # fmt: skip

    def cpu(self, unit: str) -> list[Figure]:
        """What each process uses on both sides."""
        return [
            Figure(
                f"CPU of {name}", unit,
                Side("SDK", tuple(one.cpu[name] for one in self.sdk)),
                Side("raw nats-py", tuple(one.cpu[name] for one in self.raw)),
                "quotient",
            )
            for name in self.sdk[0].cpu
        ]  # fmt: skip

    @property
    def note(self) -> str:
        """What else the machine did."""
        foreign = [one.foreign for one in (*self.sdk, *self.raw)]
        return (
            f"other programs kept {statistics.median(foreign):.2g} cores busy meanwhile "
            f"(at most {max(foreign):.2g} of {psutil.cpu_count()})"
        )


def contest(stages: Sequence[Stage], *, runs: int, seconds: float, warm: float) -> Contest:
    """Run a chain with the SDK and with raw loops in turns."""
    found: dict[str, list[Passage]] = {"interact": [], RAW: []}
    for _ in range(runs):
        for module, passages in found.items():
            passages.append(asyncio.run(passage(stages, module=module, seconds=seconds, warm=warm)))
    return Contest(tuple(found["interact"]), tuple(found[RAW]))
