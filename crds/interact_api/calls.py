"""A call of a trigger as it travels: the question, each replica's answer, and what arguments may be."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from interact_api.parameters import Parameter, ParameterError, Value, coerce, default_value
from interact_api.problem import listed

MAX_CALL_BYTES: Final = 1 << 16
MAX_ID: Final = 64


class Outcome(StrEnum):
    """What became of a call at a replica.

    Only `DONE`, `FAILED` and `UNKNOWN` may have had effects.
    """

    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"
    NOT_RUNNING = "not-running"
    UNKNOWN = "unknown"


class Call(msgspec.Struct, frozen=True):
    """A call of a trigger.

    Attributes:
        id: Its own; a call that is repeated with the same id is not executed again.
        arguments: By name.
        seconds: How long an answer is waited for.
        by: Who calls.
    """

    id: str
    arguments: dict[str, Any] = {}
    seconds: float = 30.0
    by: str = ""


class Problem(msgspec.Struct, frozen=True):
    """An argument that is not taken: where, as a JSON pointer, and why."""

    pointer: str
    message: str


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of a call at one replica.

    Attributes:
        id: The call's.
        replica: Which one.
        outcome: What became of it.
        result: What it gave, as JSON; of a drain, a list.
        error: Why there is no result, as ``Type: message``.
        problems: What is wrong with the arguments, all at once.
        published: Pictures it sent.
        calls: How often the function was called.
        seconds: It took.
        repeated: Whether this is the answer of before to the same id.
    """

    id: str
    replica: int
    outcome: Outcome
    result: Any = None
    error: str = ""
    problems: tuple[Problem, ...] = ()
    published: int = 0
    calls: int = 0
    seconds: float = 0.0
    repeated: bool = False


class ArgumentsError(ValueError):
    """Arguments a trigger does not take; says all that is wrong with them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(one.message for one in problems))


def arguments(parameters: Sequence[Parameter], given: Mapping[str, Any]) -> dict[str, Value | None]:
    """The arguments of a call, each as its parameter's type, defaults filled in.

    Raises:
        ArgumentsError: If any is not taken, unknown or missing; names all of them.
    """
    declared = {one.name: one for one in parameters}
    found: dict[str, Value | None] = {}
    problems = list(_strangers(declared, given))
    for name, one in declared.items():
        try:
            if given.get(name) is not None:
                found[name] = coerce(one, given[name])
            elif one.required:
                message = f"parameter {name!r} is required; write {name}=…"
                problems.append(Problem(_pointer(name), message))
            else:
                found[name] = default_value(one)
        except ParameterError as error:
            problems.append(Problem(_pointer(name), str(error)))
    if problems:
        raise ArgumentsError(problems)
    return found


def _strangers(declared: Mapping[str, Parameter], given: Mapping[str, Any]) -> Iterator[Problem]:
    for name in given:
        if name not in declared:
            known = f"it takes {listed(declared)}" if declared else "it takes none"
            yield Problem(_pointer(name), f"there is no parameter {name!r}; {known}")


def _pointer(name: str) -> str:
    """RFC 6901."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


_calls = msgspec.json.Decoder(Call)
_answers = msgspec.json.Decoder(Answer)


def encode(message: Call | Answer) -> bytes:
    """A call or an answer as JSON."""
    return msgspec.json.encode(message)


def call(payload: bytes) -> Call:
    """A call read back.

    Raises:
        ValueError: If the payload is none, or its id or time are none.
    """
    if len(payload) > MAX_CALL_BYTES:
        raise ValueError(f"a call has {len(payload)} bytes, at most {MAX_CALL_BYTES} are taken")
    found = _calls.decode(payload)
    if not 0 < len(found.id) <= MAX_ID or not all(c.isascii() and c.isalnum() for c in found.id):
        raise ValueError(f"the id of a call has 1 to {MAX_ID} letters and digits")
    if not 0 < found.seconds <= 86400:  # a day
        raise ValueError("a call is waited for at most a day")
    return found


def answer(payload: bytes) -> Answer:
    """An answer read back.

    Raises:
        ValueError: If the payload is none.
    """
    return _answers.decode(payload)
