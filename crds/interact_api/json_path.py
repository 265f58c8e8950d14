"""Where a value stands in a JSON document: ``job.state``, ``jobs[0].id``, ``["odd key"].x``."""

import re
from typing import Annotated, Final

from pydantic import JsonValue, StringConstraints

from interact_api.plain import is_list, is_mapping

_PART: Final = r"(?:[A-Za-z0-9_$@-]+|\[(?:[0-9]{1,6}|\"[^\"\\\]]+\")\])"
JSON_PATH_PATTERN: Final = rf"^(\.?{_PART}(\.?{_PART})*)?$"
JsonPath = Annotated[str, StringConstraints(max_length=512, pattern=JSON_PATH_PATTERN)]
"""Keys with dots between them, indexes and odd keys in brackets; empty is the whole document."""
_STEP: Final = re.compile(r"\.?(?:([A-Za-z0-9_$@-]+)|\[([0-9]+)\]|\[\"([^\"]+)\"\])")


def found(document: JsonValue, path: str) -> JsonValue:
    """The value at a path; None if nothing is there.

    >>> found({"jobs": [{"id": 7}]}, "jobs[0].id")
    7
    >>> found({"jobs": []}, "jobs[0].id") is None
    True
    """
    value = document
    for name, number, odd in _STEP.findall(path):
        if number:
            if not is_list(value) or int(number) >= len(value):
                return None
            value = value[int(number)]
        else:
            if not is_mapping(value):
                return None
            value = value.get(name or odd)
    return value
