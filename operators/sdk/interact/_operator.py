"""Operators as their authors write them: a kernel, a source or a reducer, with its ports."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import (
    Any,
    Literal,
    TypeVar,
    get_type_hints,
    overload,
)

from interact._errors import OperatorError
from interact._parameters import Declared, Parameter, parameter
from interact._reducer import Reducer
from interact._signature import (
    Port,
    dashed,
    iterated,
    outputs_of,
    port_of,
    signature,
    summary,
)

Role = Literal["kernel", "classic", "source", "reducer"]


@dataclasses.dataclass(frozen=True, slots=True)
class Trigger:
    """Something a person may ask a running operator to do.

    Attributes:
        name: How it is called.
        function: What is called.
        mode: Once, or until it gives nothing more.
        parameters: Its keyword arguments.
        audience: Whether one replica does it, or all.
        positional: How many positional arguments it takes.
        description: What it does.
    """

    name: str
    function: Callable[..., Any]
    mode: Literal["single", "drain"]
    parameters: tuple[Parameter, ...]
    audience: Literal["one", "all"] = "all"
    positional: int = 0
    description: str = ""


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
    ordered: bool = False
    dependencies: tuple[Callable[..., Iterator[Any]], ...] = ()
    wants_resume: bool = False
    triggers: list[Trigger] = dataclasses.field(default_factory=list)

    @property
    def streamed(self) -> frozenset[str]:
        """Inputs that are read in pieces."""
        return frozenset(port.name for port in self.inputs if port.streamed)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the kernel as it was written; for tests. Parameters left out take their defaults."""
        if self.role in {"kernel", "source"}:
            given = {p.name: p.default for p in self.parameters if not p.required}
            return self.function(*args, **{**given, **kwargs})
        return self.function(*args, **kwargs)

    def trigger(
        self,
        name: str,
        *,
        mode: Literal["single", "drain"] = "single",
        audience: Literal["one", "all"] = "all",
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare a trigger of this operator: a function called between two messages.

        Its keyword arguments are the trigger's. Its positional ones, as many as it declares, are what
        the operator's `dependencies` give; of a reducer, the reducer and its states by scan. What it
        returns is the answer, but an `Image`, or a dict of them by port, is sent.

        Args:
            name: How it is called.
            mode: "single" calls it once; "drain" until it returns None, or a generator to its end.
            audience: Whether one replica is to do it, or all of them.

        Raises:
            OperatorError: At import, if the function does not fit.
        """

        def declare(function: Callable[..., Any]) -> Callable[..., Any]:
            self.triggers.append(_trigger(self, name, function, mode, audience))
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
    ordered: bool = ...,
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
    ordered: bool = False,
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
        ordered: Whether the messages of a scan come in the order of their index, each frame once in
            a life of the process. One replica reads them; a message waits until all before it have
            come, or are said to be missing.
        inputs: Ports of a classic kernel ``(inputs, parameters)``, name to type.
        outputs: Output ports by name when there are several, or the one is not to be called "out".

    Raises:
        OperatorError: At import, if the signature does not say what an operator needs.
    """

    def make(function: Callable[..., Any]) -> Operator:
        title = name or dashed(function.__name__)
        if ordered and parallel:
            raise OperatorError(
                f"operator {title}: order needs one reader; drop parallel=True or ordered=True"
            )
        if inspect.isclass(function):
            made = _reducer(title, function, outputs)
        else:
            made = _kernel(title, function, parallel, thread, inputs, outputs)
        if ordered:
            made = dataclasses.replace(made, ordered=True, inputs=_in_order(made.inputs))
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
        title = name or dashed(function.__name__)
        ports, found, resume = signature(title, function)
        if ports:
            raise OperatorError(f"source {title} takes an input {ports[0].name}; a source has none")
        returned = iterated(get_type_hints(function, include_extras=True).get("return"))
        out = outputs_of(title, returned, outputs)
        return Operator(
            title, "source", function, summary(function), (), out, found, wants_resume=resume
        )

    return make if function is None else make(function)


def _trigger(
    operator: Operator,
    name: str,
    function: Callable[..., Any],
    mode: Literal["single", "drain"],
    audience: Literal["one", "all"],
) -> Trigger:
    owner = f"{operator.name}, trigger {name}"
    if any(one.name == name for one in operator.triggers):
        raise OperatorError(f"operator {operator.name} declares two triggers {name!r}")
    if mode == "single" and (
        inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    ):
        raise OperatorError(
            f"operator {owner}: it yields; declare mode='drain', or return what it gives"
        )
    hints = get_type_hints(function, include_extras=True)
    declared = inspect.signature(function).parameters.values()
    keywords = [one for one in declared if one.kind is one.KEYWORD_ONLY]
    positional = sum(
        one.kind in {one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD} for one in declared
    )
    most = {"reducer": 2, "source": 0}.get(operator.role, len(operator.dependencies))
    if positional > most:
        raise OperatorError(
            f"operator {owner}: it has {positional} positional arguments and {most} are given; "
            "write its parameters after a '*'"
        )
    unknown = [one.name for one in keywords if one.name not in hints]
    if unknown:
        raise OperatorError(f"operator {owner}: annotate {unknown[0]} with its type")
    found = tuple(parameter(owner, one.name, hints[one.name], one.default) for one in keywords)
    words = (inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " ").strip()
    return Trigger(name, function, mode, found, audience, positional, words)


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
            title, "classic", function, summary(function), ins,
            outputs_of(title, None, outputs), (), parallel, thread, dependencies=generators,
        )  # fmt: skip
    ports, found, _ = signature(title, function, skip=len(generators))
    plain = [port for port in ports if port.join == "none"]
    _check_streamed(title, ports, awaits=inspect.iscoroutinefunction(function))
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
        title, "kernel", function, summary(function), ports, outputs_of(title, returned, outputs),
        found, parallel, thread, dependencies=generators,
    )  # fmt: skip


def _in_order(ports: tuple[Port, ...]) -> tuple[Port, ...]:
    return tuple(
        port if port.join == "latest" else dataclasses.replace(port, ordered=True) for port in ports
    )


def _reducer(title: str, function: type, outputs: Mapping[str, Any] | None) -> Operator:
    if not issubclass(function, Reducer):
        raise OperatorError(f"operator {title}: a class must be a Reducer")
    if inspect.isabstract(function):
        missing = ", ".join(sorted(function.__abstractmethods__))
        raise OperatorError(f"operator {title}: the reducer does not define {missing}")
    arguments = list(inspect.signature(function.add).parameters)
    part = get_type_hints(function.add, include_extras=True).get(arguments[2])
    port = port_of(title, arguments[2], part)
    _check_streamed(title, (port,), awaits=False)
    hints_of_result = get_type_hints(function.result, include_extras=True)
    if "return" not in hints_of_result:
        raise OperatorError(
            f"operator {title}: annotate what result returns, for example '-> Image'; it is the output port"
        )
    returned = hints_of_result["return"]
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
        summary(function),
        (port,),
        outputs_of(title, returned, outputs),
        found,
    )


def _check_streamed(title: str, ports: Sequence[Port], *, awaits: bool) -> None:
    name = next((port.name for port in ports if port.streamed), "")
    if name and not awaits:
        raise OperatorError(
            f"operator {title}: {name} is Streamed, which is read with 'async for': "
            "write a kernel with 'async def'"
        )
