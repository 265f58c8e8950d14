"""Answers to a run that waits for a person: asked at a prompt, or read, checked, and given.

They lie in the ConfigMap ``<run>-answers`` in the run's namespace, ``1.json``, ``2.json`` and so on,
beside the question: ``form.json`` and ``instructions.md``. The first valid one is the answer.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from interact_api.forms import Question, answer_problems, questions
from interact_api.plain import mapping
from interact_api.problem import Problem, listed

from interact.cli.cluster.api import JSON_PATCH, ApiError, Object
from interact.cli.cluster.objects import FIELD_MANAGER, Place
from interact.cli.cluster.refusals import refusal
from interact.cli.exits import CommandError, Exit

FORM: Final = "form.json"
_ANSWER: Final = re.compile(r"([0-9]{1,9})\.json")
_TRIES: Final = 20
_WORDS: Final = {"true": True, "yes": True, "y": True, "false": False, "no": False, "n": False}

Ask = Callable[[str, str], str]
"""Asks a person: gives what they type after a text, or the default for nothing."""


def name(run: Object) -> str:
    """The ConfigMap that takes a run's answers."""
    said = mapping(run.get("status")).get("answers")
    return str(said or f"{run['metadata']['name']}-answers")


def read(place: Place, run: Object) -> Object | None:
    """The ConfigMap with a run's question and answers; None if it is not there.

    Raises:
        CommandError: If it cannot be read.
    """
    try:
        return place.api.request("GET", _path(place, run))
    except ApiError as error:
        if error.code == 404:
            return None
        raise refusal(error, f"the answers of run {run['metadata']['name']!r}") from error


def given(found: Object | None) -> dict[str, str]:
    """The answers by their file names, as people wrote them."""
    data = mapping(mapping(found).get("data"))
    return {key: str(text) for key, text in data.items() if _ANSWER.fullmatch(key)}


def form(found: Object) -> Any:
    """The form of the question; an empty one if anything may be answered."""
    text = mapping(found.get("data")).get(FORM)
    return json.loads(text) if text else {}


def give(place: Place, run: Object, response: Object) -> str:
    """Put an answer beside those there are; gives its name.

    Raises:
        CommandError: If the question is not there (any more), or the server refuses.
    """
    for left in reversed(range(_TRIES)):
        found = open_question(place, run)
        number = 1 + max((int(key[:-5]) for key in given(found)), default=0)
        patch = [
            {"op": "test", "path": "/metadata/resourceVersion",
             "value": found["metadata"]["resourceVersion"]},
            {"op": "add", "path": f"/data/{number}.json", "value": json.dumps(response, ensure_ascii=False)},
        ]  # fmt: skip
        try:
            place.api.request(
                "PATCH", _path(place, run), query={"fieldManager": FIELD_MANAGER},
                body=patch, content_type=JSON_PATCH,
            )  # fmt: skip
        except ApiError as error:
            if error.code not in {409, 422} or not left:
                raise refusal(error, f"the answer to run {run['metadata']['name']!r}") from error
        else:
            return f"{number}.json"
    raise AssertionError("the last try returns or raises")


def open_question(place: Place, run: Object) -> Object:
    """The ConfigMap of a question that may still be answered.

    Raises:
        CommandError: If there is none, or it was answered.
    """
    called, status = run["metadata"]["name"], mapping(run.get("status"))
    found = read(place, run)
    if found is None:
        phase = status.get("phase", "not seen by a controller yet")
        raise CommandError(
            Exit.NOT_FOUND,
            f"run {called!r} asks nobody: it is {phase}, and there is no ConfigMap {name(run)!r}",
            f"the driver human asks; interact runs show {called} tells what the run waits for",
        )
    if found.get("immutable"):
        raise CommandError(
            Exit.INVALID,
            f"run {called!r} was answered or ended; its ConfigMap takes no more answers",
            f"interact runs show {called} tells its result; interact runs retry {called} asks again",
        )
    return found


def from_words(words: Sequence[str], asked: Any) -> dict[str, Any]:
    """An answer from ``FIELD=VALUE``, each value read as its field's type says.

    Raises:
        CommandError: If a word is none.

    >>> from_words(["dose=3"], {"properties": {"dose": {"type": "number"}}})
    {'dose': 3}
    """
    fields = {one.name: one for one in questions(asked)}
    found: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            known = listed(fields)
            raise CommandError(Exit.USAGE, f"{word!r}: write FIELD=VALUE; the form has {known}")
        if key in found:
            raise CommandError(Exit.USAGE, f"{key}: given twice; give it once")
        found[key] = value(text, fields.get(key))
    return found


def value(text: str, field: Question | None) -> Any:
    """What a person typed as the value of a field; text stays what it is where it cannot be read."""
    kind = "" if field is None else field.kind
    if kind == "string":
        return text
    if kind == "boolean":
        return _WORDS.get(text.strip().lower(), text)
    for choice in () if field is None else field.choices:
        if text == choice:
            return choice
    try:
        return json.loads(text)
    except ValueError:
        return text


def ask(asked: Any, prompt: Ask, tell: Callable[[str], None]) -> dict[str, Any]:
    """An answer, field by field; a field is asked again until its value is valid.

    Args:
        asked: The form.
        prompt: Asks the person.
        tell: Tells what is wrong.
    """
    found: dict[str, Any] = {}
    properties = mapping(mapping(asked).get("properties"))
    for field in questions(asked):
        own: dict[str, Any] = {"properties": {field.name: properties[field.name]}}
        own["required"] = [field.name] if field.required else []
        while True:
            typed = prompt(_text(field), "" if field.default is None else _shown(field.default))
            one = {} if typed == "" and not field.required else {field.name: value(typed, field)}
            wrong = answer_problems(own, one)
            if not wrong:
                found |= one
                break
            for line in lines(wrong):
                tell(line)
    return found


def checked(asked: Any, answer: Any) -> dict[str, Any]:
    """The answer, if the form takes it.

    Raises:
        CommandError: If not; with a line for each problem.
    """
    wrong = answer_problems(asked, answer)
    if wrong:
        raise CommandError(Exit.INVALID, *lines(wrong))
    return mapping(answer)


def lines(problems: Sequence[Problem]) -> list[str]:
    """Problems as lines for people."""
    return [f"{one.path}: {one.message}" for one in problems]


def _text(field: Question) -> str:
    facts = [field.description] if field.description else []
    if field.choices:
        facts.append(f"one of {', '.join(map(_shown, field.choices))}")
    elif field.kind:
        facts.append(field.kind)
    if not field.required:
        facts.append("may be left out")
    return f"{field.title} ({'; '.join(facts)})" if facts else field.title


def _shown(one: Any) -> str:
    return one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)


def _path(place: Place, run: Mapping[str, Any]) -> str:
    namespace = run["metadata"].get("namespace") or place.namespace
    return f"/api/v1/namespaces/{namespace}/configmaps/{name(dict(run))}"
