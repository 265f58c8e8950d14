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
FULL_RUN = yaml.safe_load(
    """
apiVersion: interact.science/v1alpha1
kind: ExternalRun
metadata: {name: reduce-1}
spec:
  driver: slurm
  system: hpc
  slurm: {script: "python reduce.py", partition: debug, constraint: gpu, timeLimitMinutes: 30, nodes: 1,
          tasks: 2, cpusPerTask: 4, memoryMegabytes: 512, gpusPerNode: 1, artifacts: [sum.npy], requeue: true}
  parameters: [{name: threshold, value: 3.5}, {name: shape, value: [2, {a: null}]}]
  inputs: [{name: scan, path: data/scan 1.h5, bytes: 12}, {name: dark, object: bucket/dark}]
  timeout: 30m
  waitingTimeout: 1h
  deadline: 2h
  retry: {limit: 2, backoff: 5s, maxBackoff: 1m, reasons: [Timeout, NodeFail]}
  cancel: false
  suspend: true
  ttlAfterFinished: 24h
status:
  phase: RUNNING
  attempt: 2
  reason: Running
  message: on node-1
  observedGeneration: 1
  conditions:
  - {type: Running, status: "True", reason: Running, lastTransitionTime: "2026-01-02T03:04:05Z"}
  - {type: Failed, status: "False", reason: Running, lastTransitionTime: "2026-01-02T03:04:05Z"}
  driver: slurm
  system: hpc
  idempotencyKey: xrun-ab1a4cdc3f253019-2
  externalId: "992"
  handle: {externalId: "992", data: {folder: runs/a}}
  attempts:
  - {number: 1, phase: FAILED, reason: NodeFail, message: gone, externalId: "991",
     createdTime: "2026-01-02T03:04:05Z", submittedTime: "2026-01-02T03:04:06Z",
     endedTime: "2026-01-02T03:05:05Z"}
  - {number: 2, phase: RUNNING}
  detail: {state: RUNNING}
  results: {total: 12.5}
  artifacts: [{name: sum, path: sum.npy, bytes: 3, sha256: DIGEST}]
  answers: reduce-1-answers
  startTime: "2026-01-02T03:04:05Z"
""".replace("DIGEST", "ab" * 32)
)
FULL_SYSTEM = yaml.safe_load("""
apiVersion: interact.science/v1alpha1
kind: ExternalSystem
metadata: {name: hpc}
spec:
  label: The cluster
  description: Ask the operators.
  driver: http
  http:
    url: https://reduce.example:8443/api
    caBundle: PEM
    auth: bearer
    timeout: 5s
    idempotencyHeader: Idempotency-Key
    submit: {method: POST, path: /jobs, body: {parameters: "{parameters}"}}
    id: job.id
    check: {path: "/jobs/{id}", query: {full: "1"}}
    state: job.state
    states: {DONE: Succeeded, PROCESSING: Running}
    lookup: {path: "/jobs?key={key}"}
    lookupId: jobs[0].id
    cancel: {method: DELETE, path: "/jobs/{id}"}
    collect: {path: "/jobs/{id}/results"}
    results: data
  secret: hpc-credentials
  namespaces: [stem, "*"]
  maxRuns: 50
  pollInterval: 5s
status:
  observedGeneration: 1
  runs: 2
  conditions:
  - {type: Ready, status: "True", reason: Ready, lastTransitionTime: "2026-01-02T03:04:05Z"}
""")
FULL = {
    "operator": FULL_OPERATOR,
    "pipeline": FULL_PIPELINE,
    "run": FULL_RUN,
    "system": FULL_SYSTEM,
}
STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 200),
    st.sampled_from([0.5, 1.0, 3.0, -1.5]),
    st.sampled_from(
        ["", "a", "A", "a b", "3", "0.5", "true", "30s", "1Gi", "a.b", "x" * 64, "source", "zip",
         "latest", "none", "sink", "source.frames", "external", "streaming", "invocation", "/x",
         "INTERACT_A", "int", "str-enum", "any", "dense|image", "Ready", "é", "slurm", "http", "human",
         "CREATED", "FAILED", "True", "../x", "https://a.b/c"]
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
                             "secret", "secretRef", "x", "nodeName", "operator", "slurm", "human", "custom",
                             "kubernetesJob", "object", "template", "serviceAccountName"]),
        ),
    ),
    max_size=3,
)  # fmt: skip

TEXTS = (
    "", "a", "b", "a-1", "a.b", "A_b", "-a", "a-", "a b", "a\n", "\ta", "é", "x" * 63, "x" * 64, "x" * 254, "a" * 64, "a" * 64,
    "30s", "1.5m", "1h30m", "5", "100m", "1Gi", "0.5", "any", "dense|image", "dense|any", "source.frames",
    "INTERACT_X", "X", "/data", "a/b c.h5", "../a", "https://a.example/b", "http://127.0.0.1:80/", "*", "/jobs/{id}", "Exists", "Equal", "NoSchedule", "DoNotSchedule", "Always", "OnRootMismatch",
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
    return tuple(text for text in TEXTS if re.search(re.sub(r"\$$", r"\\Z", pattern), text))


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
