"""The loop that removes streams whose pipeline is gone, after two looks some time apart."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from interact_controller import sweeping
from interact_controller.errors import ControllerError
from interact_controller.policy import Policy
from interact_controller.ports import Broker
from interact_controller.sweeping import Orphan

logger = logging.getLogger(__name__)


async def sweep(
    broker: Broker,
    live_uids: Callable[[], Awaitable[frozenset[str]]],
    policy: Policy,
    *,
    seconds: float,
    may_write: Callable[[], bool],
) -> None:
    """Look for orphans for ever; what was one twice is removed.

    Args:
        broker: JetStream.
        live_uids: The uids of all pipelines, read from the API server and not from a copy.
        policy: The administrator's decisions.
        seconds: Between two looks.
        may_write: Whether this process still leads.
    """
    before: frozenset[Orphan] = frozenset()
    while True:
        await asyncio.sleep(seconds)
        try:
            before = await once(broker, live_uids, policy, before, may_write)
        except ControllerError as error:
            before = frozenset()  # two looks in a row, or none
            logger.warning("streams could not be swept", extra={"error": str(error)})


async def once(
    broker: Broker,
    live_uids: Callable[[], Awaitable[frozenset[str]]],
    policy: Policy,
    before: frozenset[Orphan],
    may_write: Callable[[], bool],
) -> frozenset[Orphan]:
    """One look; the orphans it found and left.

    Streams are listed first: a pipeline made after that has no streams in the list.
    """
    streams = await broker.streams(policy.installation)
    now = sweeping.orphans(streams, await live_uids(), policy)
    gone = sweeping.swept(before, now)
    for name in gone:
        if not may_write():
            return frozenset()
        await broker.remove(name)
        logger.info("stream swept", extra={"stream": name})
    return frozenset(one for one in now if one.stream not in gone)
