"""Structural OpenAPI v3 schemas, as Kubernetes wants them, from the models."""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias, get_args

from pydantic import BaseModel

from interact_api.model import Model

Schema: TypeAlias = dict[str, Any]

_KEPT: Final = (
    "description",
    "type",
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
)

_PYDANTIC_NAMES: Final = {"ge": "minimum", "le": "maximum"}
"""Bounds behind a validator keep pydantic's own names in its JSON Schema."""


class SchemaError(TypeError):
    """A model says something a structural schema cannot."""


def schema(kind: type[Model]) -> Schema:
    """The structural schema of a resource.

    Raises:
        SchemaError: If a field has no description, or a type Kubernetes has no schema for.
    """
    document = kind.model_json_schema(by_alias=True, mode="validation")
    built = _object(kind, document, document.get("$defs", {}))
    for name in ("apiVersion", "kind"):
        built["properties"][name] = {
            key: built["properties"][name][key] for key in ("description", "type")
        }
    name = built["properties"]["metadata"]["properties"]["name"]
    built["properties"]["metadata"] = {"type": "object", "properties": {"name": name}}
    if "status" in built["properties"]:
        _drop_defaults(built["properties"]["status"])
    return built


def walk(node: Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Every node of a schema with its path; ``[]`` stands for items, ``*`` for values of a map."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from walk(child, (*path, name))
    if "items" in node:
        yield from walk(node["items"], (*path, "[]"))
    if isinstance(node.get("additionalProperties"), dict):
        yield from walk(node["additionalProperties"], (*path, "*"))


def _models(base: type[Model] = Model) -> dict[str, type[Model]]:
    found: dict[str, type[Model]] = {}
    for model in base.__subclasses__():
        found |= {model.__name__: model} | _models(model)
    return found


def _object(kind: type[Model], given: Schema, definitions: Schema) -> Schema:
    aliases = {name: field.alias or name for name, field in kind.model_fields.items()}
    built: Schema = {"description": given["description"], "type": "object"}
    if required := given.get("required"):
        built["required"] = sorted(required)
    built["properties"] = {
        name: _node(child, definitions, f"{kind.__name__}.{name}", top=True)
        for name, child in given.get("properties", {}).items()
    }
    for field, keys in kind.list_keys.items():
        built["properties"][aliases[field]] |= {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": [
                _alias(_entry(kind.model_fields[field].annotation), key) for key in keys
            ],
        }
    said = [(one.cel, one.message) for one in kind.rules]
    said += [(one.cel, one.message) for one in kind.moves]
    if said:
        built["x-kubernetes-validations"] = [
            {"rule": rule, "message": message} for rule, message in said
        ]
    return built


def _entry(annotation: object) -> type[BaseModel]:
    """The model of a list's entries."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        return _entry(argument)
    raise SchemaError(f"{annotation} has no entries with keys")


def _alias(model: type[BaseModel], field: str) -> str:
    return model.model_fields[field].alias or field


def _node(given: Schema, definitions: Schema, where: str, *, top: bool = False) -> Schema:
    """One node: references written out, ``null`` gone, only what Kubernetes reads kept."""
    description = given.get("description")
    default = given.get("default")
    choices = [one for one in given.get("anyOf", []) if one.get("type") != "null"]
    if len(choices) == 1:
        given = given | choices[0]
    elif choices:
        raise SchemaError(f"{where} may be one of several types; Kubernetes wants one")
    if len(given.get("allOf", [])) == 1:
        given = given | given["allOf"][0]
    reference = str(given.get("$ref", "")).removeprefix("#/$defs/")
    models = _models()
    if reference in models:
        built = _object(models[reference], definitions[reference], definitions)
    else:
        if reference == "JsonValue":
            given = given | {"x-kubernetes-preserve-unknown-fields": True}
        elif reference:
            given = definitions[reference] | given
        built = _plain(given, definitions, where)
    if description:
        built = {"description": description} | built | {"description": description}
    if top and "description" not in built:
        raise SchemaError(f"{where} has no description")
    return _with_default(built, default)


def _plain(given: Schema, definitions: Schema, where: str) -> Schema:
    given = {_PYDANTIC_NAMES.get(key, key): value for key, value in given.items()}
    built: Schema = {key: given[key] for key in _KEPT if key in given}
    if "const" in given:
        built["enum"] = [given["const"]]
    if built.get("x-kubernetes-int-or-string"):
        built["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if built.get("type") == "integer":
        built["format"] = "int64"
    if built.get("type") == "array":
        built["items"] = _node(given["items"], definitions, f"{where}[]")
        built["x-kubernetes-list-type"] = "atomic"
    if built.get("type") == "object":
        values = given.get("additionalProperties", True)
        if values is True or values == {} or values.get("$ref", "").endswith("/JsonValue"):
            built["x-kubernetes-preserve-unknown-fields"] = True
        else:
            built["additionalProperties"] = _node(values, definitions, f"{where}.*")
    if not {"type", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"} & set(
        built
    ):
        raise SchemaError(f"{where} has no type: {given}")
    return built


def _with_default(built: Schema, default: object) -> Schema:
    if isinstance(default, dict):
        # Filled in, for Kubernetes checks the rules on a default before it fills it in.
        fields = built.get("properties", {}).items()
        filled = {name: one["default"] for name, one in fields if "default" in one}
        return built | {"default": filled} if filled else built
    if default in (None, "") or isinstance(default, list | tuple):
        return built
    return built | {"default": default}


def _drop_defaults(node: Schema) -> None:
    """Leave the defaults out: a status says what was observed and nothing else."""
    for _, child in walk(node):
        child.pop("default", None)
