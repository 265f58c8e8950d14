"""Rows: somebody is slow, or there is no room."""

import time

from interact_api.config import OutputConfig
from nats.js.api import StorageType, StreamConfig
from nats.js.client import JetStreamContext
from nats.js.errors import Error

from chaos.local import Local, LocalRun, Nats
from chaos.pipeline import MIB, Setup
from chaos.runs import PATIENCE
from chaos.table import row

FULL = Setup(
    rows=25, gate=0, max_bytes=MIB // 2, port_bytes={"sums": 32 << 10},
    parameters={"frames": {"pause": 0.0, "edge": 96}, "kept": {"pause": 0.3}},
)  # fmt: skip
"""Its frames are 18 MB, of which the streams hold half a MiB."""
GROWTH_BYTES = 8 * MIB
PER_MESSAGE = 4
"""Frames in a message."""


@row(
    "a hundred times slower than its producer, later as fast",
    "a sink",
    "streams never hold more than maxBytes; the source waits, and sends no more than the sink takes; the "
    "memory of every process stays as it is; then all arrives, each frame once",
    settings="maxBytes 512Ki and 32Ki, onFull Block",
)
async def a_slow_sink(on: Local) -> None:
    async with on.running(FULL) as run:
        room = await _full(run)
        memory = run.memory()
        for _ in range(3):
            await run.lasting(0.3)
            await _within_bounds(run)
            stored = await _stored(run)
            assert stored <= len(run.kept) + room, "the source sends what the sink has taken"
        sent = len(run.sent)
        await run.set("kept", pause=0.0)
        await run.finished()

        assert sent < run.setup.total // 2
        grown = {one: bytes_ - memory[one] for one, bytes_ in run.memory().items()}
        assert max(grown.values()) < GROWTH_BYTES, grown
        await _within_bounds(run)
        run.exact()


async def _full(run: LocalRun) -> int:
    """Wait until there is no room in any stream before the sink, and the source waits.

    Gives the number of frames these streams hold at most.
    """
    end, outputs = time.monotonic() + PATIENCE, [_output(run, one) for one in ("frames", "sums")]
    while True:
        states = [(await run.broker.context.stream_info(one.stream)).state for one in outputs]
        if _waits(run) and all(state.messages for state in states):
            sizes = [state.bytes / state.messages for state in states]
            room = [int(one.max_bytes / size) for one, size in zip(outputs, sizes, strict=True)]
            if all(state.messages >= most - 1 for state, most in zip(states, room, strict=True)):
                return sum(most + 1 for most in room) * PER_MESSAGE  # sizes differ by some bytes
        assert time.monotonic() < end, f"the source does not wait\n{run.words()}"
        await run.lasting(0.05)


async def _stored(run: LocalRun) -> int:
    """Frames the source's stream has ever taken."""
    info = await run.broker.context.stream_info(_output(run, "frames").stream)
    return info.state.last_seq * PER_MESSAGE


def _output(run: LocalRun, operator: str) -> OutputConfig:
    return run.plan.operators[operator].outputs[0]


def _waits(run: LocalRun) -> bool:
    told = run.tells("frames")
    return told is not None and told.blocked_seconds > 0.2


async def _within_bounds(run: LocalRun) -> None:
    outputs = [one for config in run.plan.operators.values() for one in config.outputs]
    held = await run.stored()
    assert all(held[one.stream] <= one.max_bytes for one in outputs), held


@row(
    "its store is full of another program's messages, later it has room",
    "nats-server",
    "the source waits; then all arrives, each frame once",
)
async def a_full_account(on: Local) -> None:
    with Nats.shared(on.folder("nats"), max_memory=72 * MIB) as nats:
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
