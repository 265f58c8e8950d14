"""Waiting for what a driver's other side has to do first."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

WITHIN_SECONDS = 60.0
_PAUSE_SECONDS = 0.05
Seen = TypeVar("Seen")


async def until(look: Callable[[], Awaitable[Seen]]) -> Seen:
    """Look until there is something true; gives what was seen."""
    pause = asyncio.Event()
    async with asyncio.timeout(WITHIN_SECONDS):
        while True:
            if found := await look():
                return found
            try:
                await asyncio.wait_for(pause.wait(), _PAUSE_SECONDS)
            except TimeoutError:
                continue
