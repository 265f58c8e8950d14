"""An author's class, as it lies in an operator's image: a facility whose jobs are files of a volume."""

import json
import os
import time
from pathlib import Path
from typing import Any

from interact.external import (
    ExternalOperator,
    ExternalRunHandle,
    ExternalRunStatus,
    OperatorResult,
    RunHandle,
)

JOBS = Path(os.environ.get("FACILITY", "/facility"))


class Facility(ExternalOperator):
    """Measures for some seconds; a folder for each job, and a line for each time it was begun."""

    def prepare_run(self, run: RunHandle, task: Any) -> ExternalRunHandle:
        return ExternalRunHandle(task_id=task.task_id, operator_data={"asked": task.parameters})

    def submit(self, handle: ExternalRunHandle) -> ExternalRunHandle:
        job = JOBS / handle.task_id
        job.mkdir(exist_ok=True)
        with (job / "begun").open("a") as told:
            told.write(f"{time.time()}\n")
        handle.external_id = handle.task_id
        return handle

    def lookup(self, run: RunHandle, task: Any) -> ExternalRunHandle | None:
        if not (JOBS / task.task_id / "begun").exists():
            return None
        found = self.prepare_run(run, task)
        found.external_id = task.task_id
        return found

    def check_status(self, handle: ExternalRunHandle) -> ExternalRunHandle:
        job = JOBS / handle.task_id
        with (job / "pods").open("a") as told:
            told.write(f"{os.environ['HOSTNAME']}\n")
        begun = float((job / "begun").read_text().split()[0])
        handle.status = ExternalRunStatus.RUNNING
        if (job / "stopped").exists():
            handle.status = ExternalRunStatus.CANCELLED
        elif time.time() > begun + float(handle.operator_data["asked"]["seconds"]):
            handle.status = ExternalRunStatus.COMPLETED
        return handle

    def cancel(self, handle: ExternalRunHandle) -> bool:
        (JOBS / handle.task_id / "stopped").touch()
        return True

    def collect_results(self, handle: ExternalRunHandle) -> OperatorResult:
        every = {job.name: len((job / "begun").read_text().split()) for job in JOBS.glob("xrun-*")}
        stopped = [job.parent.name for job in JOBS.glob("xrun-*/stopped")]
        pods = set((JOBS / handle.task_id / "pods").read_text().split())
        data = {"begun": every, "stopped": stopped, "pods": len(pods)}
        return OperatorResult(task_id=handle.task_id, data=json.loads(json.dumps(data)))


if __name__ == "__main__":
    Facility.main()
