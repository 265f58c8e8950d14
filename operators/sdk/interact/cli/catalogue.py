"""What a local run is made of: pipelines and operators from YAML, and the operators' code."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from interact_api.load import SpecError, load
from interact_api.operator import InteractOperator
from interact_api.pipeline import Pipeline

from interact.cli.exits import CommandError, Exit

STDIN = "-"
CODE = "run.py"
SPEC = "operator.yaml"
FOLDERS_VARIABLE = "INTERACT_OPERATORS"


@dataclass(frozen=True)
class Placed:
    """A pipeline and the folder of the file it came from; relative paths in it start there."""

    pipeline: Pipeline
    folder: Path


@dataclass(frozen=True)
class Catalogue:
    """Pipelines with the operators they use; ``code`` names each operator's run.py."""

    pipelines: tuple[Placed, ...]
    operators: Mapping[str, InteractOperator]
    code: Mapping[str, Path]


@dataclass
class _Reading:
    """What was read so far, with everything that is wrong with it."""

    pipelines: list[Placed] = field(default_factory=list)
    operators: dict[str, InteractOperator] = field(default_factory=dict)
    code: dict[str, Path] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def catalogue(arguments: Sequence[str], folders: Sequence[Path] = ()) -> Catalogue:
    """Read the resources a command line names, and find the code of the operators they use.

    Args:
        arguments: YAML files, folders of them, or ``-`` for standard input.
        folders: Where to look for operators first; see `search_path`.

    Raises:
        CommandError: If anything is wrong; says all of it at once.
    """
    reading = _Reading()
    reading.problems += [f"--operators {f}: no such folder" for f in folders if not f.is_dir()]
    for origin, text, folder in _texts(arguments):
        _read(reading, origin, text, folder)
    if not reading.pipelines and not reading.problems:
        reading.problems.append(
            f"{', '.join(arguments)}: no Pipeline in there; name a file with one"
        )
    for placed in reading.pipelines:
        _find_operators(reading, placed, [*folders, *search_path(placed.folder)])
    if reading.problems:
        raise CommandError(Exit.USAGE, *reading.problems)
    for ref in (one.operator_ref for p in reading.pipelines for one in p.pipeline.spec.operators):
        reading.operators.setdefault(ref.key, reading.operators[ref.name])  # no namespaces here
    return Catalogue(tuple(reading.pipelines), reading.operators, reading.code)


def search_path(folder: Path) -> list[Path]:
    """Where operators are looked for: the environment's folders, those near the pipeline, here."""
    named = [Path(part) for part in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep) if part]
    above = [parent / "operators" for parent in (folder, *folder.parents)]
    return [*named, *above, Path.cwd() / "operators", Path.cwd()]


def _texts(arguments: Sequence[str]) -> Iterator[tuple[str, str, Path]]:
    """Each YAML text with its origin and its folder."""
    for argument in arguments:
        if argument == STDIN:
            yield "standard input", sys.stdin.read(), Path.cwd()
            continue
        path = Path(argument)
        files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
        for file in files:
            try:
                yield str(file), file.read_text(encoding="utf-8"), file.resolve().parent
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                raise CommandError(Exit.USAGE, f"{file}: cannot be read: {reason}") from error


def _read(reading: _Reading, origin: str, text: str, folder: Path) -> None:
    try:
        resources = load(text, origin=origin)
    except SpecError as error:
        reading.problems += [str(problem) for problem in error.problems]
        return
    for pipeline in resources.pipelines:
        name = pipeline.metadata.name
        if any(placed.pipeline.metadata.name == name for placed in reading.pipelines):
            reading.problems.append(f"{origin}: Pipeline {name!r} is there twice; rename one")
        reading.pipelines.append(Placed(pipeline, folder))
    for operator in resources.operators:
        name = operator.metadata.name
        if name in reading.operators:
            reading.problems.append(
                f"{origin}: InteractOperator {name!r} is there twice; remove one"
            )
        reading.operators[name] = operator
        if (folder / CODE).is_file() and len(resources.operators) == 1:
            reading.code[name] = folder / CODE


def _find_operators(reading: _Reading, placed: Placed, folders: Sequence[Path]) -> None:
    """Fill in specification and code of the operators a pipeline uses."""
    for one in placed.pipeline.spec.operators:
        name = one.operator_ref.name
        if name in reading.code:
            continue
        home = next((f / name for f in folders if (f / name / CODE).is_file()), None)
        if home is None:
            seen = list(dict.fromkeys(str(f) for f in folders if f.is_dir()))
            reading.problems.append(
                f"Pipeline {placed.pipeline.metadata.name}: no code of operator {name!r}: there is no "
                f"{name}/{CODE} in {', '.join(seen) or 'any folder'}; name its folder's parent with "
                f"--operators DIR or {FOLDERS_VARIABLE}"
            )
            reading.code[name] = Path()  # said once
            continue
        reading.code[name] = (home / CODE).resolve()
        if name not in reading.operators:
            _read_operator(reading, name, home / SPEC)


def _read_operator(reading: _Reading, name: str, file: Path) -> None:
    if not file.is_file():
        reading.problems.append(
            f"{file.parent / CODE} has no {SPEC} beside it; "
            f"write it with `interact operator spec --write {file.parent / CODE}`"
        )
        return
    try:
        found = load(file.read_text(encoding="utf-8"), origin=str(file)).operators
    except SpecError as error:
        reading.problems += [str(problem) for problem in error.problems]
        return
    named = [operator for operator in found if operator.metadata.name == name]
    if not named:
        others = ", ".join(operator.metadata.name for operator in found) or "none"
        reading.problems.append(
            f"{file}: holds {others}, not {name!r}; rename the folder or the operator"
        )
        return
    reading.operators[name] = named[0]
