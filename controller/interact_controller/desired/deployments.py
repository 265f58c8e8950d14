"""The Deployment of one operator of a pipeline: restricted, and the same for the same input."""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Final

from interact_api import names
from interact_api.config import KERNEL_TOLERANCE, OperatorConfig
from interact_api.model import API_VERSION
from interact_api.operator import ExecutionMode, OperatorSpec
from interact_api.pipeline import KIND, MAX_REPLICAS, Pipeline
from interact_api.quantities import seconds
from interact_api.template import PodTemplate
from pydantic import JsonValue

from interact_controller import labels
from interact_controller.desired.templates import SCRATCH, TOKEN, TOKEN_FOLDER
from interact_controller.policy import Policy
from interact_controller.seen import Manifest

CONTAINER: Final = "operator"
HTTP_PORT: Final = 9090
PATIENCE_SECONDS: Final = 600
"""How long a pod waits for NATS and its streams before it gives up and is started again."""
GRACE_SECONDS: Final = 30
"""Of a pod, Kubernetes' own default; its process takes half of it to hand back what it holds."""
ALIVE_EVERY_SECONDS: Final = 10
LEAST_ALIVE_FAILURES: Final = 6
"""A process that answers nothing for a minute is ended, whatever its kernel may take."""
RELAY: Final = ("python", "-m", "interact.external_relay")
"""What runs for an external operator: its messages become external runs."""
TEMPORARY: Final = "/tmp"  # noqa: S108  # in the container


def configuration(config: OperatorConfig) -> str:
    """What a process is started with.

    Parameters travel apart and the number of replicas is not told, so that neither rolls pods.
    """
    most = MAX_REPLICAS if config.parallel else 1
    same = config.model_copy(update={"replicas": most})
    left_out = {"parameters", "revision"} | (set() if config.most_runs else {"most_runs"})
    return same.model_dump_json(by_alias=True, exclude=left_out)


def manifest(
    pipeline: Pipeline,
    name: str,
    spec: OperatorSpec,
    template: PodTemplate,
    policy: Policy,
    *,
    operator: str,
    image: str,
    config: str,
) -> Manifest:
    """The Deployment, without replicas and without the hash of itself.

    Args:
        pipeline: Owner of the Deployment.
        name: The operator's name in the pipeline.
        spec: The operator in the catalogue.
        template: Its pod template with the pipeline's overrides.
        policy: The administrator's decisions.
        operator: Name of the InteractOperator.
        image: What its container runs.
        config: Its configuration, as JSON.
    """
    selector = {labels.PIPELINE: pipeline.metadata.name, labels.OPERATOR: name}
    ours = {labels.MANAGED_BY: "interact", labels.NAME: operator, **selector}
    pod_metadata: dict[str, JsonValue] = {"labels": {**template.labels, **ours}}
    if template.annotations:
        pod_metadata["annotations"] = dict(template.annotations)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": names.workload(pipeline.metadata.name, name),
            "namespace": pipeline.metadata.namespace,
            "labels": dict[str, JsonValue](ours),
            "ownerReferences": [owner(pipeline)],
        },
        "spec": {
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": dict[str, JsonValue](selector)},
            "strategy": _strategy(parallel=spec.parallel),
            "template": {
                "metadata": pod_metadata,
                "spec": _pod(spec, template, policy, selector, image=image, config=config),
            },
        },
    }


def owner(pipeline: Pipeline) -> dict[str, JsonValue]:
    """The controller owner reference of everything that belongs to a pipeline."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": pipeline.metadata.name,
        "uid": pipeline.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def written(manifest: Mapping[str, JsonValue]) -> bytes:
    """A manifest as JSON, the same for the same one."""
    return json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()


def digest(text: bytes) -> str:
    """A hash of a manifest; tells our changes from other people's."""
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _strategy(*, parallel: bool) -> dict[str, JsonValue]:
    """Never two sources or reducers; others get their successors before they go."""
    if not parallel:
        return {"type": "Recreate"}
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0},
    }


def _pod(
    spec: OperatorSpec,
    template: PodTemplate,
    policy: Policy,
    selector: dict[str, str],
    *,
    image: str,
    config: str,
) -> dict[str, Any]:
    said = _dumped(template)
    security = said.get("securityContext", {})
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            **security,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(spec, template, said, policy, image=image, config=config)],
        "volumes": _volumes(template, said, policy),
        "terminationGracePeriodSeconds": _grace(template),
    }
    for field in (
        "nodeSelector",
        "tolerations",
        "affinity",
        "topologySpreadConstraints",
        "runtimeClassName",
        "serviceAccountName",
        "priorityClassName",
    ):
        if said.get(field):
            pod[field] = said[field]
    if template.image_pull_secrets:
        pod["imagePullSecrets"] = [{"name": one.name} for one in template.image_pull_secrets]
    for constraint in pod.get("topologySpreadConstraints", ()):
        constraint.setdefault("whenUnsatisfiable", "ScheduleAnyway")
        constraint["labelSelector"] = {"matchLabels": selector}
    return pod


def _dumped(template: PodTemplate) -> dict[str, Any]:
    """The template as JSON; what says nothing is left out."""
    return template.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude_none=True)


def _container(
    spec: OperatorSpec,
    template: PodTemplate,
    said: dict[str, Any],
    policy: Policy,
    *,
    image: str,
    config: str,
) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": image,
        "imagePullPolicy": policy.pull_policy,
        "env": [*_environment(template, policy, image, config), *said.get("env", ())],
        "ports": [{"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"}],
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": "http"},
            "periodSeconds": 1,
            "timeoutSeconds": 2,
        },
        "livenessProbe": _alive(spec),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
        },
        "volumeMounts": _mounts(template, said, policy),
    }
    command = RELAY if spec.execution.mode is ExecutionMode.EXTERNAL else spec.command
    if command:
        container["command"] = list(command)
    if said.get("envFrom"):
        container["envFrom"] = said["envFrom"]
    if said.get("resources"):
        container["resources"] = said["resources"]
    return container


def _alive(spec: OperatorSpec) -> dict[str, Any]:
    """Kernels hold up their process: ending one is its watchdog's affair, which leaves the reason.

    The probe must not come first. The first two failures may come before the kernel's first ten
    seconds are over.
    """
    longest = KERNEL_TOLERANCE * seconds(spec.kernel_timeout)
    failures = math.ceil(longest / ALIVE_EVERY_SECONDS) + 2
    return {
        "httpGet": {"path": "/healthz", "port": "http"},
        "initialDelaySeconds": 30,
        "periodSeconds": ALIVE_EVERY_SECONDS,
        "timeoutSeconds": 5,
        "failureThreshold": max(failures, LEAST_ALIVE_FAILURES),
    }


def _grace(template: PodTemplate) -> int:
    return template.termination_grace_period_seconds or GRACE_SECONDS


def _environment(
    template: PodTemplate, policy: Policy, image: str, config: str
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": "INTERACT_CONFIG", "value": config.replace("$(", "$$(")},
        {"name": "INTERACT_IMAGE", "value": image},
        {"name": "INTERACT_NATS_URL", "value": policy.pod_nats_url},
        {"name": "INTERACT_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "INTERACT_HTTP_PORT", "value": str(HTTP_PORT)},
        {"name": "INTERACT_PATIENCE_SECONDS", "value": str(PATIENCE_SECONDS)},
        {"name": "INTERACT_LOG_FORMAT", "value": policy.pod_log_format},
        {"name": "INTERACT_GRACE_SECONDS", "value": f"{_grace(template) / 2:g}"},
    ]
    if policy.pod_nats_secret:
        path = f"{TOKEN_FOLDER}/nats/token"
        found.append({"name": "INTERACT_NATS_TOKEN_FILE", "value": path})
    return found


def _mounts(
    template: PodTemplate, said: dict[str, Any], policy: Policy
) -> list[dict[str, JsonValue]]:
    mounts: list[dict[str, JsonValue]] = list(said.get("volumeMounts", ()))
    if not _brings_scratch(template):
        mounts.append({"name": SCRATCH, "mountPath": TEMPORARY})
    if policy.pod_nats_secret:
        mounts.append({"name": TOKEN, "mountPath": f"{TOKEN_FOLDER}/nats", "readOnly": True})
    return mounts


def _volumes(
    template: PodTemplate, said: dict[str, Any], policy: Policy
) -> list[dict[str, JsonValue]]:
    volumes: list[dict[str, JsonValue]] = list(said.get("volumes", ()))
    if not _brings_scratch(template):
        volumes.append({"name": SCRATCH, "emptyDir": {}})
    if policy.pod_nats_secret:
        secret: dict[str, JsonValue] = {
            "secretName": policy.pod_nats_secret,
            "optional": True,
            "items": [{"key": "token", "path": "token"}],
        }
        volumes.append({"name": TOKEN, "secret": secret})
    return volumes


def _brings_scratch(template: PodTemplate) -> bool:
    return any(mount.mount_path.rstrip("/") == TEMPORARY for mount in template.volume_mounts)
