"""Exchange of files with an instrument: a request in the run's folder, a result that comes there.

``manifest.json`` and ``experiment_request.json`` are written; whoever runs the instrument writes
``experiment_result.json``, best under another name and renamed, with the files it lists beside it.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from interact_api import manifests
from interact_api.bounded_json import MAX_BYTES
from interact_api.manifests import (
    ExperimentRequest,
    ExperimentResult,
    FileStatus,
    Invalid,
    NotReady,
    TaskManifest,
    Valid,
)

from interact import external_paths
from interact._errors import InputError, TransientError
from interact.external_operator import (
    ExternalOperator,
    ExternalRunHandle,
    ExternalRunStatus,
    OperatorResult,
    RunHandle,
)

CANCELLED: Final = "cancelled.json"
"""Tells whoever runs the instrument that nobody waits any more."""


class Experiment(ExternalOperator):
    """The driver ``experiment``.

    Args:
        now: Seconds since the epoch.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now

    def validate(self, run: RunHandle, task: Any) -> list[str]:
        """Inputs that lie on the volume are files; other inputs the instrument cannot reach."""
        return [f"input {one.name!r} is an object; an experiment reads files of its volume"
                for one in task.inputs if one.object]  # fmt: skip

    def prepare_run(self, run: RunHandle, task: Any) -> ExternalRunHandle:
        """Write the run's manifest."""
        manifest = TaskManifest(
            task_id=task.task_id, operator_type="experiment", namespace=run.namespace,
            name=run.name, uid=run.run_id, attempt=task.attempt, parameters=task.parameters,
        )  # fmt: skip
        external_paths.write(run.root_path, manifests.MANIFEST, manifests.written(manifest))
        request = ExperimentRequest(
            task_id=task.task_id, parameters=task.parameters,
            files=tuple(one.path for one in task.inputs), config=task.config.get("config"),
        )  # fmt: skip
        return ExternalRunHandle(
            task_id=task.task_id, operator_type="experiment", relative_path=Path(),
            operator_data={"root": str(run.root_path), "request": request.model_dump(mode="json")},
        )  # fmt: skip

    def submit(self, handle: ExternalRunHandle) -> ExternalRunHandle:
        """Write the request; written again it is the same."""
        request = ExperimentRequest.model_validate(handle.operator_data["request"])
        external_paths.write(_root(handle), manifests.REQUEST, manifests.written(request))
        return handle.model_copy(
            update={"external_id": handle.task_id, "status": ExternalRunStatus.WAITING_EXTERNAL}
        )

    def lookup(self, run: RunHandle, task: Any) -> ExternalRunHandle | None:
        """The exchange, if its request was written."""
        if external_paths.read(run.root_path, manifests.REQUEST, 1) is None:
            return None
        return self.submit(self.prepare_run(run, task))

    def check_status(self, handle: ExternalRunHandle) -> ExternalRunHandle:
        """Look for the result."""
        judged = self._judged(handle)
        update: dict[str, Any] = {"status": ExternalRunStatus.WAITING_EXTERNAL}
        match judged:
            case Valid(manifest=result) if result.status is FileStatus.COMPLETED:
                missing = [one for one in result.files if not self._there(handle, one)]
                if missing:
                    words = (
                        f"experiment_result.json lists {missing[0]!r}, which is not there; add it"
                    )
                    update |= {"reason": "InvalidResponse", "message": words}
                else:
                    update["status"] = ExternalRunStatus.COMPLETED
            case Valid(manifest=result) if result.status is FileStatus.FAILED:
                update |= {"status": ExternalRunStatus.FAILED, "reason": "ExperimentFailed",
                           "message": result.error or "the instrument says that it failed"}  # fmt: skip
            case Invalid(message=message):
                update |= {"reason": "InvalidResponse", "message": message}
            case NotReady(message=message):
                update |= {"reason": "WaitingForResult", "message": message}
            case _:
                update |= {"reason": "WaitingForResult", "message": "the instrument says WAITING"}
        return handle.model_copy(update=update)

    def collect_results(self, handle: ExternalRunHandle) -> OperatorResult:
        """What the result says, and its files."""
        judged = self._judged(handle)
        if not isinstance(judged, Valid):
            raise TransientError(judged.message)
        result = judged.manifest
        if result.status is not FileStatus.COMPLETED:
            raise InputError(f"experiment_result.json says {result.status} by now")
        return OperatorResult(
            task_id=handle.task_id, data=result.data, files={one: Path(one) for one in result.files}
        )

    def cancel(self, handle: ExternalRunHandle) -> bool:
        """Say that nobody waits; an instrument that looks can stop."""
        if handle.external_id:
            external_paths.write(_root(handle), CANCELLED, b'{"status": "CANCELLED"}\n')
        return True

    def _judged(self, handle: ExternalRunHandle) -> Valid[ExperimentResult] | NotReady | Invalid:
        try:
            found = external_paths.read(_root(handle), manifests.RESULT, MAX_BYTES)
        except external_paths.PathRefused as error:
            return Invalid(str(error))
        data, written_at = found or (None, 0.0)
        return manifests.judge(ExperimentResult, manifests.RESULT, data, self._now() - written_at)

    def _there(self, handle: ExternalRunHandle, name: str) -> bool:
        try:
            with external_paths.opened(_root(handle), name):
                return True
        except (FileNotFoundError, external_paths.PathRefused):
            return False


def _root(handle: ExternalRunHandle) -> Path:
    return Path(str(handle.operator_data["root"]))


if __name__ == "__main__":
    Experiment.main()
