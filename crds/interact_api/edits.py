"""The difference of two JSON values as a short list of edits, and its application."""

import copy
from collections.abc import Iterator
from typing import TypeAlias

from pydantic import JsonValue

Path: TypeAlias = list[str | int]
Edit: TypeAlias = tuple[str, Path, JsonValue]
"""``("set", path, value)`` or ``("remove", path, None)``; an empty path is the whole value."""


def difference(wanted: JsonValue, given: JsonValue) -> list[Edit]:
    """The edits that turn ``given`` into ``wanted``.

    >>> difference({"a": [1, 2]}, {"a": [1, 3], "b": 0})
    [('set', ['a', 1], 2), ('remove', ['b'], None)]
    """
    return list(_edits(wanted, given, []))


def _edits(wanted: JsonValue, given: JsonValue, path: Path) -> Iterator[Edit]:
    if isinstance(wanted, dict) and isinstance(given, dict):
        for key, value in wanted.items():
            if key in given:
                yield from _edits(value, given[key], [*path, key])
            else:
                yield ("set", [*path, key], value)
        for key in given:
            if key not in wanted:
                yield ("remove", [*path, key], None)
    elif isinstance(wanted, list) and isinstance(given, list) and len(wanted) == len(given):
        for number, (left, right) in enumerate(zip(wanted, given, strict=True)):
            yield from _edits(left, right, [*path, number])
    elif type(wanted) is not type(given) or wanted != given:
        yield ("set", path, wanted)


def apply(edits: list[Edit], given: JsonValue) -> JsonValue:
    """The value after the edits; ``given`` stays as it is.

    Raises:
        KeyError, IndexError: If an edit names a place that is not there.
    """
    root: dict[str, JsonValue] = {"": copy.deepcopy(given)}
    for verb, path, value in edits:
        at: JsonValue = root
        steps: Path = ["", *path]
        for step in steps[:-1]:
            at = at[step]  # type: ignore[index]
        if verb == "remove":
            del at[steps[-1]]  # type: ignore[union-attr,arg-type]
        else:
            at[steps[-1]] = copy.deepcopy(value)  # type: ignore[index]
    return root[""]
