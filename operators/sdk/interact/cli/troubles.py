"""Watching a local run for what is abnormal: the controller's conditions, in the same words."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

from interact_api import flow
from interact_api.board import Board
from interact_api.stream_plan import Plan

from interact._jetstream import JetStream, _looking
from interact._tasks import wanted

LOOK_SECONDS = 2.0
LONGEST_SECONDS = 3.0


async def watch(broker: JetStream, board: Board, plans: Mapping[str, Plan]) -> None:
    """Look at edges and dead letters until cancelled."""
    while wanted():
        await look(broker, board, plans)
        await asyncio.sleep(LOOK_SECONDS)


async def look(broker: JetStream, board: Board, plans: Mapping[str, Plan]) -> None:
    """Note how the edges of a run are, and what is wrong there, on its board.

    A server that does not answer in time costs the news only.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(LONGEST_SECONDS):
            await _look(broker, board, plans)


async def _look(broker: JetStream, board: Board, plans: Mapping[str, Plan]) -> None:
    for name, plan in plans.items():
        if not broker.client.is_connected:
            return
        configs = plan.operators.values()
        edges = await _looking.edges(broker, configs)
        letters = await _looking.letters(broker, next(iter(configs))) if configs else None
        board.edges[name], board.letters[name] = edges, letters
        board.troubles[name] = tuple(flow.troubles(board.of(name), edges, letters, time.time()))


def lines(board: Board) -> list[str]:
    """What is abnormal, one line for each condition that holds."""
    several = len(board.pipelines) > 1
    return [
        f"{f'{name}: ' if several else ''}{one.type} ({one.reason}): {one.message}"
        for name in board.pipelines
        for one in board.troubles.get(name, ())
    ]
