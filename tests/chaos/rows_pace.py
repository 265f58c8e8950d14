"""Rows: somebody is slow, or there is no room."""

import numpy as np
from nats.js.api import StorageType, StreamConfig
from nats.js.client import JetStreamContext
from nats.js.errors import Error

from chaos.local import Local, LocalRun, Nats
from chaos.pipeline import MIB, Setup
from chaos.table import row

SMALL = 64 << 10
FULL = Setup(
    rows=25, columns=80, gate=0, max_bytes=SMALL,
    parameters={"frames": {"pause": 0.0}, "kept": {"pause": 0.5}},
)  # fmt: skip


@row(
    "a hundred times slower than its producer, later as fast",
    "a sink",
    "streams never hold more than maxBytes; the source waits; then all arrives, each frame once",
    settings="maxBytes 64Ki, onFull Block",
)
async def a_slow_sink(on: Local) -> None:
    async with on.running(FULL) as run:

        def waits() -> bool:
            told = run.tells("frames")
            return told is not None and told.blocked_seconds > 0.5

        await run.until(waits, "the source waits for room")
        assert max((await run.stored()).values()) <= SMALL
        sent = len(np.unique(run.sent[:, 1]))
        assert run.done < 0.5
        await run.set("kept", pause=0.0)
        await run.finished()

        assert sent < run.setup.total
        assert max((await run.stored()).values()) <= SMALL
        run.exact()


@row(
    "its store is full of another program's messages, later it has room",
    "nats-server",
    "the source waits; then all arrives, each frame once",
)
async def a_full_account(on: Local) -> None:
    with Nats.shared(on.folder("nats"), max_memory=60 * MIB) as nats:
        async with on.running(Setup(replicas=1, max_bytes=4 * MIB), nats=nats) as run:
            await run.reached(0.2)
            await _fill(run.broker.context)
            run.open()

            await run.until(lambda: _refused(run), "the source is refused, and says so")
            assert run.done < 1
            await run.broker.context.delete_stream("foreign")
            await run.finished()
            run.exact()


def _refused(run: LocalRun) -> bool:
    told = run.tells("frames")
    return told is not None and any("insufficient" in words for words in told.warnings)


async def _fill(context: JetStreamContext) -> None:
    await context.add_stream(
        StreamConfig(name="foreign", subjects=["foreign"], storage=StorageType.MEMORY)
    )
    for size in (MIB, 1 << 12, 64):
        try:
            while True:
                await context.publish("foreign", bytes(size))
        except Error:
            continue
