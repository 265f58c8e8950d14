"""What a command line changes in a pipeline: parameters, replicas, paths of this machine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from interact_api.operator import InteractOperator
from interact_api.parameters import ParameterType
from interact_api.pipeline import Pipeline
from pydantic import ValidationError

from interact.cli.catalogue import Catalogue, Placed
from interact.cli.exits import CommandError, Exit


@dataclass(frozen=True)
class Override:
    """One ``--set`` or ``--replicas``: ``parameter`` is empty for replicas."""

    written: str
    pipeline: str
    operator: str
    parameter: str
    value: str


def parse(sets: Sequence[str], replicas: Sequence[str]) -> tuple[Override, ...]:
    """Overrides as they are written on a command line.

    Raises:
        CommandError: If one has another form; names all of them.
    """
    found: list[Override] = []
    problems: list[str] = []
    for flag, texts in (("--set", sets), ("--replicas", replicas)):
        for text in texts:
            key, equals, value = text.partition("=")
            pipeline, _, rest = key.rpartition("/")
            operator, dot, parameter = rest.partition(".")
            wants_parameter = flag == "--set"
            if not equals or not operator or wants_parameter != bool(dot and parameter):
                form = "operator.parameter=value" if wants_parameter else "operator=NUMBER"
                problems.append(f"{flag} {text}: write it as {form}, or pipeline/{form}")
                continue
            found.append(Override(f"{flag} {text}", pipeline, operator, parameter, value))
    if problems:
        raise CommandError(Exit.USAGE, *problems)
    return tuple(found)


def applied(catalogue: Catalogue, overrides: Sequence[Override]) -> tuple[Pipeline, ...]:
    """The pipelines with the overrides in them, and paths as this machine has them.

    Raises:
        CommandError: If an override names what is not there, or a value that is not taken.
    """
    problems = [text for one in overrides if (text := _misplaced(one, catalogue.pipelines))]
    pipelines = []
    for placed in catalogue.pipelines:
        mine = [one for one in overrides if _concerns(one, placed)]
        try:
            pipelines.append(_patched(placed, mine, catalogue.operators))
        except (ValidationError, ValueError) as error:
            lines = (
                [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
                if isinstance(error, ValidationError)
                else [str(error)]
            )
            problems += [f"Pipeline {placed.pipeline.metadata.name}: {line}" for line in lines]
    if problems:
        raise CommandError(Exit.USAGE, *problems)
    return tuple(pipelines)


def _has(placed: Placed, operator: str) -> bool:
    return any(one.name == operator for one in placed.pipeline.spec.operators)


def _concerns(one: Override, placed: Placed) -> bool:
    return one.pipeline in {"", placed.pipeline.metadata.name} and _has(placed, one.operator)


def _misplaced(one: Override, pipelines: Sequence[Placed]) -> str:
    """Why an override fits no pipeline, or several; empty if it fits one."""
    fits = [placed for placed in pipelines if _concerns(one, placed)]
    if len(fits) == 1:
        return ""
    if fits:
        names = ", ".join(placed.pipeline.metadata.name for placed in fits)
        return f"{one.written}: {names} all have an operator {one.operator!r}; write pipeline/… before it"
    known = ", ".join(
        f"{placed.pipeline.metadata.name}/{entry.name}"
        for placed in pipelines
        for entry in placed.pipeline.spec.operators
    )
    return f"{one.written}: there is no such operator; there are {known}"


def _patched(
    placed: Placed, overrides: Sequence[Override], operators: Mapping[str, InteractOperator]
) -> Pipeline:
    described = cast("dict[str, Any]", placed.pipeline.to_object())
    for entry in described.get("spec", {}).get("operators", []):
        operator = operators[entry["operatorRef"]["name"]]
        mounts = {p.name for p in operator.spec.parameters if p.type is ParameterType.MOUNT}
        values = entry.setdefault("parameters", {})
        for name in mounts & set(values):
            values[name] = _local(values[name], placed.folder)
        for one in overrides:
            if one.operator != entry["name"]:
                continue
            if one.parameter:
                given = one.value
                values[one.parameter] = (
                    _local(given, Path.cwd()) if one.parameter in mounts else given
                )
            else:
                entry.pop("scale", None)
                entry["replicas"] = _number(one)
    return Pipeline.model_validate(described)


def _local(value: Any, folder: Path) -> Any:
    """A path of a parameter as this machine has it: relative ones start at ``folder``."""
    if not isinstance(value, str) or not value or not (folder / value).exists():
        return value
    return str((folder / value).resolve())


def _number(one: Override) -> int:
    if not one.value.isdecimal() or int(one.value) < 1:
        raise ValueError(f"{one.written}: replicas are a number of at least 1")
    return int(one.value)
