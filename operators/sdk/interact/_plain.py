"""What a trigger returns, as JSON: numbers, texts, arrays, bytes; anything else is named. Pure."""

import base64
import dataclasses
import datetime
import enum
import json
import math
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from interact._errors import InteractError

MAX_BYTES = 1 << 16
MAX_DEPTH = 32
MAX_ELEMENTS = 1 << 14

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class ResultError(InteractError):
    """What was returned cannot be told; says where in it, and what may stand there."""


def plain(value: Any) -> Json:
    """A value as JSON.

    Numbers of numpy become numbers, arrays nested lists, NaN and infinities the texts "NaN",
    "Infinity" and "-Infinity", bytes ``{"base64": …}``, dates and paths texts, dataclasses objects.

    Raises:
        ResultError: If it is something else, too deep or too large.

    >>> plain({"mean": np.float32(0.5), "bad": float("nan")})
    {'mean': 0.5, 'bad': 'NaN'}
    """
    found = _taken(value, "result", 0)
    size = len(json.dumps(found))
    if size > MAX_BYTES:
        raise ResultError(
            f"the result has {size} bytes as JSON, at most {MAX_BYTES} are sent; "
            "return less, or publish an Image"
        )
    return found


def _taken(value: Any, path: str, depth: int) -> Json:
    if depth > MAX_DEPTH:
        raise ResultError(f"{path} is nested more than {MAX_DEPTH} deep, or holds itself")
    if isinstance(value, enum.Enum):
        return _taken(value.value, path, depth + 1)
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return _array(value, path, depth)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _number(float(value))
    if isinstance(value, bytes | bytearray | memoryview):
        if len(value) > MAX_BYTES:
            raise ResultError(f"{path} has {len(value)} bytes, at most {MAX_BYTES} are sent")
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, pathlib.PurePath):
        return str(value)
    return _container(value, path, depth)


def _container(value: Any, path: str, depth: int) -> Json:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        _few(len(value), path)
        return {
            _key(key, path): _taken(entry, f"{path}.{key}", depth + 1)
            for key, entry in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        _few(len(value), path)
        return [_taken(entry, f"{path}[{n}]", depth + 1) for n, entry in enumerate(value)]
    raise ResultError(
        f"{path} is a {type(value).__name__}; return numbers, texts, lists, dicts, arrays or bytes"
    )


def _array(value: Any, path: str, depth: int) -> Json:
    if value.dtype.kind not in "biufSU":
        raise ResultError(f"{path} is of dtype {value.dtype}; return numbers or texts")
    _few(value.size, path)
    return _taken(value.tolist(), path, depth)


def _few(count: int, path: str) -> None:
    if count > MAX_ELEMENTS:
        raise ResultError(f"{path} has {count} elements, at most {MAX_ELEMENTS} are sent")


def _key(key: Any, path: str) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bool | int | float | np.integer | np.floating):
        return str(key)
    raise ResultError(f"a key of {path} is a {type(key).__name__}; use texts")


def _number(value: float) -> Json:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
