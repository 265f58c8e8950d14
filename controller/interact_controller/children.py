"""The Deployments and pods of a pipeline as small values."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from interact_api.pipeline import KIND as PIPELINE_KIND
from interact_api.plain import entries, mapping

from interact_controller import labels
from interact_controller.seen import Manifest

CONFIG_VARIABLE: Final = "INTERACT_CONFIG"


@dataclass(frozen=True)
class WorkloadSeen:
    """A Deployment as it is.

    ``owner`` is the uid of its controller, empty without one; ``former`` says that this is another
    Pipeline, so that the garbage collector is about to remove it. ``pods`` counts those there are
    or are about to be; ``settled`` says that they are what the Deployment asks for.
    """

    name: str
    uid: str
    operator: str
    manifest: Manifest
    owner: str
    former: bool
    replicas: int
    ready: int
    pods: int
    settled: bool
    trouble: str

    @property
    def config(self) -> str:
        """What its processes were started with, as JSON."""
        return self.variable(CONFIG_VARIABLE).replace("$$(", "$(")

    @property
    def reads(self) -> frozenset[tuple[str, str]]:
        """The streams and consumers its processes read by."""
        found = [mapping(one) for one in entries(self._wires().get("inputs"))]
        return frozenset((str(one.get("stream")), str(one.get("durable"))) for one in found)

    @property
    def writes(self) -> frozenset[str]:
        """The streams its processes write to."""
        found = entries(self._wires().get("outputs"))
        return frozenset(str(mapping(one).get("stream")) for one in found)

    def _wires(self) -> dict[str, Any]:
        try:
            return mapping(json.loads(self.config or "{}"))
        except ValueError:
            return {}

    def variable(self, name: str) -> str:
        """The value of an environment variable of its container."""
        found = [
            str(mapping(one).get("value", ""))
            for one in entries(container(self.manifest).get("env"))
            if mapping(one).get("name") == name
        ]
        return found[0] if found else ""

    @property
    def annotations(self) -> dict[str, Any]:
        """Its annotations."""
        return mapping(mapping(self.manifest.get("metadata")).get("annotations"))


@dataclass(frozen=True)
class PodSeen:
    """A pod as it is: what keeps it from being ready, in Kubernetes' words."""

    name: str
    operator: str
    ready: bool
    ending: bool
    waiting: str = ""
    waiting_message: str = ""
    unschedulable: str = ""
    restarts: int = 0
    exit_code: int | None = None
    exit_reason: str = ""
    last_words: str = ""


def container(deployment: Manifest) -> dict[str, Any]:
    """The container of an operator in its Deployment; empty if there is none."""
    template = mapping(mapping(deployment.get("spec")).get("template"))
    found = entries(mapping(template.get("spec")).get("containers"))
    named = [one for one in found if mapping(one).get("name") == "operator"]
    return mapping(named[0]) if named else {}


def workloads(manifests: Iterable[Manifest], uid: str) -> dict[str, WorkloadSeen]:
    """Deployments by their name; ``uid`` is the pipeline's."""
    found = [workload(one, uid) for one in manifests]
    return {one.name: one for one in found}


def workload(manifest: Manifest, uid: str) -> WorkloadSeen:
    """One Deployment."""
    about, spec = mapping(manifest.get("metadata")), mapping(manifest.get("spec"))
    status = mapping(manifest.get("status"))
    owners = [
        one for one in entries(about.get("ownerReferences")) if mapping(one).get("controller")
    ]
    owner = mapping(owners[0]) if owners else {}
    replicas = spec.get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= about.get("generation", 0)
    settled = (
        seen
        and status.get("updatedReplicas", 0) >= replicas
        and status.get("replicas", 0) == status.get("updatedReplicas", 0)
        and status.get("readyReplicas", 0) >= replicas
    )
    return WorkloadSeen(
        name=str(about.get("name", "")),
        uid=str(about.get("uid", "")),
        operator=str(mapping(about.get("labels")).get(labels.OPERATOR, "")),
        manifest=manifest,
        owner=str(owner.get("uid", "")),
        former=owner.get("kind") == PIPELINE_KIND and owner.get("uid") != uid,
        replicas=int(replicas),
        ready=int(status.get("readyReplicas", 0)),
        pods=int(status.get("replicas", 0)) if seen else max(1, int(replicas)),
        settled=settled,
        trouble=_trouble(entries(status.get("conditions"))),
    )


def _trouble(conditions: Sequence[Any]) -> str:
    """Why no pods can be made, in the words of the Deployment."""
    return next(
        (
            str(one.get("message", ""))
            for one in conditions
            if one.get("type") == "ReplicaFailure" and one.get("status") == "True"
        ),
        "",
    )


def over(manifest: Manifest) -> bool:
    """Whether a pod has ended for good (evicted, for example) and only its record is there."""
    return mapping(manifest.get("status")).get("phase") in {"Succeeded", "Failed"}


def pod(manifest: Manifest) -> PodSeen:
    """One pod."""
    about, status = mapping(manifest.get("metadata")), mapping(manifest.get("status"))
    held = {mapping(one).get("type"): mapping(one) for one in entries(status.get("conditions"))}
    statuses = [mapping(one) for one in entries(status.get("containerStatuses"))]
    ours = next((one for one in statuses if one.get("name") == "operator"), {})
    state, last = mapping(ours.get("state")), mapping(ours.get("lastState"))
    waiting = mapping(state.get("waiting"))
    ended = mapping(state.get("terminated")) or mapping(last.get("terminated"))
    scheduled = held.get("PodScheduled", {})
    stuck = scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable"
    code = ended.get("exitCode")
    return PodSeen(
        name=str(about.get("name", "")),
        operator=str(mapping(about.get("labels")).get(labels.OPERATOR, "")),
        ready=held.get("Ready", {}).get("status") == "True",
        ending="deletionTimestamp" in about,
        waiting=str(waiting.get("reason", "")),
        waiting_message=str(waiting.get("message", "")),
        unschedulable=str(scheduled.get("message", "")) or "no node takes it" if stuck else "",
        restarts=int(ours.get("restartCount", 0)),
        exit_code=code if isinstance(code, int) else None,
        exit_reason=str(ended.get("reason", "")),
        last_words=str(ended.get("message", "")).strip()[:1000],
    )
