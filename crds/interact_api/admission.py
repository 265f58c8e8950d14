"""What the API server says to an object: its schema, then its CEL rules, from the generated CRD.

A second opinion beside the models: it reads only the structural schema, as Kubernetes does, so a
test can compare the two verdicts.
"""

import copy
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from interact_api import cel, crd
from interact_api.load import path as shown
from interact_api.model import is_whole
from interact_api.plain import entries, is_list, is_mapping
from interact_api.structural import Schema, schema

Path = tuple[int | str, ...]


@lru_cache(maxsize=8)
def _schema(kind: str) -> Schema:
    return schema(next(one.model for one in crd.KINDS if one.kind == kind))


def admission_errors(data: dict[str, Any], before: dict[str, Any] | None = None) -> tuple[str, ...]:
    """What is wrong with an object, as ``path: rule``; empty if it would be admitted.

    Unknown fields count as errors, as ``kubectl apply`` has it. CEL rules are evaluated on what
    the schema finds sound.

    Args:
        data: The object as JSON; its kind is one of ours.
        before: The object as it is stored, if this is a change of it.
    """
    node = _schema(str(data.get("kind")))
    whole, old = (
        None if one is None else _filled(_without_nulls(copy.deepcopy(one), node), node)
        for one in (data, before)
    )
    found = [f"{shown(path)}: {rule}" for path, rule in _invalid(whole, node, ())]
    return tuple(
        found or [f"{shown(path)}: {rule}" for path, rule in _broken(whole, old, node, ())]
    )


def _filled(value: Any, node: Schema) -> Any:
    _fill(value, node)
    return value


def _children(value: object, node: Schema) -> Iterator[tuple[int | str, Any, Schema]]:
    if is_mapping(value):
        for key, child in value.items():
            inner = node.get("properties", {}).get(key, node.get("additionalProperties"))
            if isinstance(inner, dict):
                yield key, child, inner
    elif is_list(value) and "items" in node:
        for number, child in enumerate(value):
            yield number, child, node["items"]


def _without_nulls(value: Any, node: Schema) -> Any:
    """Drop null fields: Kubernetes prunes them where a field is not nullable."""
    if is_mapping(value) and "properties" in node:
        properties = node["properties"]
        kept = {
            key: child for key, child in value.items() if child is not None or key not in properties
        }
        return {
            key: _without_nulls(child, properties[key]) if key in properties else child
            for key, child in kept.items()
        }
    if is_mapping(value) and isinstance(node.get("additionalProperties"), dict):
        return {key: child for key, child in value.items() if child is not None}
    if is_list(value) and "items" in node:
        return [_without_nulls(child, node["items"]) for child in value]
    return value


def _fill(value: Any, node: Schema) -> None:
    """Put the defaults in."""
    if is_mapping(value):
        for key, inner in node.get("properties", {}).items():
            if key not in value and "default" in inner:
                value[key] = copy.deepcopy(inner["default"])
    for _, child, inner in _children(value, node):
        _fill(child, inner)


def _invalid(value: Any, node: Schema, path: Path) -> Iterator[tuple[Path, str]]:
    if node.get("x-kubernetes-int-or-string"):
        if isinstance(value, bool) or not isinstance(value, int | str):
            yield path, "must be an integer or text"
            return
    elif "type" in node and not _typed(value, node["type"]):
        yield path, f"must be of type {node['type']}"
        return
    yield from ((path, rule) for rule in _bounds(value, node))
    if is_mapping(value):
        yield from _fields(value, node, path)
    if node.get("x-kubernetes-list-type") == "map":
        keys = node["x-kubernetes-list-map-keys"]
        rows = [[one.get(key) for key in keys] for one in entries(value) if is_mapping(one)]
        if len({json.dumps(one) for one in rows}) < len(rows):
            yield path, "duplicate value"
    for key, child, inner in _children(value, node):
        yield from _invalid(child, inner, (*path, key))


def _typed(value: object, kind: str) -> bool:
    if kind in {"integer", "number"}:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return kind == "number" or is_whole(value)
    classes = {"string": str, "boolean": bool, "object": dict, "array": list}
    return isinstance(value, classes[kind])


def _bounds(value: Any, node: Schema) -> Iterator[str]:
    if "enum" in node and value not in node["enum"]:
        yield f"must be one of {node['enum']}"
    if isinstance(value, str):
        if "pattern" in node and not re.search(_whole(node["pattern"]), value):
            yield f"must match {node['pattern']}"
        yield from _sized(len(value), node, "Length", "characters")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if value < node.get("minimum", value):
            yield f"must be at least {node['minimum']}"
        if value > node.get("maximum", value):
            yield f"must be at most {node['maximum']}"
    elif is_list(value):
        yield from _sized(len(value), node, "Items", "entries")
    elif is_mapping(value):
        yield from _sized(len(value), node, "Properties", "entries")


def _whole(pattern: str) -> str:
    r"""A pattern that ends where the text ends: to Python, ``$`` is also before a last ``\n``."""
    return f"{pattern[:-1]}\\Z" if pattern.endswith("$") else pattern


def _sized(size: int, node: Schema, what: str, word: str) -> Iterator[str]:
    if size < node.get(f"min{what}", size):
        yield f"must have at least {node[f'min{what}']} {word}"
    if size > node.get(f"max{what}", size):
        yield f"must have at most {node[f'max{what}']} {word}"


def _fields(value: dict[str, Any], node: Schema, path: Path) -> Iterator[tuple[Path, str]]:
    for key in node.get("required", ()):
        if key not in value:
            yield (*path, key), "required value"
    if "properties" in node and path != ("metadata",):
        for key in value:
            if key not in node["properties"]:
                yield (*path, key), "unknown field"


def _broken(value: Any, old: Any, node: Schema, path: Path) -> Iterator[tuple[Path, str]]:
    for rule in node.get("x-kubernetes-validations", ()):
        if old is None and "oldSelf" in rule["rule"]:
            continue  # as Kubernetes does where there was nothing before
        if _reads_a_point(rule["rule"], value, node):
            yield path, "a whole number must be written without a point"
        elif not cel.compiled(rule["rule"])({"self": value, "oldSelf": old}):
            yield path, rule["message"]
    for key, child, inner in _children(value, node):
        yield from _broken(child, _former(child, old, key, node), inner, (*path, key))


def _former(child: Any, old: Any, key: int | str, node: Schema) -> Any:
    """What stood before where a child stands now; None if Kubernetes cannot tell."""
    if is_mapping(old):
        return old.get(str(key))
    if node.get("x-kubernetes-list-type") != "map" or not is_mapping(child):
        return None
    keys = node["x-kubernetes-list-map-keys"]
    same = [one for one in entries(old) if all(one.get(k) == child.get(k) for k in keys)]
    return same[0] if same else None


def _reads_a_point(rule: str, value: Any, node: Schema) -> bool:
    """Whether a rule reads an integer that is written like 1.0: the API server fails on it."""
    return any(
        inner.get("type") == "integer"
        and isinstance(value.get(name), float)
        and re.search(rf"(?<!has\()self\.{name}\b", rule) is not None
        for name, inner in node.get("properties", {}).items()
    )
