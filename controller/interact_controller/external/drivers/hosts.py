"""Pods with a class that is asked about a run: what they are made of."""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Final

from interact_api.external import Run
from interact_api.external_sections import ExperimentRun
from interact_api.external_work import CustomRun
from interact_api.model import Text
from interact_api.plain import mapping
from interact_api.template import PodTemplate
from pydantic import Field

from interact_controller.external.drivers import pods

ROOT: Final = "/interact/run"
VOLUME: Final = "interact-run"
TOKEN_VOLUME: Final = "interact-nats-token"  # noqa: S105  # a volume's name
TOKEN_FOLDER: Final = "/interact/nats"  # noqa: S105  # a path
KEPT_SECONDS: Final = 3600
"""How long a pod's Job is kept that nobody has asked for long."""
_ADDED: Final = frozenset({
    "controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name",
})  # fmt: skip
"""Labels that Kubernetes adds to a Job's pods."""


class CustomHost(CustomRun):
    """How an operator's class is called, and the image that has it."""

    image: Annotated[str, Field(min_length=1, max_length=512)] = Field(description="The image.")
    command: tuple[Text, ...] = Field(default=(), description="Replaces its entry point.")
    template: PodTemplate = Field(default=PodTemplate(), description="What its pod needs.")


@dataclass(frozen=True)
class Hosting:
    """What the administrator says of pods that are asked.

    Attributes:
        nats_url: Where pods find NATS.
        nats_secret: Secret of the run's namespace with the key ``token``; empty without one.
        pull: When images are pulled.
        image: Has the interact package, for experiments that name none.
    """

    nats_url: str
    nats_secret: str = ""
    pull: str = "IfNotPresent"
    image: str = ""


def name(key: str, number: int = 1) -> str:
    """The Job of the pod that is asked about a run; each that ended is followed by another."""
    return f"{key}-host" + (f"-{number}" if number > 1 else "")


def manifest(run: Run, said: CustomHost | ExperimentRun, hosting: Hosting) -> dict[str, Any]:
    """The Job of the pod; it has no owner, so that it can be asked to cancel when the run is gone."""
    environment = {
        "INTERACT_NAMESPACE": run.namespace, "INTERACT_RUN_KEY": run.key,
        "INTERACT_NATS_URL": hosting.nats_url, "INTERACT_RUN_ROOT": ROOT,
    }  # fmt: skip
    volume: dict[str, Any] = {"name": VOLUME, "emptyDir": {}}
    command: tuple[str, ...] = ("python", "-m", "interact.external_experiment")
    if isinstance(said, ExperimentRun):
        volume = {"name": VOLUME, "persistentVolumeClaim": {"claimName": said.claim}}
        environment["INTERACT_RUN_FOLDER"] = said.folder
    else:
        command = said.command
    brought = any(one.mount_path.rstrip("/") == ROOT for one in said.template.volume_mounts)
    volumes = [] if brought else [volume]
    mounts: list[dict[str, Any]] = [] if brought else [{"name": VOLUME, "mountPath": ROOT}]
    if hosting.nats_secret:
        environment["INTERACT_NATS_TOKEN_FILE"] = f"{TOKEN_FOLDER}/token"
        items = [{"key": "token", "path": "token"}]
        secret = {"secretName": hosting.nats_secret, "optional": True, "items": items}
        volumes.append({"name": TOKEN_VOLUME, "secret": secret})
        mounts.append({"name": TOKEN_VOLUME, "mountPath": TOKEN_FOLDER, "readOnly": True})
    container = pods.Container(
        said.image or hosting.image, tuple(command), (), environment, tuple(volumes), tuple(mounts)
    )
    about = pods.metadata(run)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**about, "name": name(run.key), "namespace": run.namespace},
        "spec": {
            "backoffLimit": 20,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "podReplacementPolicy": "Failed",
            "template": {
                "metadata": pods.metadata(run, said.template),
                "spec": pods.pod(container, said.template, restart="Never", pull=hosting.pull),
            },
        },
    }


def again(found: dict[str, Any]) -> dict[str, Any]:
    """The same Job anew, without what Kubernetes adds to one."""
    about, spec = mapping(found["metadata"]), mapping(found["spec"])
    pod = json.loads(json.dumps(mapping(spec["template"])))
    labels = mapping(mapping(pod.get("metadata")).get("labels"))
    pod["metadata"] = {
        "labels": {key: value for key, value in labels.items() if key not in _ADDED},
        "annotations": mapping(mapping(pod.get("metadata")).get("annotations")),
    }
    kept = ("backoffLimit", "ttlSecondsAfterFinished", "podReplacementPolicy")
    own = {key: value for key, value in mapping(about.get("labels")).items() if key not in _ADDED}
    return {
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": _next(str(about["name"])), "namespace": about["namespace"], "labels": own,
                     "annotations": {pods.RUN_ANNOTATION: mapping(about.get("annotations")).get(pods.RUN_ANNOTATION, "")}},
        "spec": {**{key: spec[key] for key in kept if key in spec}, "template": pod},
    }  # fmt: skip


def _next(former: str) -> str:
    head, _, number = former.rpartition("-host")
    return name(head, int(number.removeprefix("-") or 1) + 1)
