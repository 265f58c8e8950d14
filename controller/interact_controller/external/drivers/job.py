"""Work as a Kubernetes Job in the run's namespace, named by the run's key: never two of them."""

import base64
import json
from typing import Any, Final

from interact_api import bounded_json
from interact_api.conditions import Reason
from interact_api.external import Handle, Observation, OperatorResult, Repeat, Run, State
from interact_api.external_sections import JobRun
from interact_api.plain import entries, is_mapping, mapping
from interact_api.problem import Problem

from interact_controller.external.driver import Refused
from interact_controller.external.drivers import fetching, inputs, pods, sections, stored
from interact_controller.external.drivers.jobs_api import Jobs
from interact_controller.external.drivers.maps_api import Maps
from interact_controller.external.drivers.objects import Requests

CALL_SECONDS: Final = 61.0
"""Five requests of ten seconds, and the inputs' time."""
MAX_INPUT_BYTES: Final = 512 * 2**10
"""Of inputs that are objects, in all: they are mounted from a ConfigMap."""
INPUTS_FOLDER: Final = "/interact/inputs"
INPUTS_VOLUME: Final = "interact-inputs"
PARAMETERS_LIMIT: Final = 120 * 2**10
"""Bytes; Linux takes 128 KiB for one variable."""
_REASONS: Final = {
    "DeadlineExceeded": "Timeout",
    "BackoffLimitExceeded": "NonZeroExit",
    "PodFailurePolicy": "NonZeroExit",
}


class JobDriver:
    """A driver; see `interact_controller.external.driver.Driver`.

    Args:
        api: The door to Kubernetes.
        pull: When images are pulled.
        read: The way to the object store; without one, inputs are files of the pod's volumes.
    """

    repeat = Repeat.IDEMPOTENT
    call_seconds = CALL_SECONDS

    def __init__(
        self, api: Requests, pull: str = "IfNotPresent", read: stored.Read | None = None
    ) -> None:
        self._jobs = Jobs(api)
        self._maps = Maps(api)
        self._pull = pull
        self._read = read

    async def validate(self, run: Run) -> list[Problem]:
        """What is wrong with the container, its parameters and its inputs."""
        found = sections.problems(JobRun, run) + inputs.problems(run, MAX_INPUT_BYTES)
        size = len(_parameters(run).encode())
        if size > PARAMETERS_LIMIT:
            message = f"parameters have {size:,} bytes, at most {PARAMETERS_LIMIT:,} reach a container; put the rest into a file"  # fmt: skip
            found.append(Problem("parameters", Reason.TOO_LARGE, message))
        return found

    async def prepare(self, run: Run) -> Handle:
        """Where the Job will be."""
        sections.section(JobRun, run)
        return _handle(run)

    async def submit(self, run: Run, handle: Handle) -> Handle:
        """Make the Job, or take the one there is; before it, what it mounts."""
        contents = await inputs.contents(run, self._read, MAX_INPUT_BYTES)
        if contents:
            await self._maps.own(mounted(run, contents), run.uid)
        made = await self._jobs.make(manifest(run, sections.section(JobRun, run), self._pull))
        return self._own(run, made)

    async def lookup(self, run: Run) -> Handle | None:
        """The Job with the run's key."""
        found = await self._jobs.find(run.namespace, run.key)
        return None if found is None else self._own(run, found)

    async def check(self, handle: Handle) -> Observation:
        """How the Job stands, and what keeps its pod from running."""
        job = await self._find(handle)
        if job is None:
            message = f"there is no Job {handle.external_id} any more; somebody deleted it"
            return Observation(state=State.LOST, reason="NotFound", message=message)
        end = ended(job)
        if end is not None and end.state is State.SUCCEEDED:
            return end
        status = mapping(job.get("status"))
        if end is None and mapping(job.get("spec")).get("suspend"):
            return Observation(
                state=State.WAITING, reason="Suspended", message="its Job is suspended"
            )
        if end is None and int(status.get("ready") or 0) > 0:
            return Observation(state=State.RUNNING)
        seen = await self._jobs.pods(str(handle.data["namespace"]), str(handle.data["key"]))
        return began(seen) if end is None else _with_exit(end, seen)

    async def collect(self, handle: Handle) -> OperatorResult:
        """What the container wrote to its termination message."""
        seen = await self._jobs.pods(str(handle.data["namespace"]), str(handle.data["key"]))
        for one in seen:
            ended = _terminated(one)
            if ended is not None and ended.get("exitCode") == 0:
                return OperatorResult(results=_results(str(ended.get("message") or "")))
        message = (
            f"the pod of Job {handle.external_id} is gone and its results with it; run it again"
        )
        raise Refused(Problem("results", Reason.UNKNOWN, message))

    async def cancel(self, handle: Handle) -> bool:
        """Delete the Job unless it has ended; True once it and its pods are gone."""
        job = await self._find(handle)
        if job is None or ended(job) is not None:
            return True
        uid = str(mapping(job["metadata"]).get("uid"))
        await self._jobs.remove(str(handle.data["namespace"]), str(handle.data["key"]), uid)
        return await self._find(handle) is None

    async def _find(self, handle: Handle) -> dict[str, Any] | None:
        """The very Job of the handle, not another of its name."""
        job = await self._jobs.find(str(handle.data["namespace"]), str(handle.data["key"]))
        uid = handle.data.get("uid")
        if job is not None and uid and mapping(job["metadata"]).get("uid") != uid:
            return None
        return job

    def _own(self, run: Run, job: dict[str, Any]) -> Handle:
        """The handle of a Job that is this run's.

        Raises:
            Refused: If somebody else has a Job of this name.
        """
        about = mapping(job["metadata"])
        owners = {mapping(one).get("uid") for one in entries(about.get("ownerReferences"))}
        if run.uid not in owners:
            message = f"there is a Job {run.namespace}/{run.key} that is not ours; remove it"
            raise Refused(Problem("", Reason.NAME_TAKEN, message))
        return _handle(run).submitted(f"{run.namespace}/{run.key}", uid=about["uid"])


def manifest(run: Run, said: JobRun, pull: str) -> dict[str, Any]:
    """The Job of a run; the same for the same run."""
    brought = any(one.object for one in run.inputs)
    volume = {"name": INPUTS_VOLUME, "configMap": {"name": _inputs_name(run)}}
    mount = {"name": INPUTS_VOLUME, "mountPath": INPUTS_FOLDER, "readOnly": True}
    container = pods.Container(
        said.image, said.command, said.arguments,
        {"INTERACT_PARAMETERS": _parameters(run), "INTERACT_RUN": run.name,
         "INTERACT_RUN_KEY": run.key, "INTERACT_NAMESPACE": run.namespace,
         "INTERACT_INPUTS": inputs.text(run)},
        volumes=(volume,) if brought else (), mounts=(mount,) if brought else (),
    )  # fmt: skip
    ignored = {
        "action": "Ignore",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    }
    spec: dict[str, Any] = {
        "backoffLimit": 0,
        "podFailurePolicy": {"rules": [ignored]},  # a node that is drained is no failure
        "podReplacementPolicy": "Failed",  # never two pods at once
        "template": {
            "metadata": pods.metadata(run, said.template),
            "spec": pods.pod(container, said.template, restart="Never", pull=pull),
        },
    }
    if run.deadline is not None and run.created is not None:
        # Kubernetes' own watch over it, should we be away: from the Job's start, so a little later.
        spec["activeDeadlineSeconds"] = max(1, int((run.deadline - run.created).total_seconds()))
    about = {**pods.metadata(run), "name": run.key, "namespace": run.namespace}
    about["ownerReferences"] = [pods.owner(run)]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": about, "spec": spec}


def mounted(run: Run, contents: tuple[inputs.Content, ...]) -> dict[str, Any]:
    """The ConfigMap with a run's inputs; it goes with the run."""
    about = {**pods.metadata(run), "name": _inputs_name(run), "namespace": run.namespace}
    return {
        "apiVersion": "v1", "kind": "ConfigMap", "immutable": True,
        "metadata": {**about, "ownerReferences": [pods.owner(run)]},
        "binaryData": {one.name: base64.b64encode(one.data).decode() for one in contents},
    }  # fmt: skip


def _inputs_name(run: Run) -> str:
    return f"{run.key}-inputs"


def _parameters(run: Run) -> str:
    return json.dumps(run.parameters, sort_keys=True, separators=(",", ":"))


def _handle(run: Run) -> Handle:
    return Handle(data={"namespace": run.namespace, "key": run.key})


def ended(job: dict[str, Any]) -> Observation | None:
    """How the Job ended, by its conditions; those that announce an end are not one."""
    for one in map(mapping, entries(mapping(job.get("status")).get("conditions"))):
        if one.get("status") != "True":
            continue
        message = fetching.excerpt(str(one.get("message") or ""))
        if one.get("type") == "Complete":
            return Observation(state=State.SUCCEEDED, message=message)
        if one.get("type") == "Failed":
            word = str(one.get("reason") or "")
            return Observation(state=State.FAILED, reason=_REASONS.get(word, "JobFailed"),
                               message=message, detail={"job": word[:100]})  # fmt: skip
    return None


def began(seen: list[dict[str, Any]]) -> Observation:
    """What a Job waits for whose pod is not ready."""
    for pod in seen[:1]:
        status = mapping(pod.get("status"))
        if status.get("phase") in {"Running", "Succeeded", "Failed"}:  # the Job is told soon
            return Observation(state=State.RUNNING)
        for one in map(mapping, entries(status.get("containerStatuses"))):
            waiting = mapping(mapping(one.get("state")).get("waiting"))
            if waiting.get("reason") not in {None, "ContainerCreating", "PodInitializing"}:
                words = f"{waiting['reason']}: {waiting.get('message') or ''}"
                return Observation(state=State.QUEUED, reason="PodWaits",
                                   message=fetching.excerpt(words))  # fmt: skip
        for one in map(mapping, entries(status.get("conditions"))):
            if one.get("type") == "PodScheduled" and one.get("status") == "False":
                return Observation(state=State.QUEUED, reason="Unschedulable",
                                   message=fetching.excerpt(str(one.get("message") or "")))  # fmt: skip
    return Observation(state=State.QUEUED)


def _with_exit(ended: Observation, seen: list[dict[str, Any]]) -> Observation:
    """A failure with the exit code of its container."""
    for pod in seen:
        found = _terminated(pod)
        if found is None:
            continue
        reason = "OutOfMemory" if found.get("reason") == "OOMKilled" else ended.reason
        said = fetching.excerpt(str(found.get("message") or ""))
        code = int(found.get("exitCode") or 0)
        return Observation(
            state=State.FAILED, reason=reason, detail={**ended.detail, "exitCode": code},
            message=f"exit code {code}" + (f": {said}" if said else f" ({ended.message})"),
        )  # fmt: skip
    return ended


def _terminated(pod: dict[str, Any]) -> dict[str, Any] | None:
    for one in map(mapping, entries(mapping(pod.get("status")).get("containerStatuses"))):
        found = mapping(one.get("state")).get("terminated")
        if one.get("name") == pods.CONTAINER and is_mapping(found):
            return found
    return None


def _results(text: str) -> dict[str, Any]:
    """A termination message as results: a JSON object as it is, other words as a message."""
    if not text.strip():
        return {}
    try:
        found = bounded_json.parse(text.encode())
    except (bounded_json.NotJson, bounded_json.OutOfBounds):
        return {"message": text}
    return found if is_mapping(found) else {"value": found}
