"""Pods that do a run's work: under Pod Security *restricted*, in the run's namespace, as it says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from interact_api.external import Run
from interact_api.model import API_VERSION, GROUP
from interact_api.template import PodTemplate

CONTAINER: Final = "work"
SCRATCH: Final = "interact-scratch"
TEMPORARY: Final = "/tmp"  # noqa: S108  # in the container
KEY_LABEL: Final = f"{GROUP}/run-key"
RUN_ANNOTATION: Final = f"{GROUP}/run"
_PASSED_ON: Final = (
    "nodeSelector", "tolerations", "affinity", "runtimeClassName", "serviceAccountName",
    "priorityClassName", "imagePullSecrets", "terminationGracePeriodSeconds",
)  # fmt: skip


@dataclass(frozen=True)
class Container:
    """What a pod runs.

    Attributes:
        image: The image.
        command: Replaces its entry point.
        arguments: Of the command.
        environment: By name; ``$(`` is taken as it stands.
        volumes: Besides the template's, as Kubernetes writes them.
        mounts: Besides the template's.
    """

    image: str
    command: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    volumes: tuple[dict[str, Any], ...] = ()
    mounts: tuple[dict[str, Any], ...] = ()


def pod(container: Container, template: PodTemplate, *, restart: str, pull: str) -> dict[str, Any]:
    """The specification of a pod.

    Args:
        container: What it runs.
        template: What else it needs.
        restart: Its restart policy.
        pull: When its image is pulled.
    """
    said = template.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude_none=True)
    brought = any(one.mount_path.rstrip("/") == TEMPORARY for one in template.volume_mounts)
    scratch = () if brought else ({"name": SCRATCH, "emptyDir": {}},)
    made: dict[str, Any] = {
        "restartPolicy": restart,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            **said.get("securityContext", {}),
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [*said.get("volumes", ()), *container.volumes, *scratch],
        "containers": [_container(container, said, pull=pull, scratch=not brought)],
    }
    made |= {name: said[name] for name in _PASSED_ON if said.get(name)}
    return made


def metadata(run: Run, template: PodTemplate | None = None) -> dict[str, Any]:
    """What tells whose work an object is; of its pods, with what their template says."""
    labels = {} if template is None else dict(template.labels)
    notes = {} if template is None else dict(template.annotations)
    return {
        "labels": {**labels, KEY_LABEL: run.key, "app.kubernetes.io/managed-by": "interact"},
        "annotations": {**notes, RUN_ANNOTATION: run.name},
    }


def owner(run: Run) -> dict[str, Any]:
    """The owner reference to a run: Kubernetes removes with it what belongs to it."""
    return {
        "apiVersion": API_VERSION, "kind": "ExternalRun", "name": run.name, "uid": run.uid,
        "controller": True, "blockOwnerDeletion": False,
    }  # fmt: skip


def _container(
    container: Container, said: Mapping[str, Any], *, pull: str, scratch: bool
) -> dict[str, Any]:
    own = [
        {"name": name, "value": value.replace("$(", "$$(")}
        for name, value in sorted(container.environment.items())
    ]
    mounts = [*said.get("volumeMounts", ()), *container.mounts]
    if scratch:
        mounts.append({"name": SCRATCH, "mountPath": TEMPORARY})
    made: dict[str, Any] = {
        "name": CONTAINER,
        "image": container.image,
        "imagePullPolicy": pull,
        "env": [*own, *said.get("env", ())],
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
        },
    }
    if container.command:
        made["command"] = list(container.command)
    if container.arguments:
        made["args"] = list(container.arguments)
    for name in ("envFrom", "resources"):
        if said.get(name):
            made[name] = said[name]
    return made
