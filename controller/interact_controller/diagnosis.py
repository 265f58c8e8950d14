"""Why the pods of an operator are not ready, in words that say what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from interact_api.conditions import Reason

from interact_controller.children import PodSeen, WorkloadSeen

PULLING: Final = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
)
NOT_MADE: Final = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
)
PROGRESS: Final = frozenset({Reason.STARTING, Reason.ROLLING})
"""What passes by itself; everything else needs somebody."""
_CODES: Final = {
    137: "it was killed, most often for taking more memory than its limit: raise resources.limits",
    139: "it crashed in native code",
    143: "it was ended from outside",
}


@dataclass(frozen=True)
class Finding:
    """What is wrong with an operator."""

    reason: Reason
    message: str


def finding(
    operator: str, image: str, workload: WorkloadSeen | None, pods: Sequence[PodSeen]
) -> Finding | None:
    """What keeps an operator's pods from being ready; the gravest first, None if nothing does."""
    alive = [pod for pod in pods if not pod.ending]
    found = [one for pod in alive if (one := _pod(operator, image, pod)) is not None]
    found.sort(key=lambda one: _GRAVITY.index(one.reason))
    if found:
        return found[0]
    if workload is None:
        return Finding(Reason.STARTING, f"{operator}: its Deployment is being made")
    if workload.trouble and not workload.settled:
        quota = "exceeded quota" in workload.trouble
        reason = Reason.QUOTA_EXCEEDED if quota else Reason.NOT_STARTED
        remedy = "raise the quota or lower resources" if quota else "see the words above"
        return Finding(reason, f"{operator}: no pod can be made: {workload.trouble}; {remedy}")
    if workload.settled:
        return None
    ready = f"{workload.ready} of {workload.replicas} pods are ready"
    if workload.ready:
        return Finding(Reason.ROLLING, f"{operator}: {ready}")
    return Finding(Reason.STARTING, f"{operator}: {ready}; they are starting")


_GRAVITY: Final = (
    Reason.IMAGE_NOT_PULLED,
    Reason.CRASHING,
    Reason.NOT_STARTED,
    Reason.UNSCHEDULABLE,
)


def _pod(operator: str, image: str, pod: PodSeen) -> Finding | None:
    if pod.waiting in PULLING:
        said = pod.waiting_message or pod.waiting
        return Finding(
            Reason.IMAGE_NOT_PULLED,
            f"{operator}: image {image!r} cannot be pulled: {said}; correct the image of the "
            "InteractOperator, or give imagePullSecrets",
        )
    if pod.waiting in NOT_MADE:
        said = pod.waiting_message or pod.waiting
        return Finding(
            Reason.NOT_STARTED,
            f"{operator}: the container of pod {pod.name} cannot be made: {said}; "
            "correct the template's env, volumes or command",
        )
    if pod.waiting == "CrashLoopBackOff" or (
        pod.restarts and not pod.ready and pod.exit_code not in {None, 0}
    ):
        return Finding(Reason.CRASHING, _crash(operator, pod))
    if pod.unschedulable:
        return Finding(
            Reason.UNSCHEDULABLE,
            f"{operator}: no node takes pod {pod.name}: {pod.unschedulable}; lower "
            "resources.requests, change nodeSelector or tolerations, or add nodes",
        )
    return None


def _crash(operator: str, pod: PodSeen) -> str:
    how = f"with exit code {pod.exit_code}" if pod.exit_code is not None else "again and again"
    if pod.exit_reason and pod.exit_reason not in {"Error", "Completed"}:
        how += f" ({pod.exit_reason})"
    words = f"{operator}: pod {pod.name} ended {how} and was started {pod.restarts} times"
    if pod.last_words:
        words += f"; its last words: {pod.last_words}"
    elif pod.exit_code in _CODES:
        words += f"; {_CODES[pod.exit_code]}"
    return f"{words}; read its log with: kubectl logs {pod.name} --previous"
