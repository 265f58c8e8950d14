"""Templates of requests: words in braces become what a run says, quoted for where they stand."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote, urlencode

from interact_api.conditions import Reason
from interact_api.external import Input
from interact_api.external_http import HttpCall
from interact_api.model import JsonObject
from interact_api.plain import is_list, is_mapping
from interact_api.problem import Problem, listed
from pydantic import JsonValue

from interact_controller.external.driver import Refused
from interact_controller.external.drivers.inputs import told

PLACEHOLDER: Final = re.compile(
    r"\{(id|key|namespace|name|attempt|parameters(?:\.[A-Za-z_][A-Za-z0-9_.-]*)?|"
    r"inputs(?:\.[A-Za-z0-9_][A-Za-z0-9._-]*)?)\}"
)
_OF_PARAMETERS: Final = "parameters"
_OF_INPUTS: Final = "inputs"


def target(
    call: HttpCall,
    words: Mapping[str, str],
    parameters: JsonObject,
    inputs: Sequence[Input] = (),
) -> str:
    """The path and query of a request, encoded, to be put behind the system's address.

    Raises:
        Refused: If a word would change the meaning of the path (``..``), or a parameter is missing.
    """

    def part(match: re.Match[str]) -> str:
        word = _text(_value(match[1], words, parameters, inputs))
        if word in {"", ".", ".."}:
            message = f"{match[0]} is {word!r}, which cannot be a part of {call.path!r}"
            raise Refused(Problem(f"path.{match[1]}", Reason.INVALID_PARAMETER, message))
        return quote(word, safe="")

    path = PLACEHOLDER.sub(part, call.path)
    query = {name: filled(given, words, parameters, inputs) for name, given in call.query.items()}
    told = urlencode({name: _text(value) for name, value in query.items()})
    return path + (("&" if "?" in path else "?") + told if told else "")


def filled(
    template: JsonValue,
    words: Mapping[str, str],
    parameters: JsonObject,
    inputs: Sequence[Input] = (),
) -> JsonValue:
    """A template with its words filled in; text that is one placeholder becomes its very value.

    ``{inputs}`` is the list of a run's inputs, ``{inputs.x}`` the path or object of one of them.

    >>> filled({"gain": "{parameters.gain}", "job": "run {key}"}, {"key": "k"}, {"gain": 2.5})
    {'gain': 2.5, 'job': 'run k'}
    """
    if is_mapping(template):
        return {name: filled(one, words, parameters, inputs) for name, one in template.items()}
    if is_list(template):
        return [filled(one, words, parameters, inputs) for one in template]
    if not isinstance(template, str):
        return template
    whole = PLACEHOLDER.fullmatch(template)
    if whole:
        return _value(whole[1], words, parameters, inputs)
    return PLACEHOLDER.sub(lambda one: _text(_value(one[1], words, parameters, inputs)), template)


def missing(
    call: HttpCall, parameters: JsonObject, inputs: Sequence[Input] = ()
) -> Iterator[Problem]:
    """The parameters and inputs a request needs that a run does not give."""
    asked: set[str] = set()
    for text in _texts([call.path, dict(call.query), call.body]):
        asked.update(PLACEHOLDER.findall(text))
    for one in sorted(asked):
        name = one.removeprefix(f"{_OF_PARAMETERS}.")
        if one.startswith(f"{_OF_PARAMETERS}.") and name not in parameters:
            message = f"the system needs parameter {name!r}; given are {listed(parameters)}, add it"
            yield Problem(f"parameters.{name}", Reason.MISSING_PARAMETER, message)
        name = one.removeprefix(f"{_OF_INPUTS}.")
        if one.startswith(f"{_OF_INPUTS}.") and name not in {each.name for each in inputs}:
            yield _no_input(name, inputs)


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif is_mapping(value):
        for one in value.values():
            yield from _texts(one)
    elif is_list(value):
        for one in value:
            yield from _texts(one)


def _value(
    word: str, words: Mapping[str, str], parameters: JsonObject, inputs: Sequence[Input]
) -> JsonValue:
    head, _, name = word.partition(".")
    if head == _OF_INPUTS:
        return _input(name, inputs) if name else told(inputs)
    if head != _OF_PARAMETERS:
        return words.get(head, "")
    if not name:
        return parameters
    if name not in parameters:
        message = f"the system needs parameter {name!r}; given are {listed(parameters)}, add it"
        raise Refused(Problem(f"parameters.{name}", Reason.MISSING_PARAMETER, message))
    return parameters[name]


def _input(name: str, inputs: Sequence[Input]) -> str:
    found = next((one for one in inputs if one.name == name), None)
    if found is None:
        raise Refused(_no_input(name, inputs))
    return found.path or found.object


def _no_input(name: str, inputs: Sequence[Input]) -> Problem:
    there = listed([one.name for one in inputs])
    message = f"the system needs input {name!r}; given are {there}, add it"
    return Problem(f"inputs.{name}", Reason.MISSING_PARAMETER, message)


def _text(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    message = "a list, an object or null cannot stand within text; use it as a value of its own"
    raise Refused(Problem("parameters", Reason.INVALID_PARAMETER, message))
