"""Jobs of a Slurm cluster by slurmrestd, without a login on it.

slurmrestd hands out no files. So the job itself writes its results, as far as they fit, into its
comment; the job is known by its name, which is the run's key.
"""

import json
import shlex
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from interact_api import bounded_json
from interact_api.conditions import Reason
from interact_api.external import Handle, Observation, OperatorResult, Repeat, Run, State
from interact_api.external_slurm import SlurmJob, SlurmRest, SlurmSystem
from interact_api.plain import entries, is_mapping, mapping
from interact_api.problem import Problem
from interact_api.quantities import seconds

from interact_controller.external.driver import Ambiguous, ExternalError, Refused
from interact_controller.external.drivers import (
    inputs,
    sections,
    slurm_api,
    slurm_scripts,
    slurm_states,
    stored,
)
from interact_controller.external.drivers.fetching import Answer, Unanswered, Unsent, excerpt
from interact_controller.external.drivers.http import ENDED
from interact_controller.external.drivers.slurm_api import SlurmApi
from interact_controller.external.drivers.slurm_ssh import refusal, wrong

MAX_INPUT_BYTES: Final = 256 * 2**10
"""Of inputs that are objects, in all: they are a part of the script."""
MAX_COMMENT_BYTES: Final = 8 * 2**10
_ENVIRONMENT: Final = "PATH=/usr/local/bin:/usr/bin:/bin"
_REQUESTS: Final = 4
"""Most requests of one call: the version, the end, how the job stands, other jobs of its name."""
_PLACE: Final = """#!/bin/sh
set -eu
umask 077
mkdir -p {key}
cd {key}
{files}
set +e
./job.sh
code=$?
if [ -f {results} ] && [ ! -L {results} ] && [ $(wc -c < {results}) -le {most} ]; then
  scontrol update job "$SLURM_JOB_ID" comment="$(base64 < {results} | tr -d '\\n')"
fi
exit "$code"
"""


class SlurmRestDriver:
    """A driver; see `interact_controller.external.driver.Driver`.

    Args:
        system: The cluster, with ``rest``.
        credentials: The system's Secret: ``token``, or ``jwt-key``.
        now: Seconds since the epoch.
        read: The way to the object store; without one, inputs are files of the cluster.
    """

    repeat = Repeat.LOOKUP

    def __init__(
        self,
        system: SlurmSystem,
        credentials: Mapping[str, str],
        now: Callable[[], float] = time.time,
        read: stored.Read | None = None,
    ) -> None:
        if system.rest is None:
            raise ValueError("a system without rest")
        self._system = system
        self._rest: SlurmRest = system.rest
        self._api = SlurmApi(system.rest, credentials, now)
        self._read = read

    @property
    def call_seconds(self) -> float:
        """Longest time any call takes."""
        return _REQUESTS * seconds(self._rest.timeout) + stored.SECONDS + 1.0

    async def validate(self, run: Run) -> list[Problem]:
        """What is wrong with the job asked for."""
        found = wrong(run, MAX_INPUT_BYTES)
        if not found and SlurmJob.model_validate(run.spec).artifacts:
            message = "slurmrestd hands out no files; remove artifacts, or use a system with ssh"
            found = [Problem("spec.artifacts", Reason.INVALID_SPEC, message)]
        return found

    async def prepare(self, run: Run) -> Handle:
        """What finds the job."""
        sections.section(SlurmJob, run)
        return Handle(data={"key": run.key})

    async def submit(self, run: Run, handle: Handle) -> Handle:
        """Hand the job to Slurm under the run's key."""
        asked = sections.section(SlurmJob, run)
        contents = await inputs.contents(run, self._read, MAX_INPUT_BYTES)
        version = await self._api.version()
        body = description(run, asked, self._system, self._rest.folder, version, contents)
        try:
            answer = await self._api.ask("POST", "slurm:job/submit", body)
        except Unsent:
            raise
        except Unanswered as error:
            raise Ambiguous(str(error)) from error
        if not answer.good:
            raise _not_submitted(answer)
        try:
            number = mapping(answer.json()).get("job_id")
        except Unanswered as error:
            raise Ambiguous(str(error)) from error
        if not isinstance(number, int) or number <= 0:
            raise Ambiguous(f"slurmrestd told no job id: {answer.excerpt()}")
        return handle.submitted(str(number))

    async def lookup(self, run: Run) -> Handle | None:
        """The job with the run's key; of several one that another has not turned away."""
        found = await self._of_key(run.key)
        return Handle(data={"key": run.key}).submitted(str(found[0]["job_id"])) if found else None

    async def check(self, handle: Handle) -> Observation:
        """How the job stands."""
        said = await self._find(handle)
        if said is None:
            message = (
                f"Slurm has no job {handle.external_id} any more; who finished it is not known"
            )
            return Observation(state=State.LOST, reason="NotFound", message=message)
        return slurm_states.observation(slurm_api.job(said))

    async def collect(self, handle: Handle) -> OperatorResult:
        """What the job wrote into its comment."""
        said = await self._find(handle)
        if said is None:
            message = f"Slurm has forgotten job {handle.external_id} and its results; run it again"
            raise Refused(Problem("results", Reason.UNKNOWN, message))
        comment = said.get("comment") or ""
        comment = mapping(comment).get("job", "") if is_mapping(comment) else str(comment)
        results: dict[str, Any] = {
            "exitCode": 0,
            "folder": f"{self._rest.folder}/{handle.data['key']}",
        }
        if comment == handle.data["key"]:
            return OperatorResult(results=results)
        try:
            found = bounded_json.parse(slurm_scripts.text(str(comment), MAX_COMMENT_BYTES))
        except ValueError as error:
            message = f"{slurm_scripts.RESULTS} cannot be taken: {excerpt(str(error))}"
            raise Refused(Problem("results", Reason.INVALID_SPEC, message)) from error
        return OperatorResult(results=found if is_mapping(found) else {"value": found})

    async def cancel(self, handle: Handle) -> bool:
        """End all jobs with the run's key, and ask whether they have ended."""
        found = await self._of_key(str(handle.data["key"]))
        left = [
            one for one in found if slurm_states.observation(slurm_api.job(one)).state not in ENDED
        ]
        for one in left:
            answer = await self._api.ask("DELETE", f"slurm:job/{int(one['job_id'])}")
            known = {slurm_api.NO_SUCH_JOB, slurm_api.ALREADY_DONE}
            if not answer.good and slurm_api.told(answer)[0] not in known:
                slurm_api.good(answer)
        return not left

    async def _of_key(self, key: str) -> list[dict[str, Any]]:
        """The user's jobs with a name; those that another turned away come last."""
        found = [
            one
            for one in await self._api.jobs()
            if one.get("name") == key
            and one.get("user_name", self._rest.user) == self._rest.user
            and isinstance(one.get("job_id"), int)
        ]
        return sorted(found, key=lambda one: (_turned_away(one), int(one["job_id"])))

    async def _find(self, handle: Handle) -> dict[str, Any] | None:
        """The job of a handle, in Slurm's memory or its accounting."""
        number = handle.external_id
        if not (number.isascii() and number.isdigit()):
            return None
        answer = await self._api.ask("GET", f"slurm:job/{number}")
        if not answer.good and slurm_api.told(answer)[0] != slurm_api.NO_SUCH_JOB:
            slurm_api.good(answer)
        found = _first(answer, str(handle.data["key"]))
        if found is None:
            kept = await self._api.ask("GET", f"slurmdb:job/{number}")
            return _first(kept, str(handle.data["key"])) if kept.good else None
        if _turned_away(found):
            return next(iter(await self._of_key(str(handle.data["key"]))), found)
        return found


def description(
    run: Run,
    asked: SlurmJob,
    system: SlurmSystem,
    folder: str,
    version: int,
    contents: tuple[inputs.Content, ...] = (),
) -> dict[str, Any]:
    """What slurmrestd is told of a job, in the words of its version."""
    new = version >= 39
    gpus = asked.gpus_per_node
    wanted: dict[str, Any] = {
        "name": run.key,
        "comment": run.key,
        "current_working_directory": folder,
        "standard_output": f"{folder}/{run.key}.output.txt",
        "environment": [_ENVIRONMENT] if new else dict([_ENVIRONMENT.split("=", 1)]),
        "requeue": asked.requeue,
        "partition": asked.partition or system.partition,
        "account": system.account,
        "qos": system.qos,
        "constraints": asked.constraint,
        "time_limit": asked.time_limit_minutes,
        "tasks": asked.tasks,
        "cpus_per_task": asked.cpus_per_task,
        "memory_per_node": asked.memory_megabytes,
        "nodes": asked.nodes if asked.nodes is None else str(asked.nodes) if new else [asked.nodes],
        "tres_per_node" if new else "gres": None if gpus is None else f"{'gres/' if new else ''}gpu:{gpus}",
    }  # fmt: skip
    parameters = json.dumps(run.parameters, sort_keys=True)
    files = "\n".join(slurm_scripts.files(run, asked, parameters, contents))
    script = _PLACE.format(key=shlex.quote(run.key), files=files, results=slurm_scripts.RESULTS,
                           most=MAX_COMMENT_BYTES)  # fmt: skip
    return {"script": script, "job": {key: one for key, one in wanted.items() if one is not None}}


def _first(answer: Answer, key: str) -> dict[str, Any] | None:
    try:
        found = [mapping(one) for one in entries(mapping(answer.json()).get("jobs"))]
    except Unanswered as error:
        raise ExternalError(str(error)) from error
    return next((one for one in found if one.get("name") == key), None)


def _turned_away(said: Mapping[str, Any]) -> bool:
    return slurm_api.job(said).exit_code == slurm_scripts.TAKEN


def _not_submitted(answer: Answer) -> Exception:
    """What an answer other than success makes of a submit."""
    number, words = slurm_api.told(answer)
    if answer.status in {401, 403, 407, 429} or 300 <= answer.status < 400:
        return ExternalError(f"slurmrestd says: {words}")
    judged = refusal(f"sbatch: error: {words}")
    if number == 0 and answer.status >= 500 and isinstance(judged, Refused):
        return Ambiguous(f"slurmrestd says: {words}")
    return judged
