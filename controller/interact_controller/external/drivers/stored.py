"""Objects of JetStream's object store, read request by request: nobody subscribes, nothing stays open."""

import asyncio
import base64
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final

from interact_api import names
from interact_api.conditions import Reason
from interact_api.plain import mapping
from interact_api.problem import Problem

from interact_controller import answers
from interact_controller.errors import BrokerError
from interact_controller.external.driver import Ask, ExternalError, Refused

Read = Callable[[str, str, int], Awaitable[bytes]]
"""Gives an object by its bucket and name, of at most so many bytes; see `reader`."""
SECONDS: Final = 10.0
MOST_PIECES: Final = 1024
_REQUEST_SECONDS: Final = 5.0
_DIGEST: Final = "SHA-256="


def reader(ask: Ask) -> Read:
    """Reads whole objects.

    Args:
        ask: The way to NATS.

    Returns:
        A function that raises `Refused` if there is no such object, if it is a link, or longer
        than asked for; and `ExternalError` if it cannot be read whole now.
    """

    async def read(bucket: str, name: str, most: int) -> bytes:
        try:
            async with asyncio.timeout(SECONDS):
                return await _read(ask, bucket, name, most)
        except TimeoutError as error:
            message = f"object {bucket}/{name} was not read within {SECONDS:g} s"
            raise ExternalError(message) from error
        except (BrokerError, ValueError) as error:
            raise ExternalError(f"object {bucket}/{name} cannot be read: {error}") from error

    return read


async def _read(ask: Ask, bucket: str, name: str, most: int) -> bytes:
    subject = f"$O.{bucket}.M.{base64.urlsafe_b64encode(name.encode()).decode()}"
    kept = await _message(ask, bucket, {"last_by_subj": subject})
    about = {} if kept is None else mapping(json.loads(_data(kept)))
    if kept is None or about.get("deleted"):
        raise _refused(f"there is no object {bucket}/{name}; put it there, and run it again")
    if mapping(about.get("options")).get("link"):
        raise _refused(f"object {bucket}/{name} is a link; name the object itself")
    size, pieces = int(about.get("size", 0)), int(about.get("chunks", 0))
    if size > most or pieces > MOST_PIECES:
        words = f"{size:,} bytes in {pieces:,} pieces; at most {most:,} in {MOST_PIECES:,} are left"
        raise _refused(
            f"object {bucket}/{name} has {words} for it, let the work fetch it", Reason.TOO_LARGE
        )
    found, where, place = bytearray(), f"$O.{bucket}.C.{about.get('nuid', '')}", 1
    for _ in range(pieces):
        piece = await _message(ask, bucket, {"seq": place, "next_by_subj": where})
        if piece is None:
            break
        found += _data(piece)
        place = int(piece["seq"]) + 1
    digest = base64.urlsafe_b64encode(hashlib.sha256(found).digest()).decode()
    if len(found) != size or about.get("digest", "") != f"{_DIGEST}{digest}":
        raise ExternalError(f"object {bucket}/{name} is not whole; it is being written, perhaps")
    return bytes(found)


async def _message(ask: Ask, bucket: str, which: dict[str, Any]) -> dict[str, Any] | None:
    """A message of the bucket's stream; None if there is none."""
    where = f"$JS.API.STREAM.MSG.GET.{names.objects_stream(names.token(bucket))}"
    told = await ask(where, json.dumps(which).encode(), _REQUEST_SECONDS)
    if told is None:
        raise ExternalError("NATS answers without JetStream; start nats-server with -js")
    answer = mapping(json.loads(told))
    error = mapping(answer.get("error"))
    if int(error.get("err_code") or 0) in answers.NOT_FOUND:
        return None
    if error:
        raise ExternalError(f"JetStream gives no object: {error.get('description')}"[:500])
    return mapping(answer.get("message"))


def _data(message: dict[str, Any]) -> bytes:
    return base64.b64decode(str(message.get("data") or ""))


def _refused(message: str, reason: Reason = Reason.INVALID_SPEC) -> Refused:
    return Refused(Problem("inputs", reason, message))
