"""Operators as their authors write them: a kernel, a source or a reducer, with its ports."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

from interact._batches import Batch
from interact._errors import OperatorError
from interact._parameters import Declared, Parameter, parameter
from interact._reducer import Reducer

T = TypeVar("T")
Role = Literal["kernel", "classic", "source", "reducer"]


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

    ``scan`` counts the scans that are over; ``index`` is the next frame to read of the current one.
    """

    scan: int = 0
    index: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Port:
    """A typed port; ``types`` are kinds of batches, ``optional`` that the kernel takes None."""

    name: str
    types: tuple[str, ...]
    join: Literal["none", "zip", "latest"] = "none"
    optional: bool = False

    def spec(self) -> dict[str, Any]:
        """The port as the operator's YAML has it."""
        words = self.name.replace("_", " ")
        entry = {
            "name": self.name,
            "label": words.capitalize(),
            "description": f"{words.capitalize()}: {' or '.join(self.types)}.",
            "type": "|".join(self.types),
        }
        return entry if self.join == "none" else {**entry, "join": self.join}


@dataclasses.dataclass(frozen=True, slots=True)
class Trigger:
    """Something a person may ask a running operator to do."""

    name: str
    function: Callable[..., Any]
    mode: Literal["single", "drain"]
    parameters: tuple[Parameter, ...]


@dataclasses.dataclass(eq=False)
class Operator:
    """One operator: its function or reducer, and everything its signature says."""

    name: str
    role: Role
    function: Callable[..., Any]
    description: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    parameters: tuple[Parameter, ...]
    parallel: bool = False
    thread: bool = False
    display: bool = False
    dependencies: tuple[Callable[..., Iterator[Any]], ...] = ()
    wants_resume: bool = False
    triggers: list[Trigger] = dataclasses.field(default_factory=list)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the kernel as it was written; for tests. Parameters left out take their defaults."""
        if self.role in {"kernel", "source"}:
            given = {p.name: p.default for p in self.parameters if not p.required}
            return self.function(*args, **{**given, **kwargs})
        return self.function(*args, **kwargs)

    def trigger(
        self, name: str, *, mode: Literal["single", "drain"] = "single"
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare a trigger of this operator; its keyword arguments are the trigger's."""

        def declare(function: Callable[..., Any]) -> Callable[..., Any]:
            hints = get_type_hints(function, include_extras=True)
            keywords = [
                p
                for p in inspect.signature(function).parameters.values()
                if p.kind is p.KEYWORD_ONLY
            ]
            found = tuple(parameter(self.name, p.name, hints[p.name], p.default) for p in keywords)
            self.triggers.append(Trigger(name, function, mode, found))
            return function

        return declare

    def main(self, argv: list[str] | None = None) -> None:
        """Run the operator as a container does, or ``--describe`` it; call it from ``run.py``."""
        from interact._main import serve_or_describe

        serve_or_describe(self, argv)


@overload
def operator(function: Callable[..., Any], /) -> Operator: ...


@overload
def operator(
    *,
    name: str = ...,
    parallel: bool = ...,
    thread: bool = ...,
    display: bool = ...,
    inputs: Mapping[str, str] | None = ...,
    outputs: Mapping[str, Any] | None = ...,
) -> Callable[[Callable[..., Any]], Operator]: ...


def operator(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str = "",
    parallel: bool = False,
    thread: bool = False,
    display: bool = False,
    inputs: Mapping[str, str] | None = None,
    outputs: Mapping[str, Any] | None = None,
) -> Operator | Callable[[Callable[..., Any]], Operator]:
    """Make an operator of a kernel or of a `Reducer` class.

    Args:
        function: The kernel: its positional arguments are input ports, annotated with the batch
            they take; then what `dependencies` give; its keyword arguments are parameters.
        name: Name of the operator; the function's, with dashes, when left out.
        parallel: Whether several replicas may share the work.
        thread: Whether the kernel runs in a thread beside the event loop: for slow ones.
        display: Whether the `Image` the kernel returns is for people to look at: it goes to no
            port, and its last value is kept for `interact images`, one for each incoming edge.
        inputs: Ports of a classic kernel ``(inputs, parameters)``, name to type.
        outputs: Output ports by name when there are several, or the one is not to be called "out".

    Raises:
        OperatorError: At import, if the signature does not say what an operator needs.
    """

    def make(function: Callable[..., Any]) -> Operator:
        title = name or _dashed(function.__name__)
        if inspect.isclass(function):
            return _reducer(title, function, outputs)
        made = _kernel(title, function, parallel, thread, inputs, outputs)
        return dataclasses.replace(made, outputs=(), display=True) if display else made

    return make if function is None else make(function)


@overload
def source(function: Callable[..., Any], /) -> Operator: ...


@overload
def source(
    *, name: str = ..., outputs: Mapping[str, Any] | None = ...
) -> Callable[[Callable[..., Any]], Operator]: ...


def source(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str = "",
    outputs: Mapping[str, Any] | None = None,
) -> Operator | Callable[[Callable[..., Any]], Operator]:
    """Make a source of a generator of batches, in the order of acquisition.

    The batches carry their scan, start and stop; the boundaries must be a function of the index
    alone, so that a restarted source makes the same batches. A keyword argument ``resume: Resume``
    says where to go on.
    """

    def make(function: Callable[..., Any]) -> Operator:
        title = name or _dashed(function.__name__)
        ports, found, resume = _signature(title, function)
        if ports:
            raise OperatorError(f"source {title} takes an input {ports[0].name}; a source has none")
        returned = _iterated(get_type_hints(function, include_extras=True).get("return"))
        out = _outputs(title, returned, outputs)
        return Operator(
            title, "source", function, _summary(function), (), out, found, wants_resume=resume
        )

    return make if function is None else make(function)


Given = TypeVar("Given", Operator, Callable[..., Any])


def dependencies(*generators: Callable[..., Iterator[Any]]) -> Callable[[Given], Given]:
    """Give an operator things that live as long as it does; put it below `operator`.

    Each generator runs to its ``yield`` at start, and from there at the end, in reverse order.
    What they yield fills the kernel's positional arguments after the input ports, in order.
    """

    def attach(target: Given) -> Given:
        if isinstance(target, Operator):
            raise OperatorError(
                f"operator {target.name}: put @dependencies below @operator, next to the function"
            )
        vars(target)["__interact_dependencies__"] = generators
        return target

    return attach


def _kernel(
    title: str,
    function: Callable[..., Any],
    parallel: bool,  # a field passed on
    thread: bool,
    inputs: Mapping[str, str] | None,
    outputs: Mapping[str, Any] | None,
) -> Operator:
    generators = getattr(function, "__interact_dependencies__", ())
    names = list(inspect.signature(function).parameters)
    if names[:2] == ["inputs", "parameters"]:
        ins = tuple(Port(n, tuple(t.split("|"))) for n, t in (inputs or {}).items())
        return Operator(
            title, "classic", function, _summary(function), ins,
            _outputs(title, None, outputs), (), parallel, thread, dependencies=generators,
        )  # fmt: skip
    ports, found, _ = _signature(title, function, skip=len(generators))
    plain = [port for port in ports if port.join == "none"]
    if len(plain) > 1 and not all(port.optional for port in plain):
        raise OperatorError(
            f"operator {title}: {', '.join(port.name for port in plain)} arrive one at a time; annotate "
            "each with '| None' and look which one came, or join them with Zip[...] or Latest[...]"
        )
    if ports and not plain and all(port.join == "latest" for port in ports):
        raise OperatorError(f"operator {title}: all inputs are Latest; one must bring the frames")
    if parallel and any(port.join == "zip" for port in ports):
        raise OperatorError(
            f"operator {title}: a Zip needs both halves in one replica; drop parallel=True"
        )
    returned = get_type_hints(function, include_extras=True).get("return")
    return Operator(
        title, "kernel", function, _summary(function), ports, _outputs(title, returned, outputs),
        found, parallel, thread, dependencies=generators,
    )  # fmt: skip


def _reducer(title: str, function: type, outputs: Mapping[str, Any] | None) -> Operator:
    if not issubclass(function, Reducer):
        raise OperatorError(f"operator {title}: a class must be a Reducer")
    arguments = list(inspect.signature(function.add).parameters)
    part = get_type_hints(function.add, include_extras=True).get(arguments[2])
    port = _port(title, arguments[2], part)
    returned = get_type_hints(function.result, include_extras=True).get("return")
    hints = get_type_hints(function, include_extras=True)
    found = tuple(
        parameter(title, name, hints[name], value)
        for name in hints
        if isinstance(value := getattr(function, name, None), Declared)
    )
    return Operator(
        title,
        "reducer",
        function,
        _summary(function),
        (port,),
        _outputs(title, returned, outputs),
        found,
    )


def _signature(
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
            ports.append(_port(title, argument.name, hint))
        else:
            others.append(argument.name)
    if len(others) != skip:
        raise OperatorError(
            f"operator {title}: argument{'s' if len(others) > 1 else ''} {', '.join(others) or '-'} "
            f"and {skip} dependencies do not match; annotate ports with DenseFrames, SparseFrames, "
            "Values, Image or Bytes, put parameters behind '*', and give the rest with @dependencies"
        )
    return tuple(ports), tuple(found), resume


def _port(title: str, name: str, hint: Any) -> Port:
    kinds = _types(hint)
    if not kinds:
        raise OperatorError(
            f"operator {title}: {name} is annotated {hint!r}; a port's type is DenseFrames, "
            "SparseFrames, Values, Image, Bytes, Batch for any, or a union of them"
        )
    joins = [m for m in getattr(hint, "__metadata__", ()) if isinstance(m, Join)]
    optional = any(member is type(None) for member in get_args(hint))
    return Port(name, kinds, joins[0].how if joins else "none", optional)


def _types(hint: Any) -> tuple[str, ...]:
    """Kinds of batches an annotation names; none if it names anything else."""
    if get_origin(hint) is Annotated:
        return _types(get_args(hint)[0])
    members = get_args(hint) if get_origin(hint) in {typing.Union, type(int | str)} else (hint,)
    kinds = [m for m in members if m is not type(None)]
    if not kinds or not all(inspect.isclass(m) and issubclass(m, Batch) for m in kinds):
        return ()
    return tuple("any" if m is Batch else m.kind for m in kinds)


def _iterated(hint: Any) -> Any:
    """What an iterator's annotation yields."""
    return get_args(hint)[0] if get_args(hint) and get_origin(hint) is not typing.Union else hint


def _outputs(title: str, returned: Any, outputs: Mapping[str, Any] | None) -> tuple[Port, ...]:
    if outputs is not None:
        return tuple(
            Port(name, tuple(kind.split("|")))
            if isinstance(kind, str)
            else _port(title, name, kind)
            for name, kind in outputs.items()
        )
    if returned is None or returned is type(None):
        return ()
    return (_port(title, "out", returned),)


def _summary(function: Any) -> str:
    text = inspect.getdoc(function) or inspect.getdoc(inspect.getmodule(function)) or ""
    return text.split("\n\n")[0].replace("\n", " ").strip()


def _dashed(name: str) -> str:
    spaced = "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")
    return spaced.replace("_", "-")
