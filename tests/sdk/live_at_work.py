"""A chain of operators at work whose parameters a test changes."""

import asyncio
import itertools
import json
from contextlib import asynccontextmanager

import numpy as np
from interact import Param, Scan, Values
from interact import operator as make_operator
from interact import source as make_source
from interact._live_values import KEY
from interact.testing import split
from sdk.at_work import collector, planned, running

UNKNOWN = {"nothing": 1}
"""A value every operator refuses: its refusal tells that the others have been heard."""


def fed():
    """A source of what a test puts into its queue; None ends it."""
    parts: asyncio.Queue[Values | None] = asyncio.Queue()

    @make_source(name="given", outputs={"out": "values"})
    async def read():
        """What the test hands it."""
        while (part := await parts.get()) is not None:
            yield part

    return read, parts


@make_operator(name="scale", parallel=True)
def scale(
    part: Values, *, gain: float = Param(1.0, minimum=0), offset: float = Param(0.0, scope="scan")
) -> Values:
    """Tells the parameters it was called with."""
    return part.values(gain=np.full(len(part), gain), offset=np.full(len(part), offset))


def numbered(name, parts=7):
    """The messages of one scan."""
    scan = Scan(name, (parts * 5,))
    return split(Values(scan=scan, start=0, stop=parts * 5, columns={"v": np.zeros(parts * 5)}), 5)


class Live:
    """A chain at work whose parameters a test changes."""

    def __init__(self, run, arrived):
        self.run, self.arrived = run, arrived
        self.revision = 1
        self.document = {
            name: {"revision": 1, "values": config.parameters}
            for name, config in run.plan.operators.items()
        }

    async def set(self, operator="scale", **values):
        """Write a new revision, as a controller does: whole, with what others have."""
        self.revision += 1
        self.document[operator] = {"revision": self.revision, "values": values}
        document = json.dumps(self.document).encode()
        await self.run.broker.put(self.run.plan.bucket.name, KEY, document)

    async def set_and_heard(self, operator="scale", **values):
        """The same, and wait until the operator has it, whatever of it is in effect."""
        await self.set(operator, **values, **UNKNOWN)
        await self.run.until(operator, lambda told: "nothing" in told.refused)

    async def took(self, frames):
        await self.run.until("collect", lambda told: told.frames_in == frames)

    def used(self, column, scan=None):
        """The values the outputs were made with, in the order of their frames."""
        parts = [part for part in self.arrived if scan is None or part.scan.id == scan]
        return [
            float(part.columns[column][0]) for part in sorted(parts, key=lambda part: part.start)
        ]

    @property
    def scans(self):
        return list(dict.fromkeys(part.scan.id for part in self.arrived))


@asynccontextmanager
async def at_work(server, name, read, *operators):
    collect, arrived = collector()
    chain = [read, *operators, collect]
    edges = [(f"{a.name}.out", f"{b.name}.part") for a, b in itertools.pairwise(chain)]
    async with running(server, planned(name, chain, edges)) as run:
        live = Live(run, arrived)
        async with run.start(*chain):
            await run.until(chain[-1].name, lambda told: told.state in {"running", "done"})
            yield live
