"""Models that cross from one process to another as JSON, and are read back within bounds."""

from typing import Final, TypeVar

import pydantic
from pydantic import JsonValue

from interact_api import bounded_json
from interact_api.model import Model

MAX_BYTES: Final = 512 * 2**10
"""Of one question or answer; what is larger goes by reference."""

Message = TypeVar("Message", bound=Model)


def encode(message: Model) -> bytes:
    """A question or an answer as JSON, without what it would be anyway."""
    return message.model_dump_json(by_alias=True, exclude_defaults=True).encode()


def decode(kind: type[Message], payload: bytes) -> Message:
    """A question or an answer read back.

    Raises:
        ValueError: If it is none; says why without what was sent.
    """
    value: JsonValue = bounded_json.parse(payload, max_bytes=MAX_BYTES)
    try:
        return kind.model_validate(value)
    except pydantic.ValidationError as error:
        [first, *_] = error.errors(include_url=False, include_input=False)
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{kind.__name__}.{where}: {first['msg']}"[:500]) from error
