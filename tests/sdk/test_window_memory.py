"""A consumer a hundred times slower than its producer: nobody's memory grows, and nothing is lost."""

import asyncio
import sys
from pathlib import Path
from statistics import median

import pytest
from sdk.looking import pause
from sdk.steady_sender import resident_bytes
from sdk.test_window import MIB, PATIENCE, Sink, bytes_of, connected, edge

pytestmark = [pytest.mark.nats, pytest.mark.slow]

WARM, LOOKS = 6, 30
"""Looks twice a second: three seconds to warm up, fifteen in which nothing may grow."""
THIRD = LOOKS // 3
PAUSE_SECONDS = 0.01
"""Of the slow consumer: a hundred messages a second, where the producer could send thousands."""
MARGIN = 4 * MIB
"""In the ten seconds between two thirds 60 MiB pass; the window of the sender has 1 MiB."""


async def test_a_consumer_a_hundred_times_slower_keeps_everybody_small(server):
    plan = edge("steady", max_bytes=8 * MIB)
    program = Path(__file__).parent / "steady_sender.py"
    sender, servers, reader, full, taken = [], [], [], [], []
    enough = asyncio.Event()

    async with connected(server, "slow") as broker:
        await broker.make(plan)
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(program), server.url, server.token, "steady.out.s",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(PATIENCE):
            slow = asyncio.create_task(crawl(broker, plan.name, taken, enough))
            for _ in range(WARM + LOOKS):
                resident, _ = (await process.stdout.readline()).split()
                sender.append(int(resident))
                servers.append(resident_bytes(server.pid))
                reader.append(resident_bytes())
                full.append(await bytes_of(broker, plan.name))
            enough.set()
            await slow
            process.stdin.close()
            sink = Sink(broker, plan.name)
            rest = asyncio.create_task(sink.take(1 << 30))
            sink.opened.set()
            *_, last = [line async for line in process.stdout]
            sent = int(last.split()[1])
            while len(known(taken + sink.payloads)) < sent:  # counts what came
                await pause(0.05)
            rest.cancel()
            await asyncio.gather(rest, return_exceptions=True)
            await process.wait()
        await broker.context.delete_stream(plan.name)

    assert max(full) <= plan.max_bytes
    assert min(full[WARM:]) > plan.max_bytes * 3 // 4, "the stream was full all the time"
    assert grown(sender) < MARGIN
    assert grown(servers) < MARGIN
    assert grown(reader) < MARGIN
    assert known(taken + sink.payloads) == set(range(sent))


def grown(samples):
    """How much more there was at the end than after the warm-up; a garbage collector's peaks aside."""
    return median(samples[-THIRD:]) - median(samples[WARM : WARM + THIRD])


def known(payloads):
    return {int.from_bytes(payload[:4]) for payload in payloads}


async def crawl(broker, stream, taken, enough):
    """Take messages slowly, until it is enough; what is held then is handed back."""
    wake = asyncio.Event()
    async with broker.consume(stream, "reader", wake=wake.set, max_bytes=MIB) as inlet:
        while not enough.is_set():
            wake.clear()
            held = await inlet.take()
            if held is None:
                await wake.wait()
                continue
            await pause(PAUSE_SECONDS)  # the work of a slow kernel
            inlet.pace(PAUSE_SECONDS)
            taken.append(held.payload[:4])
            await held.ack()
        for left in await inlet.stop():
            await left.hand_back()
