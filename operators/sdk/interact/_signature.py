"""What an operator's signature says: its ports, its parameters, and how its inputs meet."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from interact._batches import Batch
from interact._errors import OperatorError
from interact._parameters import Declared, Parameter, parameter
from interact._streamed import Streamed

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class Join:
    """How an input port meets the others; see `Latest` and `Zip`."""

    how: Literal["latest", "zip"]


Latest = Annotated[T, Join("latest")]
"""A side input: the kernel gets the newest value; it waits for the first."""

Zip = Annotated[T, Join("zip")]
"""An input joined with the other `Zip` inputs by index; frames missing in one are dropped."""


@dataclasses.dataclass(frozen=True, slots=True)
class Resume:
    """Where a source goes on after a restart: frames up to ``index`` were stored.

    ``scan`` counts the scans that are over; ``index`` is the next frame to read of the current one:
    its total where nothing is left of it. A source of several scans gives each an id of its own, so
    that one is told from the next.
    """

    scan: int = 0
    index: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Port:
    """A typed port; ``types`` are kinds of batches, ``optional`` that the kernel takes None.

    ``ordered`` says that its messages are to come in the order of their index, ``streamed`` that the
    kernel reads them in pieces.
    """

    name: str
    types: tuple[str, ...]
    join: Literal["none", "zip", "latest"] = "none"
    optional: bool = False
    ordered: bool = False
    streamed: bool = False

    def spec(self) -> dict[str, Any]:
        """The port as the operator's YAML has it."""
        words = self.name.replace("_", " ")
        entry: dict[str, Any] = {
            "name": self.name,
            "label": words.capitalize(),
            "description": f"{words.capitalize()}: {' or '.join(self.types)}.",
            "type": "|".join(self.types),
        }
        if self.join != "none":
            entry["join"] = self.join
        return {**entry, "ordered": True} if self.ordered else entry


def signature(
    title: str, function: Callable[..., Any], skip: int = 0
) -> tuple[tuple[Port, ...], tuple[Parameter, ...], bool]:
    """Input ports, parameters, and whether the function wants to resume."""
    hints = get_type_hints(function, include_extras=True)
    ports: list[Port] = []
    found: list[Parameter] = []
    others: list[str] = []
    resume = False
    for argument in inspect.signature(function).parameters.values():
        hint = hints.get(argument.name)
        if hint is Resume:
            resume = True
        elif argument.kind is argument.KEYWORD_ONLY or isinstance(argument.default, Declared):
            found.append(parameter(title, argument.name, hint, argument.default))
        elif _types(hint):
            ports.append(port_of(title, argument.name, hint))
        else:
            others.append(argument.name)
    if len(others) != skip:
        raise OperatorError(
            f"operator {title}: argument{'s' if len(others) > 1 else ''} {', '.join(others) or '-'} "
            f"and {skip} dependencies do not match; annotate ports with DenseFrames, SparseFrames, "
            "Values, Image or Bytes, put parameters behind '*', and give the rest with @dependencies"
        )
    return tuple(ports), tuple(found), resume


def port_of(title: str, name: str, hint: Any) -> Port:
    kinds = _types(hint)
    if not kinds:
        raise OperatorError(
            f"operator {title}: {name} is annotated {hint!r}; a port's type is DenseFrames, "
            "SparseFrames, Values, Image, Bytes, Batch for any, or a union of them"
        )
    joins = [m for m in getattr(hint, "__metadata__", ()) if isinstance(m, Join)]
    optional = any(member is type(None) for member in get_args(hint))
    how = joins[0].how if joins else "none"
    inner = get_args(hint)[0] if joins else hint
    streamed = get_origin(inner) is Streamed
    if streamed and joins:
        raise OperatorError(
            f"operator {title}: {name} is Streamed and joined; join what a kernel makes of it"
        )
    return Port(name, kinds, how, optional, streamed=streamed)


def _types(hint: Any) -> tuple[str, ...]:
    """Kinds of batches an annotation names; none if it names anything else."""
    if get_origin(hint) in {Annotated, Streamed}:
        return _types(get_args(hint)[0])
    members = get_args(hint) if get_origin(hint) in {typing.Union, type(int | str)} else (hint,)
    kinds = [m for m in members if m is not type(None)]
    if not kinds or not all(inspect.isclass(m) and issubclass(m, Batch) for m in kinds):
        return ()
    return tuple("any" if m is Batch else m.kind for m in kinds)


def iterated(hint: Any) -> Any:
    """What an iterator's annotation yields."""
    return get_args(hint)[0] if get_args(hint) and get_origin(hint) is not typing.Union else hint


def outputs_of(title: str, returned: Any, outputs: Mapping[str, Any] | None) -> tuple[Port, ...]:
    if outputs is not None:
        return tuple(
            Port(name, tuple(kind.split("|")))
            if isinstance(kind, str)
            else port_of(title, name, kind)
            for name, kind in outputs.items()
        )
    if returned is None or returned is type(None):
        return ()
    return (port_of(title, "out", returned),)


def summary(function: Any) -> str:
    text = inspect.getdoc(function) or inspect.getdoc(inspect.getmodule(function)) or ""
    return text.split("\n\n")[0].replace("\n", " ").strip()


def dashed(name: str) -> str:
    spaced = "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")
    return spaced.replace("_", "-")
