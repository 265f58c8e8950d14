"""The words of interactEM's JSON in ours: names that fit, types and defaults that are valid."""

import re
from collections.abc import Iterable
from typing import Final

from pydantic import JsonValue

from interact_api.model import DNS_LABEL_PATTERN, PARAMETER_PATTERN, PORT_PATTERN, JsonObject
from interact_api.parameters import Parameter, ParameterError, coerce
from interact_api.plain import entries, mapping
from interact_api.ports import TYPE_PATTERN

WORD: Final = 253
TEXT: Final = 4096
_PARAMETER_TYPES: Final = frozenset({"str", "int", "float", "bool", "mount", "str-enum"})


def ports(given: object) -> list[dict[str, JsonValue]]:
    """The ports; a type that is not ours becomes any."""
    made: list[dict[str, JsonValue]] = []
    for one in map(mapping, entries(given)):
        name = _name(one.get("name"), PORT_PATTERN, "port", {str(p["name"]) for p in made})
        kind = one.get("type")
        ours = isinstance(kind, str) and re.fullmatch(TYPE_PATTERN, kind) is not None
        made.append({"name": name, **_words(one), "type": kind if ours else "any"})
    return made


def parameters(given: object) -> list[dict[str, JsonValue]]:
    """The parameters; of several with one name the first, defaults only where they fit."""
    made: list[dict[str, JsonValue]] = []
    for one in map(mapping, entries(given)):
        names = {str(p["name"]) for p in made}
        if str(one.get("name")) in names:
            continue
        kind = one.get("type") if one.get("type") in _PARAMETER_TYPES else "str"
        options = [option for option in entries(one.get("options")) if isinstance(option, str)]
        if kind == "str-enum" and not options:
            kind = "str"
        parameter: dict[str, JsonValue] = {
            "name": _name(one.get("name"), PARAMETER_PATTERN, "parameter", names),
            **_words(one),
            "type": kind,
        }
        if kind == "str-enum":
            parameter["options"] = [*options]
        if isinstance(one.get("required"), bool):
            parameter["required"] = one["required"]
        made.append(parameter | _default(parameter, one.get("default")))
    return made


def _default(parameter: dict[str, JsonValue], value: JsonValue) -> dict[str, JsonValue]:
    try:
        coerce(Parameter.model_validate(parameter), value)
    except (ParameterError, ValueError):
        return {}
    return {"default": value}


def tags(given: object) -> list[dict[str, JsonValue]]:
    """The tags, each once."""
    made: dict[str, dict[str, JsonValue]] = {}
    for one in map(mapping, entries(given)):
        value = text(one.get("value"), WORD)
        made.setdefault(value, {"value": value, "description": text(one.get("description"), TEXT)})
    return list(made.values())


def triggers(given: object) -> list[dict[str, JsonValue]]:
    """The triggers."""
    made: list[dict[str, JsonValue]] = []
    for one in map(mapping, entries(given)):
        name = _name(one.get("name"), PORT_PATTERN, "trigger", {str(t["name"]) for t in made})
        mode = "drain" if one.get("mode") == "drain" else "single"
        made.append({"name": name, **_words(one), "mode": mode})
    return made


def _words(one: JsonObject) -> dict[str, JsonValue]:
    return {
        "label": text(one.get("label"), WORD),
        "description": text(one.get("description"), TEXT),
    }


def _name(given: object, pattern: str, fallback: str, taken: set[str]) -> str:
    name = str(given) if given is not None else ""
    if not re.fullmatch(pattern, name) or len(name) > 60:
        name = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[:48]
        name = name if re.match(r"[A-Za-z]", name) else f"{fallback}_{name}".strip("_")
    return unique(name, taken)


def unique(name: str, taken: Iterable[str]) -> str:
    """The name, with a number if it is taken."""
    used, number, candidate = set(taken), 1, name
    while candidate in used:
        number += 1
        candidate = f"{name[:58]}-{number}"
    return candidate


def slug(text: str, fallback: str) -> str:
    """A DNS label from free text."""
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:50].strip("-")
    return slug if re.fullmatch(DNS_LABEL_PATTERN, slug) else fallback


def image_name(image: object) -> str:
    """The last part of an image's name, without tag and digest."""
    return str(image or "").split("@")[0].rsplit("/", 1)[-1].split(":")[0]


def text(value: object, limit: int) -> str:
    """The text, cut to a limit; empty if it is none."""
    return value[:limit] if isinstance(value, str) else ""
