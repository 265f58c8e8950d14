"""What a command line changes in a pipeline that runs, as edits (RFC 6902) of the object."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interact_api.parameters import Parameter, ParameterError, Value, coerce, default_value
from interact_api.pipeline import MAX_REPLICAS
from interact_api.plain import entries, mapping
from interact_api.problem import listed

from interact.cli.cluster.api import Object
from interact.cli.exits import CommandError, Exit


@dataclass(frozen=True)
class Assignment:
    """``operator.parameter=value`` or, without a parameter, ``operator=replicas``."""

    operator: str
    parameter: str
    text: str


@dataclass(frozen=True)
class Change:
    """A field that gets another value; ``before`` and ``after`` are as people read them."""

    operator: str
    field: str
    before: str
    after: str

    @property
    def words(self) -> str:
        """The change, for people."""
        return f"{self.operator}.{self.field} = {self.after} (was {self.before})"


def assignments(texts: Sequence[str], *, parameters: bool) -> tuple[Assignment, ...]:
    """Read assignments as they are written on a command line.

    Raises:
        CommandError: If one has another form, or two are about the same; names all of them.
    """
    form = "operator.parameter=value" if parameters else "operator=NUMBER"
    found: list[Assignment] = []
    problems: list[str] = []
    for text in texts:
        key, equals, value = text.partition("=")
        operator, dot, parameter = key.partition(".")
        if not equals or not operator or parameters != bool(dot and parameter):
            problems.append(f"{text}: write it as {form}")
        elif any((one.operator, one.parameter) == (operator, parameter) for one in found):
            problems.append(f"{text}: {key} is given twice; remove one")
        else:
            found.append(Assignment(operator, parameter, value))
    if problems:
        raise CommandError(Exit.USAGE, *problems)
    return tuple(found)


def values(
    pipeline: Object, wanted: Sequence[Assignment], declared: Mapping[str, Sequence[Parameter]]
) -> dict[str, dict[str, Value]]:
    """The values by operator and parameter, each as its parameter's type.

    Args:
        pipeline: The pipeline.
        wanted: What is to be set.
        declared: The parameters of its operators, by their name in the pipeline.

    Raises:
        CommandError: If an operator or parameter is unknown, or does not take its value.
    """
    found: dict[str, dict[str, Value]] = {}
    problems = list(_strangers(pipeline, wanted))
    for one in wanted:
        known = {parameter.name: parameter for parameter in declared.get(one.operator, ())}
        if one.operator not in declared:
            continue
        if one.parameter not in known:
            problems.append(
                f"{one.operator} has no parameter {one.parameter!r}; known: {listed(known)}"
            )
            continue
        try:
            value = coerce(known[one.parameter], one.text)
        except ParameterError as error:
            problems.append(f"{one.operator}: {error}")
        else:
            found.setdefault(one.operator, {})[one.parameter] = value
    if problems:
        raise CommandError(Exit.INVALID, *problems)
    return found


def replicas(pipeline: Object, wanted: Sequence[Assignment]) -> dict[str, int]:
    """The numbers of replicas by operator.

    Raises:
        CommandError: If an operator is unknown, or a number is out of bounds.
    """
    problems = list(_strangers(pipeline, wanted))
    problems += [
        f"{one.operator}={one.text}: replicas are a whole number from 1 to {MAX_REPLICAS}; "
        "interact suspend stops a pipeline"
        for one in wanted
        if not one.text.isascii()
        or not one.text.isdigit()
        or not 1 <= int(one.text[:9]) <= MAX_REPLICAS
    ]
    if problems:
        raise CommandError(Exit.INVALID, *problems)
    return {one.operator: int(one.text) for one in wanted}


def _strangers(pipeline: Object, wanted: Sequence[Assignment]) -> Iterator[str]:
    known = [one["name"] for one in _operators(pipeline)]
    for operator in dict.fromkeys(one.operator for one in wanted):
        if operator not in known:
            name = pipeline["metadata"]["name"]
            yield f"pipeline {name!r} has no operator {operator!r}; it has {listed(known)}"


def parameter_edits(
    pipeline: Object, wanted: Mapping[str, Mapping[str, Value]]
) -> tuple[list[Object], list[Change]]:
    """The edits that set parameters, and what they change; none where all are so already.

    Where each operator has parameters already, the edits begin with tests: they hold for as long as
    the operators are where they were, whatever else others change meanwhile.
    """
    tests = [_edit("test", "/metadata/uid", pipeline["metadata"]["uid"])]
    bare = False  # what is not there cannot be tested for: others may put it there
    edits: list[Object] = []
    changes: list[Change] = []
    for number, one in enumerate(_operators(pipeline)):
        given = mapping(one.get("parameters"))
        new = {
            name: value
            for name, value in wanted.get(one["name"], {}).items()
            if name not in given or not _same(given[name], value)
        }
        if not new:
            continue
        operator = f"/spec/operators/{number}"
        path = f"{operator}/parameters"
        tests.append(_edit("test", f"{operator}/name", one["name"]))
        if "parameters" not in one:
            bare = True
            edits.append(_edit("add", path, {}))
        edits += [_edit("add", f"{path}/{_escaped(name)}", value) for name, value in new.items()]
        changes += [
            Change(one["name"], name, shown(given.get(name)), shown(value))
            for name, value in new.items()
        ]
    return ([*tests, *edits] if edits and not bare else edits), changes


def felt(
    pipeline: Object,
    wanted: Mapping[str, Mapping[str, Value]],
    declared: Mapping[str, Sequence[Parameter]],
) -> dict[str, list[str]]:
    """The parameters whose value an operator sees change; not those set to their default."""
    found: dict[str, list[str]] = {}
    for one in _operators(pipeline):
        given = mapping(one.get("parameters"))
        known = {parameter.name: parameter for parameter in declared.get(one["name"], ())}
        new = [
            name
            for name, value in wanted.get(one["name"], {}).items()
            if not _same(_effective(known[name], given.get(name)), value)
        ]
        if new:
            found[one["name"]] = new
    return found


def _effective(parameter: Parameter, given: Any) -> Value | None:
    """The value in use; None where there is none, or one that is not taken."""
    try:
        return default_value(parameter) if given is None else coerce(parameter, given)
    except ParameterError:
        return None


def replica_edits(pipeline: Object, wanted: Mapping[str, int]) -> tuple[list[Object], list[Change]]:
    """The edits that fix numbers of replicas; a ``scale`` that chose them goes."""
    edits: list[Object] = []
    changes: list[Change] = []
    for number, one in enumerate(_operators(pipeline)):
        new = wanted.get(one["name"])
        if new is None or (one.get("replicas") == new and "scale" not in one):
            continue
        path = f"/spec/operators/{number}"
        before = "scaled by what is pending" if "scale" in one else str(one.get("replicas", 1))
        edits += [{"op": "remove", "path": f"{path}/scale"}] if "scale" in one else []
        edits.append(_edit("add", f"{path}/replicas", new))
        changes.append(Change(one["name"], "replicas", before, str(new)))
    return edits, changes


def references(pipeline: Object, operators: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Namespace and name of the InteractOperators of some operators of a pipeline."""
    here = pipeline["metadata"]["namespace"]
    return {
        one["name"]: (str(ref.get("namespace") or here), str(ref["name"]))
        for one in _operators(pipeline)
        if one["name"] in operators
        for ref in [mapping(one.get("operatorRef"))]
    }


def _operators(pipeline: Object) -> list[Object]:
    return entries(mapping(pipeline.get("spec")).get("operators"))


def _edit(verb: str, path: str, value: Any) -> Object:
    return {"op": verb, "path": path, "value": value}


def _escaped(name: str) -> str:
    """A key in a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def _same(given: object, wanted: Value) -> bool:
    """Whether a value is this one; 1 and True are two values."""
    return given == wanted and isinstance(given, bool) == isinstance(wanted, bool)


def shown(value: object) -> str:
    """A value as people write it."""
    return (
        "its default"
        if value is None
        else str(value).lower()
        if value is True or value is False
        else str(value)
    )
