"""What JetStream's API answers: lists page by page, and refusals as errors of ours."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from interact_controller import stream_json
from interact_controller.errors import BrokerUnreachable, OverBudget, StreamRefused
from interact_controller.stream_json import Page

NOT_FOUND: Final = frozenset({10014, 10059, 10037})
"""nats-server, errors.json: no consumer, no stream, no message."""
TAKEN: Final = frozenset({10058})
"""nats-server, errors.json: a stream of this name with another configuration."""
NO_ROOM: Final = frozenset({10002, 10023, 10028, 10047})
"""nats-server, errors.json: account, resources, memory or storage exceeded."""


async def pages(ask: Callable[[bytes], Awaitable[bytes]], what: str) -> AsyncIterator[Page]:
    """The pages of a list; none where there is nothing to list.

    Args:
        ask: Gives the answer to the request for a page.
        what: What is listed, in the API's words.

    Raises:
        BrokerUnreachable, StreamRefused: As `refuse`.
    """
    offset = 0
    while True:
        page = stream_json.page(await ask(b'{"offset":%d}' % offset))
        error = page.error or {}
        if int(error.get("err_code", 0)) in NOT_FOUND:
            return
        refuse({"error": error}, what)
        yield page
        offset += len(page)
        if not len(page) or offset >= page.total:
            return


def refuse(answer: Mapping[str, Any], what: str) -> None:
    """Raise what an answer says to be wrong; nothing if it says nothing.

    Args:
        answer: Of JetStream's API.
        what: What was asked for, in words.

    Raises:
        OverBudget: If there is no room.
        BrokerUnreachable: If it is to be asked again.
        StreamRefused: If it will never be.
    """
    error = answer.get("error")
    if not error:
        return
    words = f"{error.get('description', 'no reason given')} (err {error.get('err_code', 0)})"
    if int(error.get("err_code", 0)) in NO_ROOM:
        raise OverBudget(words)
    if int(error.get("code", 0)) == 503:
        raise BrokerUnreachable(f"JetStream cannot {what} just now: {words}")
    raise StreamRefused(f"JetStream refused {what}: {words}")
