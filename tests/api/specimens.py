"""Objects with every field, and ways to spoil them a little."""

import copy
import functools
import re

import yaml
from hypothesis import strategies as st

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

TEXTS = (
    "", "a", "b", "a-1", "a.b", "A_b", "-a", "a-", "a b", "a\n", "\ta", "é", "x" * 63, "x" * 64, "x" * 254,
    "30s", "1.5m", "1h30m", "5", "100m", "1Gi", "0.5", "any", "dense|image", "dense|any", "source.frames",
    "INTERACT_X", "X", "/data", "Exists", "Equal", "NoSchedule", "DoNotSchedule", "Always", "OnRootMismatch",
)  # fmt: skip
LOOSE = (None, True, 3, "a", {}, [], {"a": [1, None]})
WHOLE = (
    -2,
    -1,
    0,
    1,
    1,
    2,
    3,
    5,
    1.0,
    1.5,
    -1.0,
    63,
    64,
    2**31,
    2**53,
    2**63 - 1,
    2**63,
    -(2**63),
    1e18,
)
PARTS = (*WHOLE, 0.25, 1e300, -0.0, 1e-300)


@functools.cache
def matching(pattern):
    return tuple(text for text in TEXTS if re.search(pattern.replace("$", r"\Z"), text))


def conforming(node, draw):
    """A value that a schema's types allow; its bounds and patterns it may miss.

    Args:
        node: The schema.
        draw: A `random.Random`.
    """
    kind = node.get("type")
    if kind == "object" and "properties" in node:
        wanted = node.get("required", ()) if draw.random() < 0.95 else ()
        return {
            name: conforming(child, draw)
            for name, child in node["properties"].items()
            if name in wanted or draw.random() < 0.2
        }
    if kind == "object" and isinstance(node.get("additionalProperties"), dict):
        values = node["additionalProperties"]
        return {draw.choice(TEXTS): conforming(values, draw) for _ in range(draw.randrange(3))}
    if kind == "array":
        return [conforming(node["items"], draw) for _ in range(draw.choice((0, 1, 1, 2, 3)))]
    return draw.choice(_choices(node) if draw.random() < 0.93 else (*LOOSE, *PARTS, *TEXTS))


def _choices(node):
    if node.get("x-kubernetes-int-or-string"):
        return (1, 2, *matching(node["pattern"])) if "pattern" in node else (*WHOLE, *TEXTS)
    if "enum" in node:
        return node["enum"]
    if node.get("type") == "string":
        return matching(node["pattern"]) if "pattern" in node else TEXTS
    least, most = node.get("minimum", -(2**63)), node.get("maximum", 2**63)
    within = tuple(one for one in PARTS if least <= one <= most)
    whole = tuple(one for one in within if float(one).is_integer())
    return {"integer": whole, "number": within, "boolean": (True, False)}.get(
        node.get("type"), LOOSE
    )
