"""JSON values told apart by their type."""

from typing import Any, TypeGuard


def is_mapping(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether a JSON value is an object."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether a JSON value is an array."""
    return isinstance(value, list)


def mapping(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if is_mapping(value) else {}


def entries(value: object) -> list[Any]:
    """The value if it is an array, else an empty one."""
    return value if is_list(value) else []
