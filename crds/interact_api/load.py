"""Resources from YAML text: every error at once, each with its place, its rule and a remedy."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from interact_api import graph, run_problems, yaml_text
from interact_api.external_run import ExternalRun
from interact_api.external_system import ExternalSystem
from interact_api.model import API_VERSION, GROUP, Model
from interact_api.operator import InteractOperator
from interact_api.pipeline import Pipeline
from interact_api.plain import is_list, is_mapping

KINDS: Final[Mapping[str, type[Model]]] = {
    "InteractOperator": InteractOperator,
    "Pipeline": Pipeline,
    "ExternalRun": ExternalRun,
    "ExternalSystem": ExternalSystem,
}
_REMEDIES: Final = {
    "missing": "add it",
    "string_too_long": "shorten it",
    "too_long": "remove entries",
    "enum": "choose one of them",
    "literal_error": "choose one of them",
    "string_pattern_mismatch": "follow the pattern",
    "string_type": "put it in quotes",
    "bool_type": "write true or false",
    "rule": "see the documentation of the field",
}

Resource = TypeVar("Resource", bound=Model)


@dataclass(frozen=True)
class Problem:
    """One thing to change in a text.

    Attributes:
        origin: Where the text is from, usually a file's name.
        document: Number of the YAML document in it, from 1; 0 for the text as a whole.
        path: Field in the document, for example ``spec.operators[2].parameters.radius``.
        value: What stands there, shortened; empty if nothing does.
        rule: What does not hold.
        remedy: The next step.
    """

    origin: str
    document: int
    path: str
    value: str
    rule: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.origin}:{self.document}" if self.document else self.origin
        parts = [place, self.path, f"{self.value}: {self.rule}" if self.value else self.rule]
        text = ": ".join(part for part in parts if part)
        return f"{text}; {self.remedy}" if self.remedy else text


class SpecError(ValueError):
    """A text that does not hold valid resources; ``problems`` has all of them."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


@dataclass(frozen=True)
class Resources:
    """What a text holds, in its order."""

    operators: tuple[InteractOperator, ...] = ()
    pipelines: tuple[Pipeline, ...] = ()
    runs: tuple[ExternalRun, ...] = ()
    systems: tuple[ExternalSystem, ...] = ()

    def catalogue(self) -> dict[str, InteractOperator]:
        """The operators by `OperatorRef.key`, as `graph.problems` and `streams.plan` take them."""
        elsewhere = {
            f"{one.metadata.namespace}/{one.metadata.name}": one
            for one in self.operators
            if one.metadata.namespace
        }
        return {one.metadata.name: one for one in self.operators} | elsewhere


def load(
    text: str,
    *,
    origin: str = "<text>",
    operators: Mapping[str, InteractOperator] | None = None,
) -> Resources:
    """The operators, pipelines, runs and systems of a text of one or several YAML (or JSON) documents.

    Args:
        text: The text.
        origin: Where it is from; problems begin with it.
        operators: Where given, pipelines are checked against these operators and the text's own.

    Raises:
        SpecError: If anything is wrong; holds every problem.
    """
    try:
        documents = yaml_text.documents(text)
    except yaml_text.TextError as error:
        place = f"line {error.line}" if error.line else ""
        raise SpecError((Problem(origin, 0, place, "", error.rule, error.remedy),)) from error
    found: list[Problem] = []
    resources: list[tuple[int, Model]] = []
    for number, document in enumerate(documents, start=1):
        if document is None:
            continue
        try:
            resources.append((number, _resource(document, origin, number)))
        except SpecError as error:
            found += error.problems
    found += _duplicates(resources, origin)
    loaded = Resources(
        tuple(one for _, one in resources if isinstance(one, InteractOperator)),
        tuple(one for _, one in resources if isinstance(one, Pipeline)),
        tuple(one for _, one in resources if isinstance(one, ExternalRun)),
        tuple(one for _, one in resources if isinstance(one, ExternalSystem)),
    )
    known = None if operators is None else {**operators, **loaded.catalogue()}
    found += _semantic(resources, origin, known)
    if found:
        raise SpecError(tuple(found))
    return loaded


def resource(kind: type[Resource], data: object, *, origin: str, document: int = 1) -> Resource:
    """One resource from parsed data.

    Raises:
        SpecError: If the data is not such a resource; holds every problem.
    """
    try:
        return kind.model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        raise SpecError(
            tuple(
                _problem(kind, data, detail, origin, document)
                for detail in error.errors(include_url=False, include_context=True)
            )
        ) from error


def _resource(document: object, origin: str, number: int) -> Model:
    def refuse(path: str, value: object, rule: str, remedy: str) -> SpecError:
        shown = "" if value is None else shortened(value)
        return SpecError((Problem(origin, number, path, shown, rule, remedy),))

    if not is_mapping(document):
        raise refuse("", document, "a document is a mapping", "begin with apiVersion and kind")
    kind, version = document.get("kind"), document.get("apiVersion")
    if version != API_VERSION:
        ours = isinstance(version, str) and version.startswith(f"{GROUP}/")
        rule = "this build does not know the version" if ours else "not a resource of Interact"
        raise refuse("apiVersion", version, rule, f"write {API_VERSION}")
    if not isinstance(kind, str) or kind not in KINDS:
        close = difflib.get_close_matches(str(kind), KINDS, 1)
        remedy = f"did you mean {close[0]}?" if close else f"write one of {', '.join(KINDS)}"
        raise refuse("kind", kind, "unknown kind", remedy)
    return resource(KINDS[kind], document, origin=origin, document=number)


def _duplicates(resources: list[tuple[int, Model]], origin: str) -> Iterator[Problem]:
    seen: dict[tuple[str, str | None, str], int] = {}
    for number, one in resources:
        if not isinstance(one, InteractOperator | Pipeline | ExternalRun | ExternalSystem):
            continue
        key = (one.kind, one.metadata.namespace, one.metadata.name)
        if key in seen:
            rule = f"document {seen[key]} has the same kind and name"
            yield Problem(
                origin, number, "metadata.name", repr(key[2]), rule, "rename or remove one"
            )
        seen.setdefault(key, number)


def _semantic(
    resources: list[tuple[int, Model]],
    origin: str,
    operators: Mapping[str, InteractOperator] | None,
) -> Iterator[Problem]:
    for number, one in resources:
        problems: tuple[graph.Problem, ...] = ()
        if isinstance(one, InteractOperator):
            problems = graph.operator_problems(one)
        elif isinstance(one, ExternalRun):
            problems = _run(one, operators)
        elif isinstance(one, ExternalSystem):
            problems = run_problems.system_problems(one)
        elif isinstance(one, Pipeline) and operators is not None:
            problems = graph.problems(one, operators)
        for problem in problems:
            rule, _, remedy = problem.message.rpartition("; ")
            yield Problem(origin, number, problem.path, "", rule, remedy)


def _run(
    run: ExternalRun, operators: Mapping[str, InteractOperator] | None
) -> tuple[graph.Problem, ...]:
    found = run_problems.run_problems(run)
    ref = run.spec.operator
    if ref is None or operators is None or ref.key not in operators:
        return found
    return found + run_problems.operator_run_problems(run, operators[ref.key])


def shortened(value: object, limit: int = 60) -> str:
    """A value as it is shown in a message."""
    text = repr(value)
    if is_mapping(value) or is_list(value):
        text = f"{type(value).__name__} of {len(value)}"
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def path(location: tuple[int | str, ...]) -> str:
    """A location in a document, as people write it."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else str(part)
    return text


def _problem(
    kind: type[BaseModel], data: object, detail: ErrorDetails, origin: str, document: int
) -> Problem:
    location = _within(data, tuple(detail["loc"]))
    rule, remedy = str(detail["msg"]), _REMEDIES.get(detail["type"], "correct the value")
    value = shortened(detail["input"])
    if detail["type"] == "extra_forbidden":
        rule = "unknown field"
        known = _fields_at(kind, location[:-1])
        close = difflib.get_close_matches(str(location[-1]), known, 1)
        remedy = f"did you mean {close[0]}?" if close else f"known: {', '.join(sorted(known))}"
    elif detail["type"] == "missing":
        rule, value = "required field", ""
    elif detail["type"] == "rule":
        rule, _, said = rule.rpartition("; ")
        rule, remedy, value = (rule, said, "") if rule else (said, "", "")
    elif detail["type"] == "string_pattern_mismatch":
        rule = f"must match {detail.get('ctx', {}).get('pattern')}"
    return Problem(origin, document, path(location), value, rule, remedy)


def _within(data: object, location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The location without what pydantic adds for unions and keys of maps."""
    kept: list[int | str] = []
    for number, part in enumerate(location):
        last = number == len(location) - 1
        if is_mapping(data) and (part in data or last):
            kept.append(part)
            data = data.get(str(part))
        elif is_list(data) and isinstance(part, int) and 0 <= part < len(data):
            kept.append(part)
            data = data[part]
    return tuple(kept)


def _fields_at(kind: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The fields a model has at a location."""
    model: type[BaseModel] | None = kind
    for part in location:
        if model is None or isinstance(part, int):
            continue
        fields = model.model_fields
        field = next((one for name, one in fields.items() if part in {name, one.alias}), None)
        model = _model_in(field.annotation) if field is not None else None
    return [one.alias or name for name, one in model.model_fields.items()] if model else []


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _model_in(one))), None)
