"""Ending tasks that loop for ever."""

import asyncio


def wanted() -> bool:
    """Whether nobody has asked the current task to end; the condition of every endless loop.

    A cancellation alone is not enough: ``asyncio.wait_for`` of Python 3.11 swallows it when what it
    waits for ends at the same moment (CPython issue 86296), and every request to NATS waits so.
    """
    task = asyncio.current_task()
    return task is None or not task.cancelling()
