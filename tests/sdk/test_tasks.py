"""Endless loops end when they are asked to, whatever swallows the cancellation."""

import asyncio

from interact._tasks import wanted


async def test_a_loop_ends_though_its_cancellation_was_swallowed():
    turns = asyncio.Event()

    async def loop():
        while wanted():
            turns.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue  # as asyncio.wait_for does in a race

    task = asyncio.create_task(loop())
    await turns.wait()
    task.cancel()

    async with asyncio.timeout(10):
        await asyncio.wait({task})
    assert task.done()
