"""Questions to JetStream's API, patiently: what got no answer, and what it means."""

import base64
import json
import logging
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from interact._errors import BrokerError

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 5.0
NO_MESSAGE, NO_STREAM = 10037, 10059
WRONG_REVISION = frozenset({10071, 10164})
"""nats-server, errors.json: wrong last sequence, the same with the one that is right."""


async def ask(
    client: Client,
    subject: str,
    payload: bytes | memoryview = b"",
    headers: dict[str, str] | None = None,
) -> Msg | None:
    """The answer to a request; None if none came in time.

    Raises:
        BrokerError: If the connection is closed for good.
    """
    try:
        return await client.request(subject, payload, timeout=ANSWER_SECONDS, headers=headers)  # type: ignore[arg-type]  # a view is written as bytes are
    except (nats.errors.ConnectionClosedError, nats.errors.ConnectionDrainingError) as error:
        raise BrokerError("the connection to NATS was closed") from error
    except (nats.errors.Error, TimeoutError, OSError):
        return None


async def call(client: Client, name: str, asked: dict[str, Any] | None = None) -> dict[str, Any]:
    """An answer of the API as JSON; empty if none came.

    Raises:
        BrokerError: If the connection is closed for good.
    """
    answer = await ask(client, f"$JS.API.{name}", json.dumps(asked or {}).encode())
    if answer is None:
        return {}
    found: dict[str, Any] = json.loads(answer.data or b"{}")
    return found


def refusal(answer: dict[str, Any]) -> int:
    """The error code of an answer; 0 if it is none, −1 if there was no answer."""
    if not answer:
        return -1
    return int((answer.get("error") or {}).get("err_code", 0))


async def last_message(client: Client, stream: str, subject: str) -> tuple[bytes, int] | None:
    """The last message of a subject and its sequence, (empty, 0) without one; None if unknown."""
    answer = await call(client, f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject})
    code = refusal(answer)
    if code in {NO_MESSAGE, NO_STREAM}:
        return b"", 0
    if code:
        return None
    message = answer["message"]
    return base64.b64decode(message.get("data") or b""), int(message["seq"])


async def stored(client: Client, stream: str, sequence: int) -> bool:
    """Whether a message is still in a stream; True where that is not known."""
    answer = await call(client, f"STREAM.MSG.GET.{stream}", {"seq": sequence})
    return refusal(answer) != NO_MESSAGE


async def first_sequence(client: Client, stream: str) -> int:
    """The number of the first message a stream holds; 0 where that is not known."""
    answer = await call(client, f"STREAM.INFO.{stream}")
    return 0 if refusal(answer) else int(answer["state"]["first_seq"])


async def purge(client: Client, stream: str, subject: str) -> bool:
    """Remove the messages of a subject; whether that is done."""
    return refusal(await call(client, f"STREAM.PURGE.{stream}", {"filter": subject})) == 0


async def remove(client: Client, stream: str, sequence: int) -> bool:
    """Remove one message; whether it is not there any more."""
    asked = {"seq": sequence, "no_erase": True}
    answer = await call(client, f"STREAM.MSG.DELETE.{stream}", asked)
    return refusal(answer) in {0, NO_MESSAGE, 10043, 10057}


async def subjects(client: Client, stream: str, within: str) -> list[str]:
    """The subjects of a stream that match; none where that is not known."""
    found: list[str] = []
    while True:
        asked = {"subjects_filter": within, "offset": len(found)}
        answer = await call(client, f"STREAM.INFO.{stream}", asked)
        page = (answer.get("state") or {}).get("subjects") or {}
        found += page
        if not page or len(found) >= int(answer.get("total", 0)):
            return found
