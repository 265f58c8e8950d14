"""Looking again and again at what nobody tells of."""

import asyncio
from contextlib import suppress


async def pause(seconds: float = 0.02) -> None:
    """Let others have their turn between two looks."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()
