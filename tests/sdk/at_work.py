"""Operators at work on one connection, as tests start, watch and stop them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from interact import (
    DenseFrames,
    Resume,
    Values,
    _runtime,
    _spec,
)
from interact import operator as make_operator
from interact import source as make_source
from interact._jetstream import JetStream, connect
from interact.testing import frames, split
from interact_api import report
from interact_api.choices import Storage
from interact_api.load import load
from interact_api.stream_plan import Plan, PlanSettings
from interact_api.streams import plan

SCAN = frames(shape=(5, 7, 48, 64))
SUMS = SCAN.data.sum(axis=(1, 2)).astype(int)
PATIENCE = 30.0
MIB = 1 << 20


def planned(
    name, operators, edges, *, max_bytes=16 * MIB, ack_wait="30s", storage=Storage.MEMORY,
    dead_letter_bytes=16 * MIB, delivery=None,
) -> Plan:  # fmt: skip
    """The plan of a pipeline; ``delivery`` is that of the first operator's port "out"."""
    text = "---\n".join(_spec.document(one) for one in operators)
    placed: list[dict[str, Any]] = [
        {"name": one.name, "operatorRef": {"name": one.name}} for one in operators
    ]
    if delivery is not None:
        placed[0]["outputs"] = [{"name": "out", "delivery": delivery}]
    spec = {
        "operators": placed,
        "edges": [{"from": a, "to": b, "ackWait": ack_wait} for a, b in edges],
    }
    pipeline = {
        "apiVersion": "interact.science/v1alpha1", "kind": "Pipeline",
        "metadata": {"name": name}, "spec": spec,
    }  # fmt: skip
    found = load(f"{text}---\n{json.dumps(pipeline)}", origin="test")
    settings = PlanSettings(
        namespace="test", installation="test", run=f"{name:0<16}".encode().hex()[:32],
        storage=storage, state_storage=storage, max_bytes=max_bytes, state_bytes=MIB,
        dead_letter_bytes=dead_letter_bytes, images_bytes=16 * MIB,
    )  # fmt: skip
    return plan(found.pipelines[0], {o.metadata.name: o for o in found.operators}, settings)


class Running:
    """Operators at work on one connection, and what they told last."""

    def __init__(self, broker: JetStream, plan: Plan) -> None:
        self.broker = broker
        self.plan = plan
        self.told: dict[str, report.Report] = {}
        self.news = asyncio.Event()

    async def heard(self, payload: bytes, _: str) -> None:
        told = report.decode(payload)
        self.told[told.operator] = told
        self.news.set()

    async def until(self, name: str, wanted, *, patience: float = PATIENCE) -> report.Report:
        async with asyncio.timeout(patience):
            while name not in self.told or not wanted(self.told[name]):
                self.news.clear()
                await self.news.wait()
        return self.told[name]

    @asynccontextmanager
    async def start(self, *operators) -> AsyncIterator[None]:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for one in operators:
                config = self.plan.operators[one.name]
                group.create_task(_runtime.serve(one, config, self.broker, stop=stop))
            yield
            stop.set()


@asynccontextmanager
async def running(server, plan: Plan) -> AsyncIterator[Running]:
    async with connect(server.url, name="test", token=server.token) as broker:
        for stream in plan.streams:
            await broker.make(stream)
        await broker.make_bucket(plan.bucket)
        run = Running(broker, plan)
        await broker.watch("interact-status.test.>", run.heard)
        yield run
        for stream in plan.streams:
            await broker.context.delete_stream(stream.name)
        await broker.context.delete_key_value(plan.bucket.name)


def given(scan, *, size=5, upto=None):
    @make_source(name="given", outputs={"out": "dense"})
    def read(*, resume: Resume):
        """Part of a scan, from where a former life stopped."""
        told.append(resume)
        for part in split(scan, size):
            if part.stop > resume.index and (upto is None or part.stop <= upto):
                yield part

    told: list[Resume] = []
    return read, told


def collector():
    arrived: list[DenseFrames | Values] = []

    @make_operator(name="collect")
    def collect(part: DenseFrames | Values) -> None:
        """Keeps what comes."""
        arrived.append(part)

    return collect, arrived
