"""A pipeline with a poisoned frame, its dead letters, and the frames sent again."""

import asyncio
from contextlib import asynccontextmanager

from interact import DenseFrames, Image, Param, Reducer, Slots, Values, scan_image
from interact import operator as make_operator
from interact._redrive import Letter
from interact.cli.dlq_letters import Box, Choice
from sdk.at_work import PATIENCE, given, planned, running
from sdk.live_at_work import Live

POISON = 577


def fragile(poison=(POISON,), name="fragile"):
    @make_operator(name=name, parallel=True)
    def kernel(part: DenseFrames, *, tough: bool = Param(False)) -> Values:
        """Fails on some frames, unless it is told to be tough."""
        bad = [frame for frame in poison if frame in part.index]
        if bad and not tough:
            raise RuntimeError(f"hot pixel in frame {bad[0]}")
        return part.values(sum=part.data.sum(axis=(1, 2)).astype(int))

    return kernel


class Totals(Reducer[dict]):
    """One slot for each frame."""

    def zero(self, scan):
        return {"slots": Slots(scan)}

    def add(self, state: dict, part: Values) -> None:
        state["slots"].add(part, {"sum": part.sum})

    def result(self, state: dict, progress) -> Image:
        return scan_image(progress, {"sum": state["slots"]["sum"]})


def totals(kind=Totals):
    return make_operator(name="totals")(kind)


def collector():
    arrived: list[DenseFrames | Values | Image] = []

    @make_operator(name="collect")
    def collect(part: DenseFrames | Values | Image) -> None:
        """Keeps what comes."""
        arrived.append(part)

    return collect, arrived


@asynccontextmanager
async def at_work(server, name, scan, *operators, edges, size=5, **options):
    """Operators that are planned and not started; a source of the scan and a sink beside them."""
    read, _ = given(scan, size=size)
    collect, arrived = collector()
    chain = [read, *operators, collect]
    async with running(server, planned(name, chain, edges, **options)) as run:
        yield Redriving(run, name, chain, arrived)


class Redriving:
    """A pipeline, its letters, and what arrived at its end."""

    def __init__(self, run, name, chain, arrived):
        self.run, self.chain, self.arrived = run, chain, arrived
        self.box = Box(run.broker, "test", name)
        self.live = Live(run, arrived)

    def start(self):
        return self.run.start(*self.chain)

    async def letters(self, **choice) -> list[Letter]:
        return await self.box.chosen(Choice(**choice))

    async def settle(self, seen):
        """Wait until something is so at the end of the pipeline."""
        async with asyncio.timeout(PATIENCE):
            while not seen():
                self.run.news.clear()
                await self.run.news.wait()

    async def redrive(self, **choice):
        done = [one async for one in self.box.send_again(await self.letters(**choice))]
        return [one.refused for one in done]

    @property
    def results(self) -> list[Image]:
        """The final results that came, in order."""
        return [part for part in self.arrived if isinstance(part, Image) and part.final]

    async def drained(self):
        """Wait until no message waits or is held anywhere."""
        entries = [e for c in self.run.plan.operators.values() for e in c.inputs]

        async def left():
            return [await self.run.broker.pending(e.stream, e.durable) for e in entries]

        async with asyncio.timeout(PATIENCE):
            while any(pair != (0, 0) for pair in await left()):
                self.run.news.clear()
                await self.run.news.wait()
