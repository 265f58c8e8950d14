"""JSON from outside: read within bounds of size and depth, or refused with the bound named."""

from typing import Final

import msgspec
from pydantic import JsonValue

from interact_api.plain import is_list, is_mapping

MAX_BYTES: Final = 1 << 20
"""Of one document; what is larger travels as a file."""
MAX_DEPTH: Final = 64
"""Arrays and objects within each other; people write about ten."""


class NotJson(ValueError):  # noqa: N818  # says what is wrong, as KeyError does not
    """Bytes that are no JSON; perhaps not all of them are there yet."""


class OutOfBounds(ValueError):  # noqa: N818  # says what is wrong, as KeyError does not
    """A document too large or too deep to be read, whatever it says."""


def parse(
    data: bytes | str, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH
) -> JsonValue:
    """A document read back.

    Args:
        data: The document.
        max_bytes: Most bytes it may have.
        max_depth: Most arrays and objects within each other.

    Raises:
        NotJson: If it is none, or only the beginning of one.
        OutOfBounds: If it is larger or deeper than it may be.

    >>> parse(b'{"status": "COMPLETED"}')
    {'status': 'COMPLETED'}
    """
    size = len(data)
    if size > max_bytes:
        raise OutOfBounds(f"the document has {size:,} bytes, at most {max_bytes:,} are read")
    too_deep = f"the document is nested deeper than {max_depth} levels, which is the most"
    try:
        found: JsonValue = msgspec.json.decode(data)
    except RecursionError as error:
        raise OutOfBounds(too_deep) from error
    except (msgspec.DecodeError, UnicodeError, ValueError) as error:
        raise NotJson(f"this is no JSON: {error}") from error
    if deeper(found, max_depth):
        raise OutOfBounds(too_deep)
    return found


def deeper(value: JsonValue, levels: int) -> bool:
    """Whether a value has more arrays and objects within each other than this many.

    >>> deeper([[1]], 2), deeper([[[1]]], 2)
    (False, True)
    """
    row: list[JsonValue] = [value]
    for _ in range(levels + 1):
        row = [inner for outer in row for inner in _within(outer)]
        if not row:
            return False
    return True


def _within(value: JsonValue) -> list[JsonValue]:
    """What is directly inside; an empty container holds a level, too, as its own placeholder."""
    if is_mapping(value):
        return list(value.values()) or [None]
    if is_list(value):
        return value or [None]
    return []
