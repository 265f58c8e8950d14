"""Operators and pipelines of interactEM as ours, and back, without loss.

What our resources have no field for (ids, unknown keys, port types in free text) is kept in one
annotation, as the edits that turn the way back into the original.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import JsonValue

from interact_api import edits, plain
from interact_api import interactem_words as words
from interact_api.load import Resources, resource
from interact_api.model import JsonObject
from interact_api.operator import InteractOperator
from interact_api.pipeline import MAX_REPLICAS, Pipeline

ANNOTATION: Final = "interact.science/interactem"
_WORDS: Final = ("name", "label", "description")


def operator(data: Mapping[str, Any], *, origin: str = "operator.json") -> InteractOperator:
    """The InteractOperator of an ``operator.json``.

    Raises:
        SpecError: If it has no image, or more ports or parameters than a resource may have.
    """
    spec: dict[str, Any] = {
        "label": words.text(data.get("label"), words.WORD),
        "description": words.text(data.get("description"), words.TEXT),
        "image": data.get("image"),
        "inputs": words.ports(data.get("inputs")),
        "outputs": words.ports(data.get("outputs")),
        "parameters": words.parameters(data.get("parameters")),
        "tags": words.tags(data.get("tags")),
        "triggers": words.triggers(data.get("triggers")),
    }
    if plain.mapping(data.get("parallel_config")).get("type") == "embarrassing":
        spec["parallelConfig"] = {"type": "embarrassing"}
    if any(tag["value"] == "gpu" for tag in words.tags(data.get("tags"))):
        spec["template"] = {"resources": {"limits": {"nvidia.com/gpu": 1}}}
    name = words.slug(words.image_name(data.get("image")) or str(data.get("label", "")), "operator")
    made = _operator(name, {key: value for key, value in spec.items() if value}, {}, origin)
    kept = {"edits": edits.difference(_plain(data), _operator_back(made))}
    return _operator(name, made.spec.to_object(), {ANNOTATION: _dump(kept)}, origin)


def operator_json(made: InteractOperator) -> JsonObject:
    """The ``operator.json`` an InteractOperator was made from."""
    kept = _kept(made.metadata.annotations)
    return plain.mapping(edits.apply(kept.get("edits", []), _operator_back(made)))


def pipeline(
    data: Mapping[str, Any],
    *,
    name: str,
    catalogue: Iterable[InteractOperator] = (),
    origin: str = "pipeline.json",
) -> Resources:
    """The Pipeline of a canonical pipeline, and the operators that the catalogue lacks.

    Args:
        data: The canonical pipeline; its ports are told apart by their place in the lists.
        name: Name of the Pipeline.
        catalogue: Converted operators; found by the id of their ``operator.json``.
        origin: Where the data is from; problems begin with it.

    Raises:
        SpecError: If the result is not a valid resource.
    """
    known = {operator_json(one).get("id"): one for one in catalogue}
    taken = {one.metadata.name for one in known.values()}
    placed: list[dict[str, Any]] = [plain.mapping(one) for one in data.get("operators") or ()]
    new: dict[object, InteractOperator] = {}
    names: dict[str, dict[str, Any]] = {}
    for one in placed:
        label = words.unique(words.slug(str(one.get("label", "")), "operator"), names)
        names[label] = one
        if one.get("spec_id") not in known | new:
            made = _from_placed(one, taken)
            taken.add(made.metadata.name)
            new[one.get("spec_id")] = made
    operators = {label: (known | new)[one.get("spec_id")] for label, one in names.items()}
    spec: JsonObject = {
        "operators": [_placed(label, one, operators[label]) for label, one in names.items()],
        "edges": _edges(data.get("edges"), names, operators),
    }
    ids: JsonObject = {
        label: {key: one.get(key) for key in ("id", "spec_id", "inputs", "outputs")}
        for label, one in names.items()
    }
    bare = _pipeline(name, spec, {ANNOTATION: _dump({"ids": ids})}, origin)
    back = _pipeline_back(bare, operators)
    kept = {"ids": ids, "edits": edits.difference(_plain(data), back)}
    whole = _pipeline(name, spec, {ANNOTATION: _dump(kept)}, origin)
    return Resources(tuple(new.values()), (whole,))


def pipeline_json(made: Pipeline, operators: Mapping[str, InteractOperator]) -> JsonObject:
    """The canonical pipeline a Pipeline was made from, with its operators by name."""
    kept = _kept(made.metadata.annotations)
    by_place = {one.name: operators[one.operator_ref.key] for one in made.spec.operators}
    return plain.mapping(edits.apply(kept.get("edits", []), _pipeline_back(made, by_place)))


def _operator(
    name: str, spec: JsonObject, annotations: JsonObject, origin: str
) -> InteractOperator:
    metadata: JsonObject = {"name": name, "annotations": annotations}
    document = {"apiVersion": "interact.science/v1alpha1", "kind": "InteractOperator"}
    return resource(
        InteractOperator, {**document, "metadata": metadata, "spec": spec}, origin=origin
    )


def _pipeline(name: str, spec: JsonObject, annotations: JsonObject, origin: str) -> Pipeline:
    metadata: JsonObject = {"name": name, "annotations": annotations}
    return resource(Pipeline, {"metadata": metadata, "spec": spec}, origin=origin)


def _operator_back(made: InteractOperator) -> JsonObject:
    """The operator in interactEM's words, as far as our fields tell."""
    spec = made.spec
    return {
        "label": spec.label,
        "description": spec.description,
        "image": spec.image,
        "inputs": [{**_said(one, _WORDS), "type": one.type} for one in spec.inputs],
        "outputs": [{**_said(one, _WORDS), "type": one.type} for one in spec.outputs],
        "parameters": [
            {
                **_said(one, _WORDS),
                "type": one.type.value,
                "default": one.default,
                "required": one.required,
                **({"options": list(one.options)} if one.options else {}),
            }
            for one in spec.parameters
        ],
        "tags": [_said(one, ("value", "description")) for one in spec.tags],
        "parallel_config": {"type": spec.parallel_config.type.value},
        "triggers": [{**_said(one, _WORDS), "mode": one.mode.value} for one in spec.triggers],
    }


def _pipeline_back(made: Pipeline, operators: Mapping[str, InteractOperator]) -> JsonObject:
    ids = plain.mapping(_kept(made.metadata.annotations).get("ids"))
    ports: list[JsonValue] = []
    placed: list[JsonValue] = []
    for one in made.spec.operators:
        said = plain.mapping(ids.get(one.name))
        back = _operator_back(operators[one.name]) | said | {"node_type": "operator"}
        for parameter in plain.entries(back["parameters"]):
            given = plain.mapping(parameter)
            given["default"] = one.parameters.get(str(given["name"]), given["default"])
        placed.append(back | {"parallelism": one.replicas})
        for kind in ("input", "output"):
            ports += [
                {
                    "id": port,
                    "node_type": "port",
                    "port_type": kind,
                    "canonical_operator_id": said.get("id"),
                    "portkey": port,
                }
                for port in plain.entries(said.get(f"{kind}s"))
            ]
    ends = {
        f"{one.name}.{port.name}": identity
        for one in made.spec.operators
        for kind in ("inputs", "outputs")
        for port, identity in zip(
            getattr(operators[one.name].spec, kind),
            plain.entries(plain.mapping(ids.get(one.name)).get(kind)),
            strict=False,
        )
    }
    wires: list[JsonValue] = [
        {"input_id": ends.get(edge.source), "output_id": ends.get(edge.target)}
        for edge in made.spec.edges
    ]
    return {"operators": placed, "ports": ports, "edges": wires}


def _from_placed(one: dict[str, Any], taken: set[str]) -> InteractOperator:
    """An operator that only the pipeline describes; its ports have numbers for names."""
    described = {
        "id": one.get("spec_id"),
        **{
            key: one.get(key)
            for key in ("label", "description", "image", "parameters", "tags", "triggers")
        },
        "parallel_config": one.get("parallel_config"),
        "inputs": [{"name": f"in{n}"} for n, _ in enumerate(plain.entries(one.get("inputs")))],
        "outputs": [{"name": f"out{n}"} for n, _ in enumerate(plain.entries(one.get("outputs")))],
    }
    made = operator(described, origin=f"operator {one.get('label')!r}")
    name = words.unique(made.metadata.name, taken)
    return _operator(name, made.spec.to_object(), dict(made.metadata.annotations), name)


def _placed(name: str, one: dict[str, Any], made: InteractOperator) -> JsonObject:
    placed: JsonObject = {"name": name, "operatorRef": {"name": made.metadata.name}}
    declared = {parameter.name: parameter for parameter in made.spec.parameters}
    values: JsonObject = {}
    for parameter in map(plain.mapping, plain.entries(one.get("parameters"))):
        declaration = declared.get(str(parameter.get("name")))
        value = parameter.get("value", parameter.get("default"))
        if declaration is not None and value is not None and value != declaration.default:
            values[declaration.name] = value
    if values:
        placed["parameters"] = values
    parallelism = one.get("parallelism")
    if made.spec.parallel and isinstance(parallelism, int) and 1 <= parallelism <= MAX_REPLICAS:
        placed["replicas"] = parallelism
    return placed


def _edges(
    given: object, names: dict[str, dict[str, Any]], operators: Mapping[str, InteractOperator]
) -> list[JsonValue]:
    ends: dict[str, dict[object, str]] = {"inputs": {}, "outputs": {}}
    for label, one in names.items():
        for kind, found in ends.items():
            ports = getattr(operators[label].spec, kind)
            pairs = zip(plain.entries(one.get(kind)), ports, strict=False)
            found |= {str(identity): f"{label}.{port.name}" for identity, port in pairs}
    made: list[JsonValue] = []
    for edge in map(plain.mapping, plain.entries(given)):
        source = ends["outputs"].get(str(edge.get("input_id")))
        target = ends["inputs"].get(str(edge.get("output_id")))
        if source and target and {"from": source, "to": target} not in made:
            made.append({"from": source, "to": target})
    return made


def _said(one: object, fields: tuple[str, ...]) -> dict[str, JsonValue]:
    return {word: getattr(one, word) for word in fields}


def _plain(data: Mapping[str, Any]) -> JsonObject:
    return dict(json.loads(json.dumps(dict(data))))


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _kept(annotations: Mapping[str, str]) -> dict[str, Any]:
    return plain.mapping(json.loads(annotations.get(ANNOTATION, "{}")))
