"""How soon a running pipeline does what a person asks: a parameter is in effect, a trigger answered."""

import asyncio
import json
import secrets
import time
from dataclasses import dataclass, field

import numpy as np
from interact import _jetstream
from interact._jetstream._talking import Talk
from interact_api import calls, names
from interact_api import wire as format_of_messages
from interact_api.calls import Call
from interact_api.report import Report

from benchmarks import flow
from benchmarks.figures import Figure, Goal, Side, Table
from benchmarks.flow import STAGES, Flow, Stage
from benchmarks.wire import SMALL_BYTES

RATE = 1_000
REPLICAS = 2
PATIENCE_SECONDS = 30.0
GOAL_MILLISECONDS = 100.0
"""And the time of one batch: a message that is being worked on is finished as it was begun."""


@dataclass
class Revisions:
    """When the first message of each revision came."""

    first: dict[int, float] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def hear(self, payload: bytes, subject: str) -> None:
        """Note one message."""
        del subject
        header, _ = format_of_messages.parse(payload)
        if header.revision not in self.first:
            self.first[header.revision] = time.monotonic()
            self.news.set()

    async def of(self, revision: int) -> float:
        """When the first message of a revision came."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while revision not in self.first:
                self.news.clear()
                await self.news.wait()
        return self.first[revision]


@dataclass(frozen=True)
class Found:
    """Milliseconds, each from the request on."""

    effect: list[float]
    answer: list[float]


async def found(*, count: int) -> Found:
    """Set a parameter and call a trigger so often, one after the other."""
    content = {"message_bytes": SMALL_BYTES, "frames_per_message": 1, "rate": RATE}
    chain = [
        Stage("source", STAGES / "blanks.py", content),
        Stage("worker", STAGES / "marked.py", replicas=REPLICAS),
        Stage("sink", STAGES / "counted_in.py"),
    ]
    heard = Revisions()
    async with (
        flow.flow(chain, watch={"worker": heard.hear}) as running,
        _jetstream.connect(running.server.url, name="asks", token=running.server.token) as broker,
    ):
        await running.until(lambda: bool(heard.first), PATIENCE_SECONDS, "the first frame came")
        effect = [await _effect(running, broker, heard, number) for number in range(2, count + 2)]
        answer = [await _answer(running, Talk(broker)) for _ in range(count)]
    return Found(effect, answer)


async def _effect(
    running: Flow, broker: _jetstream.JetStream, heard: Revisions, revision: int
) -> float:
    """From the write to the first message that was made with it."""
    document = {
        name: {"revision": 1, "values": config.parameters}
        for name, config in running.plan.operators.items()
    }
    document["worker"] = {"revision": revision, "values": {"mark": revision}}
    since = time.monotonic()
    await broker.put(running.plan.bucket.name, "parameters", json.dumps(document).encode())
    took = await heard.of(revision) - since
    await running.until(
        lambda: all(_in_use(running.latest("worker", n)) >= revision for n in range(REPLICAS)),
        PATIENCE_SECONDS, "every replica used it",
    )  # fmt: skip
    return 1e3 * took


def _in_use(told: Report | None) -> int:
    return told.revision if told is not None else 0


async def _answer(running: Flow, talk: Talk) -> float:
    """From a call to its answer, the function executed between two messages."""
    config = running.plan.operators["worker"]
    subject = names.trigger_subject(config.namespace, config.pipeline, config.operator, "ping")
    since = time.monotonic()
    call = Call(secrets.token_hex(8), seconds=PATIENCE_SECONDS)
    told = calls.answer(await talk.ask(subject, calls.encode(call), PATIENCE_SECONDS))
    if told.outcome != "done":
        raise RuntimeError(f"the trigger was not executed: {told}")
    return 1e3 * (time.monotonic() - since)


def bench(*, quick: bool) -> Table:
    """Percentiles of both times."""
    count = 20 if quick else 100
    times = asyncio.run(found(count=count))
    goal = Goal(GOAL_MILLISECONDS, at_least=False)
    figures = [
        Figure(
            f"{what}, {name}", "ms", Side("SDK", (float(np.percentile(values, percent)),)),
            goal=goal if limited else None,
        )
        for what, values, limited in (
            ("parameter in effect", times.effect, True),
            ("trigger answered", times.answer, False),
        )
        for percent, name in ((50, "p50"), (99, "p99"))
    ]  # fmt: skip
    return Table(
        "live",
        f"{SMALL_BYTES:,} bytes, {RATE:,} frames/s, {REPLICAS} replicas",
        tuple(figures),
        (
            f"{count} of each, one after the other; from the request to the first message, or answer",
        ),
    )
