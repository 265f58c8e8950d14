"""CRDs: structural, described, bounded, fresh, and of the models' opinion."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from interact_api import __main__ as command
from interact_api import cel, crd, structural
from interact_api.admission import admission_errors
from interact_api.operator import InteractOperator
from interact_api.pipeline import Pipeline
from pydantic import ValidationError

MODELS = {"InteractOperator": InteractOperator, "Pipeline": Pipeline}
SCHEMAS = {one.kind: structural.schema(one.model) for one in crd.KINDS}
NODES = [
    pytest.param(path, node, id=f"{kind}.{'.'.join(path)}")
    for kind, schema in SCHEMAS.items()
    for path, node in structural.walk(schema)
]
FULL_OPERATOR = yaml.safe_load("""
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {name: centre}
spec:
  label: Centre of mass
  description: Where the electrons are.
  image: example/centre@sha256:0a
  command: [python, run.py]
  role: transform
  inputs:
  - {name: frames, type: dense|sparse, join: zip}
  - {name: gain, label: Gain, type: image, join: zip}
  outputs: [{name: moments, type: values, guarantee: AtLeastOnce}]
  parameters:
  - {name: radius, type: float, default: "20", minimum: 0, maximum: 300.5, unit: px, scope: scan}
  - {name: method, type: str-enum, options: [disk, ring], default: disk, required: false}
  tags: [{value: gpu, description: needs one}]
  parallelConfig: {type: embarrassing}
  triggers:
  - {name: reset, mode: drain, audience: one, parameters: [{name: hard, type: bool, default: true}]}
  execution: {mode: external, driver: slurm, system: perlmutter, timeout: 1h, allowImmediate: false}
  kernelTimeout: 1m30s
  template:
    labels: {team: stem}
    resources: {requests: {cpu: 500m, memory: 1Gi}, limits: {nvidia.com/gpu: 1}}
    env:
    - {name: LEVEL, value: "3"}
    - {name: KEY, valueFrom: {secretKeyRef: {name: keys, key: a, optional: true}}}
    envFrom: [{prefix: A_, configMapRef: {name: settings}}]
    volumes:
    - {name: data, persistentVolumeClaim: {claimName: data, readOnly: true}}
    - {name: scratch, emptyDir: {medium: Memory, sizeLimit: 1Gi}}
    - {name: keys, projected: {sources: []}}
    volumeMounts: [{name: data, mountPath: /mnt/path, subPath: a, readOnly: true}]
    nodeSelector: {kind: fast}
    tolerations: [{key: gpu, operator: Exists, effect: NoSchedule, tolerationSeconds: 5}]
    affinity: {nodeAffinity: {}}
    topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]
    securityContext: {runAsUser: 1000, runAsGroup: 5, fsGroup: 7, supplementalGroups: [8, 9]}
    imagePullSecrets: [{name: pull}]
    runtimeClassName: nvidia
    serviceAccountName: reader
    terminationGracePeriodSeconds: 60
status:
  observedGeneration: 2
  usedBy: 1
  conditions:
  - {type: Ready, status: "True", reason: Accepted, message: all is well, observedGeneration: 2,
     lastTransitionTime: "2026-01-02T03:04:05Z"}
""")
FULL_PIPELINE = yaml.safe_load("""
apiVersion: interact.science/v1alpha1
kind: Pipeline
metadata: {name: scan}
spec:
  label: A scan
  operators:
  - name: source
    operatorRef: {name: reader, namespace: catalogue}
    parameters: {path: data/scan.h5, rate: 2.5, loud: true}
    replicas: 2
    updatePolicy: Pinned
    template: {nodeSelector: {kind: fast}}
    outputs:
    - name: frames
      delivery: {guarantee: AtLeastOnce, maxBytes: 1Gi, storage: Memory, replicas: 3,
                 onFull: Sample, holdsScan: true}
  - {name: centre, operatorRef: {name: centre}, scale: {min: 1, max: 4, targetPendingMessages: 9}}
  edges: [{from: source.frames, to: centre.frames, attempts: 3, ackWait: 30s}]
  suspend: false
  drain: true
  deletionPolicy: Drain
status:
  phase: Running
  observedGeneration: 1
  conditions: []
  operators: [{name: source, image: a, ready: 1, replicas: 1, framesPerSecond: 3.5,
               parameterRevision: 1, refusedParameters: [{name: a, message: b}], message: c}]
  edges: [{from: a.b, to: c.d, pendingMessages: 1, pendingBytes: 2, redelivered: 3, deadLettered: 4}]
  scans: [{id: s, state: Complete, completeness: 1, frames: 9, missing: 0}]
  externalRuns: {RUNNING: 1}
  readyOperators: 1/2
  framesPerSecond: 12
  lag: 4
""")
FULL = {"operator": FULL_OPERATOR, "pipeline": FULL_PIPELINE}
STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 200),
    st.sampled_from([0.5, 1.0, 3.0, -1.5]),
    st.sampled_from(
        ["", "a", "A", "a b", "3", "0.5", "true", "30s", "1Gi", "a.b", "x" * 64, "source", "zip",
         "latest", "none", "sink", "source.frames", "external", "streaming", "invocation", "/x",
         "INTERACT_A", "int", "str-enum", "any", "dense|image", "Ready", "é"]
    ),
    st.just([]),
    st.just({}),
    st.lists(st.just({"name": "a"}), min_size=1, max_size=2),
    st.just({"name": "a", "type": "int"}),
)  # fmt: skip


def places(value, path=()):
    """Every place in an object but those Kubernetes looks after."""
    if path[:1] in {("spec",), ("status",)}:
        yield path
    if isinstance(value, dict | list):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(child, (*path, key))


def changed(full, edits):
    """The object with some of its places replaced, removed, doubled, or given a new neighbour."""
    data = copy.deepcopy(full)
    for number, (verb, value, name) in edits:
        found = list(places(data)) or [("spec",)]
        *above, last = found[number % len(found)]
        holder = data
        for step in above:
            holder = holder[step]
        if verb == "replace":
            holder[last] = copy.deepcopy(value)
        elif verb == "remove":
            holder.pop(last) if isinstance(holder, list) else holder.pop(last, None)
        elif verb == "double" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[last]))
        elif verb == "add" and isinstance(holder, dict) and above:
            holder[name] = copy.deepcopy(value)
    return data


EDITS = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.tuples(
            st.sampled_from(["replace", "remove", "double", "add"]),
            STRANGE,
            st.sampled_from(["scale", "replicas", "value", "driver", "options", "minimum", "role",
                             "secret", "secretRef", "x", "nodeName"]),
        ),
    ),
    max_size=3,
)  # fmt: skip


def accepted(data):
    try:
        MODELS[data["kind"]].model_validate(data, by_alias=True, by_name=False)
    except ValidationError as error:
        return str(error)
    return True


@pytest.mark.parametrize("full", [FULL_OPERATOR, FULL_PIPELINE], ids=["operator", "pipeline"])
def test_an_object_with_every_field_is_accepted(full):
    assert accepted(full) is True
    assert admission_errors(full) == ()


@settings(max_examples=400)
@given(st.sampled_from(["operator", "pipeline"]), EDITS)
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
        (FULL_PIPELINE, "spec.operators.1.name", "source", "duplicate value"),
        (FULL_PIPELINE, "spec.edges.0.from", "frames", "must match"),
        (FULL_PIPELINE, "spec.operators.0.outputs.0.delivery.replicas", 2, "must be one of"),
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


@pytest.mark.parametrize(("path", "node"), NODES)
def test_every_node_is_structural(path, node):
    free = node.get("x-kubernetes-preserve-unknown-fields")
    either = node.get("x-kubernetes-int-or-string")

    assert "type" in node or free or either
    assert not {"$ref", "oneOf", "allOf", "not", "nullable", "title", "const", "$defs"} & set(node)
    assert "anyOf" not in node or either
    assert node.get("type") != "array" or "maxItems" in node
    assert node.get("type") != "array" or "x-kubernetes-list-type" in node
    assert node.get("type") != "string" or "maxLength" in node or "enum" in node or len(path) < 2
    assert not ("properties" in node and "additionalProperties" in node)
    if path and path[-1] not in {"metadata", "[]", "*"}:
        assert node.get("description", "").endswith((".", "?")), path


@pytest.mark.parametrize(("path", "node"), NODES)
def test_keys_of_a_list_are_always_there(path, node):
    for key in node.get("x-kubernetes-list-map-keys", ()):
        assert key in node["items"]["required"]


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
    assert names["shortNames"] in (["iop"], ["ipl"])
    assert version["subresources"] == {"status": {}}
    assert len(crd.document(kind)) < 200_000


def test_the_columns_point_at_fields_that_are_there():
    for kind in crd.KINDS:
        fields = {".".join(path) for path, _ in structural.walk(SCHEMAS[kind.kind])}
        for column in kind.columns:
            path = column.path.removeprefix(".").split("[")[0]
            assert path in fields or path == "metadata.creationTimestamp"


@pytest.mark.parametrize("full", [FULL_OPERATOR, FULL_PIPELINE], ids=["operator", "pipeline"])
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


def test_every_kind_was_released(repository):
    assert {path.name for path in released(repository)} == {f"{k.name}.yaml" for k in crd.KINDS}


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
    for full in (FULL_OPERATOR, FULL_PIPELINE):
        model = MODELS[full["kind"]].model_validate(full)

        assert json.loads(json.dumps(model.to_object())) == full
