"""A call of an external operator's class as it travels, from the controller to the pod that has it."""

from enum import StrEnum
from typing import Final, TypeVar

import pydantic
from pydantic import Field, JsonValue

from interact_api import bounded_json
from interact_api.external import Handle, Observation, OperatorResult, Run
from interact_api.model import Bool, Model, Text

MAX_BYTES: Final = 512 * 2**10
"""Of a call or an answer; nats-server takes 1 MiB."""


class Method(StrEnum):
    """What is asked of the class."""

    PREPARE = "prepare"
    SUBMIT = "submit"
    LOOKUP = "lookup"
    CHECK = "check"
    COLLECT = "collect"
    CANCEL = "cancel"


class Failure(StrEnum):
    """Why there is no result: ask again, it may have happened, or it never will."""

    AGAIN = "again"
    AMBIGUOUS = "ambiguous"
    REFUSED = "refused"


class ExternalCall(Model):
    """One call."""

    method: Method = Field(description="What is asked.")
    run: Run | None = Field(default=None, description="Of which run; for prepare, submit, lookup.")
    handle: Handle | None = Field(default=None, description="Of which work; for all but lookup.")


class ExternalAnswer(Model):
    """What became of a call; what is asked for, or why not."""

    handle: Handle | None = Field(default=None, description="Of prepare, submit and lookup.")
    observation: Observation | None = Field(default=None, description="Of check.")
    result: OperatorResult | None = Field(default=None, description="Of collect.")
    stopped: Bool = Field(default=False, description="Of cancel: whether the work has ended.")
    failure: Failure | None = Field(default=None, description="Why there is nothing.")
    message: Text = Field(default="", description="The same for people.")


Message = TypeVar("Message", ExternalCall, ExternalAnswer)


def encode(message: ExternalCall | ExternalAnswer) -> bytes:
    """A call or an answer as JSON."""
    return message.model_dump_json(by_alias=True, exclude_none=True).encode()


def decode(kind: type[Message], payload: bytes) -> Message:
    """A call or an answer read back.

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
