"""States of reducers as bytes: plain data and arrays, no code, read back into a fresh zero."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from typing import Any, Protocol, runtime_checkable

import numpy as np

from interact._errors import InteractError

_ARRAY = "#array"
_TREE = "tree"


class StateError(InteractError):
    """A state that cannot be kept; names where in it, and what may stand there."""


@runtime_checkable
class Keepable(Protocol):
    """Something that gives itself as plain data and takes it back."""

    def dump(self) -> Any:
        """Plain data and arrays."""

    def load(self, data: Any) -> None:
        """Become what ``dump`` gave."""


def pack(state: Any) -> bytes:
    """A state as bytes.

    Args:
        state: Numbers, strings, arrays, lists, dicts with string keys, dataclasses and objects of
            these, `Slots`, `FrameSum`, and anything with ``dump`` and ``load``.

    Raises:
        StateError: If it holds something else.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    tree = _taken(state, "state", arrays)
    target = io.BytesIO()
    text = np.frombuffer(json.dumps(tree).encode(), np.uint8)
    np.savez(target, allow_pickle=False, **{_TREE: text}, **arrays)
    return target.getvalue()


def unpack(data: bytes) -> Any:
    """Plain data of a packed state: dicts, lists, numbers, arrays.

    Raises:
        StateError: If the bytes are not a packed state.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return _given(json.loads(arrays.pop(_TREE).tobytes()), arrays)
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise StateError(f"what was kept of a state cannot be read: {error}") from error


def restore(template: Any, data: Any) -> Any:
    """Plain data put back into a fresh state; returns the state."""
    if isinstance(template, Keepable):
        template.load(data)
        return template
    if template is None or isinstance(
        template, bool | int | float | str | np.ndarray | list | tuple
    ):
        return data
    if isinstance(template, dict):
        return {
            key: restore(template[key], value) if key in template else value
            for key, value in data.items()
        }
    for name, value in data.items():
        object.__setattr__(template, name, restore(getattr(template, name, None), value))
    return template


def _taken(value: Any, path: str, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise StateError(f"{path} is an array of objects; keep numbers in arrays")
        name = f"a{len(arrays)}"
        arrays[name] = value
        return {_ARRAY: name}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Keepable):
        return _taken(value.dump(), path, arrays)
    if isinstance(value, list | tuple):
        return [_taken(entry, f"{path}[{i}]", arrays) for i, entry in enumerate(value)]
    fields = _fields(value, path)
    return {name: _taken(entry, f"{path}.{name}", arrays) for name, entry in fields.items()}


def _fields(value: Any, path: str) -> dict[str, Any]:
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise StateError(f"{path} is a dict whose keys are not all strings")
        return value
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if hasattr(value, "__dict__") and type(value).__module__ != "builtins":
        return dict(vars(value))
    raise StateError(
        f"{path} is a {type(value).__name__}; keep numbers, strings, arrays, lists, dicts, dataclasses, "
        "Slots or FrameSum, or give the class dump() and load(data)"
    )


def _given(tree: Any, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    if isinstance(tree, list):
        return [_given(entry, arrays) for entry in tree]
    if isinstance(tree, dict):
        if set(tree) == {_ARRAY}:
            return arrays[tree[_ARRAY]]
        return {key: _given(entry, arrays) for key, entry in tree.items()}
    return tree
