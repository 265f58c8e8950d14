"""CRDs: structural, described, bounded, fresh, and of the models' opinion."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from api.specimens import (
    EDITS,
    FULL,
    FULL_OPERATOR,
    FULL_PIPELINE,
    FULL_RUN,
    FULL_SYSTEM,
    changed,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from interact_api import __main__ as command
from interact_api import cel, crd, structural
from interact_api.admission import admission_errors
from pydantic import ValidationError

MODELS = {one.kind: one.model for one in crd.KINDS}
SCHEMAS = {one.kind: structural.schema(one.model) for one in crd.KINDS}
NODES = [
    (f"{kind}.{'.'.join(path)}", path, node)
    for kind, schema in SCHEMAS.items()
    for path, node in structural.walk(schema)
]


def accepted(data):
    try:
        MODELS[data["kind"]].model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        return str(error)
    return True


@pytest.mark.parametrize("full", FULL.values(), ids=FULL)
def test_an_object_with_every_field_is_accepted(full):
    assert accepted(full) is True
    assert admission_errors(full) == ()


@settings(max_examples=400)
@given(st.sampled_from(sorted(FULL)), EDITS)
@example("operator", [])
def test_the_models_and_the_crd_are_of_one_opinion(kind, edits):
    data = changed(FULL[kind], edits)

    errors, verdict = admission_errors(data), accepted(data)

    assert (verdict is True) == (not errors), (errors, verdict)


@pytest.mark.parametrize(
    ("full", "path", "value", "message"),
    [
        (FULL_OPERATOR, "metadata.name", "Centre", "must match"),
        (FULL_OPERATOR, "metadata.name", "c" * 64, "at most 63"),
        (FULL_OPERATOR, "spec.role", "source", "a source has no inputs"),
        (FULL_OPERATOR, "spec.inputs.1.join", "none", "join all inputs by zip"),
        (FULL_OPERATOR, "spec.inputs.1.join", "latest", "zip joins two inputs or more"),
        (FULL_OPERATOR, "spec.role", "reducer", "never runs as replicas"),
        (FULL_OPERATOR, "spec.execution.mode", "streaming", "names its driver"),
        (FULL_OPERATOR, "spec.parameters.0.type", "str", "minimum and a maximum"),
        (FULL_OPERATOR, "spec.template.env.0.name", "INTERACT_A", "platform's own"),
        (FULL_OPERATOR, "spec.template.env.1.value", "x", "not both"),
        (FULL_OPERATOR, "spec.template.volumes.0.emptyDir", {}, "exactly one kind of volume"),
        (FULL_OPERATOR, "spec.template.securityContext.runAsUser", 0, "at least 1"),
        (FULL_PIPELINE, "spec.operators.1.replicas", 2, "replicas or scale"),
        (FULL_PIPELINE, "spec.operators.1.scale.max", 0, "at least 1"),
        (FULL_PIPELINE, "spec.operators.1.scale.min", 5, "exchange them"),
        (FULL_PIPELINE, "spec.operators.1.scale.min", 2.0, "without a point"),
        (FULL_PIPELINE, "spec.suspended", None, "unknown field"),
        (FULL_PIPELINE, "status.lag", 2**63, "of type integer"),
        (FULL_OPERATOR, "spec.image", "a\u00a0b", "must match"),
        (FULL_PIPELINE, "spec.operators.1.name", "source", "duplicate value"),
        (FULL_PIPELINE, "spec.edges.0.from", "frames", "must match"),
        (FULL_PIPELINE, "spec.operators.0.outputs.0.delivery.replicas", 2, "must be one of"),
        (FULL_RUN, "metadata.name", "r" * 64, "at most 63"),
        (FULL_RUN, "spec.operator", {"name": "a"}, "exactly one of driver and operator"),
        (FULL_RUN, "spec.driver", "http", "slurm is for the driver slurm"),
        (FULL_RUN, "spec.driver", "custom", "name the InteractOperator in operator"),
        (FULL_RUN, "spec.driver", "human", "have no system; remove it"),
        (FULL_RUN, "spec.system", None, "need a system"),
        (FULL_RUN, "spec.slurm", None, "say what the driver is to do"),
        (FULL_RUN, "spec.human", {"instructions": "look"}, "human is for the driver human"),
        (FULL_RUN, "spec.inputs.0.path", "../scan.h5", "must match"),
        (FULL_RUN, "spec.inputs.0.path", "/etc/passwd", "must match"),
        (FULL_RUN, "spec.inputs.0.path", "data/.hidden", "must match"),
        (FULL_RUN, "spec.inputs.0.object", "bucket/scan", "exactly one of path and object"),
        (FULL_RUN, "spec.retry.limit", 16, "at most 15"),
        (FULL_RUN, "spec.url", "https://a.example", "unknown field"),
        (FULL_RUN, "status.phase", "DONE", "must be one of"),
        (FULL_RUN, "status.phase", None, "required value"),
        (FULL_RUN, "status.attempt", 1, "the last of status.attempts"),
        (FULL_RUN, "status.conditions.1.status", "True", "the one of status.phase alone is True"),
        (FULL_SYSTEM, "spec.driver", "slurm", "slurm is said where the driver is slurm"),
        (FULL_SYSTEM, "spec.http.url", "http://a.example", "over https only"),
        (FULL_SYSTEM, "spec.namespaces.0", "st*", "must match"),
    ],
)
def test_the_crd_refuses_with_the_rule(full, path, value, message):
    data = copy.deepcopy(full)
    *above, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    holder = data
    for step in above:
        holder = holder[step]
    holder[last] = value

    assert any(message in one for one in admission_errors(data)), admission_errors(data)
    assert accepted(data) is not True


def test_every_node_is_structural():
    for where, path, node in NODES:
        free = node.get("x-kubernetes-preserve-unknown-fields")
        either = node.get("x-kubernetes-int-or-string")

        assert "type" in node or free or either, where
        unwanted = {"$ref", "oneOf", "allOf", "not", "nullable", "title", "const", "$defs"}
        assert not unwanted & set(node), where
        assert "anyOf" not in node or either, where
        assert node.get("type") != "array" or "maxItems" in node, where
        assert node.get("type") != "array" or "x-kubernetes-list-type" in node, where
        bounded = "maxLength" in node or "enum" in node
        assert node.get("type") != "string" or bounded or len(path) < 2, where
        assert not ("properties" in node and "additionalProperties" in node), where
        if path and path[-1] not in {"metadata", "[]", "*"}:
            assert node.get("description", "").endswith((".", "?")), where


def test_keys_of_a_list_are_always_there():
    for where, _, node in NODES:
        for key in node.get("x-kubernetes-list-map-keys", ()):
            assert key in node["items"]["required"], where


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_rule_is_cel_that_can_be_evaluated(kind):
    rules = [
        rule
        for _, node in structural.walk(SCHEMAS[kind])
        for rule in node.get("x-kubernetes-validations", ())
    ]

    assert rules
    for rule in rules:
        cel.compiled(rule["rule"])
        assert "\n" not in rule["message"]


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.kind)
def test_a_definition_is_complete_and_small(kind):
    definition = yaml.safe_load(crd.document(kind))
    (version,) = definition["spec"]["versions"]
    names = definition["spec"]["names"]

    assert definition["metadata"]["name"] == f"{names['plural']}.{definition['spec']['group']}"
    assert names["categories"] == ["interact"]
    assert names["shortNames"] in (["iop"], ["ipl"], ["xrun"], ["xsys"])
    assert definition["spec"]["scope"] == (
        "Cluster" if names["kind"] == "ExternalSystem" else "Namespaced"
    )
    assert version["subresources"] == {"status": {}}
    assert len(crd.document(kind)) < 200_000


def test_the_columns_point_at_fields_that_are_there():
    for kind in crd.KINDS:
        fields = {".".join(path) for path, _ in structural.walk(SCHEMAS[kind.kind])}
        for column in kind.columns:
            path = column.path.removeprefix(".").split("[")[0]
            assert path in fields or path == "metadata.creationTimestamp"


@pytest.mark.parametrize("full", FULL.values(), ids=FULL)
def test_the_schema_is_json_schema_too(full):
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[full["kind"]])

    jsonschema.validate(full, SCHEMAS[full["kind"]])


def test_the_generated_files_are_fresh(repository):
    assert command.stale(repository) == []


def test_a_stale_file_is_named_and_written(tmp_path, capsys):
    assert command.main(["check", "--root", str(tmp_path)]) == 1
    assert "pipelines.interact.science.yaml is stale" in capsys.readouterr().out

    assert command.main(["generate", "--root", str(tmp_path)]) == 0
    assert command.main(["check", "--root", str(tmp_path)]) == 0


def released(repository):
    return sorted(Path(repository, "crds", "released").glob("*/*.yaml"))


def test_no_kind_that_was_released_is_gone(repository):
    assert {path.name for path in released(repository)} <= {f"{k.name}.yaml" for k in crd.KINDS}


def test_what_was_released_is_still_accepted(repository):
    for path in released(repository):
        old = yaml.safe_load(path.read_text(encoding="utf-8"))
        schema = old["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        before = dict(structural.walk(schema))
        now = dict(structural.walk(SCHEMAS[old["spec"]["names"]["kind"]]))
        for at, node in before.items():
            where = f"{path.parent.name} {'.'.join(at)}"
            assert at in now, f"{where} was removed"
            assert now[at].get("type") == node.get("type"), f"{where} was retyped"
            assert set(now[at].get("required", ())) <= set(node.get("required", ())), where
            assert set(node.get("enum", ())) <= set(now[at].get("enum", node.get("enum", ()))), (
                where
            )
            for bound in ("maximum", "maxLength", "maxItems", "maxProperties"):
                assert now[at].get(bound, 1e99) >= node.get(bound, 1e99), where
            for bound in ("minimum", "minLength"):
                assert now[at].get(bound, -1e99) <= node.get(bound, -1e99), where


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.kind)
def test_the_reference_page_names_every_field(kind):
    page = command.documents()[f"docs/spec/{kind.kind.lower()}.md"]

    for path, _ in structural.walk(SCHEMAS[kind.kind]["properties"]["spec"]):
        if path and path[-1] not in {"[]", "*"} and "*" not in path:
            assert f"`{'.'.join(('spec', *path)).replace('.[]', '[]')}`" in page


def test_an_object_survives_the_way_to_kubernetes_and_back():
    for full in FULL.values():
        model = MODELS[full["kind"]].model_validate(full)

        assert json.loads(json.dumps(model.to_object())) == full
