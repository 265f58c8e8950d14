"""Forms: the part of JSON Schema that people's answers are described in, checked and asked by.

The keywords are few so that a form can be asked at a prompt, and that checking an answer takes no
longer than reading it: no ``$ref``, no alternatives, no regular expressions.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeGuard

from pydantic import JsonValue

from interact_api.bounded_json import MAX_DEPTH, deeper
from interact_api.conditions import Reason
from interact_api.plain import entries, is_list, is_mapping, mapping
from interact_api.problem import Problem, listed

PATH: Final = "spec.human.form"
MAX_FIELDS: Final = 128
_WORDS: Final = frozenset({"title", "description", "default", "examples", "format", "$schema", "$id", "$comment"})  # fmt: skip
"""Keywords that say nothing about what is valid."""
_COMMON: Final = frozenset({"type", "enum", "const"}) | _WORDS
_OF_TYPE: Final[Mapping[str, frozenset[str]]] = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "string": frozenset({"minLength", "maxLength"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "integer": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
    "boolean": frozenset(),
    "null": frozenset(),
}
_BOUNDS: Final[Mapping[str, tuple[Callable[[float, float], bool], str]]] = {
    "minimum": (lambda value, bound: value >= bound, "it is at least {}; raise it"),
    "maximum": (lambda value, bound: value <= bound, "it is at most {}; lower it"),
    "exclusiveMinimum": (lambda value, bound: value > bound, "it is above {}; raise it"),
    "exclusiveMaximum": (lambda value, bound: value < bound, "it is below {}; lower it"),
    "minLength": (lambda value, bound: value >= bound, "it has at least {} characters; write more"),
    "maxLength": (lambda value, bound: value <= bound, "it has at most {} characters; shorten it"),
    "minItems": (lambda value, bound: value >= bound, "it has at least {} entries; add some"),
    "maxItems": (lambda value, bound: value <= bound, "it has at most {} entries; remove some"),
}


@dataclass(frozen=True)
class Question:
    """One field of a form, as a person is asked for it.

    Attributes:
        name: The field.
        kind: Its type, of JSON Schema; empty for any.
        title: What to ask.
        description: What it means.
        required: Whether an answer has it.
        choices: The values it may have; empty for no list.
        default: What an empty input means; None for nothing.
    """

    name: str
    kind: str
    title: str
    description: str
    required: bool
    choices: tuple[JsonValue, ...]
    default: JsonValue


def form_problems(form: JsonValue, path: str = PATH) -> list[Problem]:
    """What is wrong with a form itself; empty if it can be asked and checked."""
    if form is None or form == {}:
        return []
    if not is_mapping(form) or form.get("type", "object") != "object":
        return [_wrong(path, form, "a form is a JSON Schema of an object", "write type: object")]
    if deeper(form, MAX_DEPTH):
        return [Problem(path, Reason.INVALID_SPEC, f"it is deeper than {MAX_DEPTH} levels; flatten it")]  # fmt: skip
    return list(_schema(form, path))


def _schema(form: dict[str, JsonValue], path: str) -> Iterator[Problem]:
    kind = form.get("type", "object" if "properties" in form else "")
    if kind and (not isinstance(kind, str) or kind not in _OF_TYPE):
        yield _wrong(f"{path}.type", kind, "it is one type", f"write one of {listed(_OF_TYPE)}")
        return
    known = _COMMON | _OF_TYPE.get(str(kind), frozenset())
    for word in sorted(set(form) - known):
        yield _wrong(
            f"{path}.{word}",
            form[word],
            f"a form has no {word} here",
            f"use {listed(known - _WORDS)}",
        )
    yield from _bounds(form, path)
    if "enum" in form and not (is_list(form["enum"]) and form["enum"]):
        yield _wrong(f"{path}.enum", form["enum"], "it is a list of values", "write [a, b]")
    for name, inner in mapping(form.get("properties")).items():
        yield from _inner(inner, f"{path}.properties.{name}")
    if "items" in form:
        yield from _inner(form["items"], f"{path}.items")
    yield from _fields(form, path)


def _bounds(form: dict[str, JsonValue], path: str) -> Iterator[Problem]:
    for word in sorted(_BOUNDS.keys() & form.keys()):
        if not _number(form[word]):
            yield _wrong(f"{path}.{word}", form[word], "it is a number", "write one")


def _inner(form: JsonValue, path: str) -> Iterator[Problem]:
    if is_mapping(form):
        yield from _schema(form, path)
    else:
        yield _wrong(path, form, "it is a schema, an object", "write {type: string}")


def _fields(form: dict[str, JsonValue], path: str) -> Iterator[Problem]:
    properties, required = form.get("properties", {}), form.get("required", [])
    if not is_mapping(properties) or len(properties) > MAX_FIELDS:
        rule = f"it is an object of at most {MAX_FIELDS} fields"
        yield _wrong(f"{path}.properties", properties, rule, "write name: {type: string}")
    elif not is_list(required) or any(
        not isinstance(one, str) or one not in properties for one in required
    ):
        rule = "it lists fields of properties"
        yield _wrong(f"{path}.required", required, rule, f"there are {listed(properties)}")
    if not isinstance(form.get("additionalProperties", True), bool):
        rule = "it is true or false"
        yield _wrong(
            f"{path}.additionalProperties", form["additionalProperties"], rule, "write false"
        )


def answer_problems(form: JsonValue, answer: JsonValue, path: str = "answer") -> list[Problem]:
    """What is wrong with an answer, all of it; empty if the form takes it.

    Args:
        form: A form without problems of its own.
        answer: What a person said.
        path: What the paths of problems begin with.

    >>> answer_problems({"properties": {"dose": {"maximum": 10}}}, {"dose": 12})[0].message
    '12: it is at most 10; lower it'
    """
    if not is_mapping(answer):
        return [_wrong(path, answer, "an answer is a JSON object", "write {field: value}")]
    if deeper(answer, MAX_DEPTH):
        return [Problem(path, Reason.INVALID_PARAMETER, f"it is deeper than {MAX_DEPTH} levels; flatten it")]  # fmt: skip
    return list(_broken({"type": "object", **mapping(form)}, answer, path))


def _broken(form: dict[str, JsonValue], value: JsonValue, path: str) -> Iterator[Problem]:
    kind = str(form.get("type", "object" if "properties" in form else ""))
    if kind and not _is(value, kind):
        yield _wrong(path, value, f"it is of type {kind}", "correct it")
        return
    if "const" in form and not _same(value, form["const"]):
        yield _wrong(path, value, f"it is {form['const']!r}", "write that")
    choices = entries(form.get("enum"))
    if choices and not any(_same(value, one) for one in choices):
        yield _wrong(path, value, f"it is one of {listed(choices)}", "choose one of them")
    size = len(value) if isinstance(value, str | list) else value
    for word in sorted(_BOUNDS.keys() & form.keys()):
        holds, rule = _BOUNDS[word]
        bound = form[word]
        if _number(size) and _number(bound) and not holds(size, bound):
            told, _, remedy = rule.format(bound).partition("; ")
            yield _wrong(path, value, told, remedy)
    if is_list(value):
        for number, one in enumerate(value):
            yield from _broken(mapping(form.get("items")), one, f"{path}[{number}]")
    if is_mapping(value):
        yield from _object(form, value, path)


def _object(
    form: dict[str, JsonValue], value: dict[str, JsonValue], path: str
) -> Iterator[Problem]:
    properties = mapping(form.get("properties"))
    for name in entries(form.get("required")):
        if name not in value:
            message = f"required field; give a value, the form asks for {listed(properties)}"
            yield Problem(f"{path}.{name}", Reason.MISSING_PARAMETER, message)
    for name, one in value.items():
        if name in properties:
            yield from _broken(mapping(properties[name]), one, f"{path}.{name}")
        elif form.get("additionalProperties") is False:
            message = f"unknown field; the form has {listed(properties)}"
            yield Problem(f"{path}.{name}", Reason.UNKNOWN_PARAMETER, message)


def questions(form: JsonValue) -> tuple[Question, ...]:
    """The fields of a form in its order, as a person is asked for them one by one."""
    whole = mapping(form)
    required = entries(whole.get("required"))
    return tuple(
        Question(
            name=name,
            kind=str(one.get("type", "")),
            title=str(one.get("title", name)),
            description=str(one.get("description", "")),
            required=name in required,
            choices=(one["const"],) if "const" in one else tuple(entries(one.get("enum"))),
            default=one.get("default"),
        )
        for name, one in ((key, mapping(inner)) for key, inner in _properties(whole))
    )


def _properties(form: dict[str, JsonValue]) -> list[tuple[str, JsonValue]]:
    return list(mapping(form.get("properties")).items())


def _is(value: JsonValue, kind: str) -> bool:
    if kind in {"number", "integer"}:
        return _number(value) and (kind == "number" or float(value).is_integer())
    classes: dict[str, type] = {
        "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
    }  # fmt: skip
    return isinstance(value, classes[kind])


def _number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _same(left: JsonValue, right: JsonValue) -> bool:
    """Equal as JSON has it: true is not 1."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def _wrong(path: str, value: JsonValue, rule: str, remedy: str) -> Problem:
    text = repr(value)
    shown = text if len(text) <= 60 else f"{text[:59]}…"
    return Problem(path, Reason.INVALID_PARAMETER, f"{shown}: {rule}; {remedy}")
