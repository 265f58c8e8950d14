"""Jobs of a Slurm cluster by its commands on a login node."""

import json
import re
from collections.abc import Mapping
from typing import Final

import pydantic
from interact_api import bounded_json
from interact_api.conditions import Reason
from interact_api.external import (
    MAX_ARTIFACTS,
    Artifact,
    Handle,
    Observation,
    OperatorResult,
    Repeat,
    Run,
    State,
)
from interact_api.external_slurm import SlurmJob, SlurmSsh, SlurmSystem
from interact_api.plain import entries, is_mapping
from interact_api.problem import Problem
from interact_api.quantities import seconds

from interact_controller.external.driver import Ambiguous, ExternalError, Refused
from interact_controller.external.drivers import (
    inputs,
    sections,
    slurm_scripts,
    slurm_states,
    ssh,
    stored,
)
from interact_controller.external.drivers.fetching import Unanswered, Unsent, excerpt
from interact_controller.external.drivers.http import ENDED

MAX_INPUT_BYTES: Final = 4 * 2**20
"""Of inputs that are objects, in all: they travel with the job."""
_NOT_NOW: Final = re.compile(
    r"unable to contact|standby|temporarily|try again|too many|limit.*reached|disabled|busy",
    re.IGNORECASE,
)
_PERHAPS: Final = re.compile(
    r"timed out|zero bytes|transport|unexpected message|reset by peer|broken pipe|communication",
    re.IGNORECASE,
)
_ANSWERED: Final = "Batch job submission failed"
_NO_SUCH_JOB: Final = re.compile(r"invalid job id", re.IGNORECASE)


class SlurmSshDriver:
    """A driver; see `interact_controller.external.driver.Driver`.

    Args:
        system: The cluster, with ``ssh``.
        credentials: The system's Secret: ``ssh-privatekey``.
        read: The way to the object store; without one, inputs are files of the cluster.
    """

    repeat = Repeat.LOOKUP

    def __init__(
        self,
        system: SlurmSystem,
        credentials: Mapping[str, str],
        read: stored.Read | None = None,
    ) -> None:
        if system.ssh is None:
            raise ValueError("a system without ssh")
        self._system = system
        self._ssh: SlurmSsh = system.ssh
        self._key = credentials.get("ssh-privatekey", "")
        self._read = read

    @property
    def call_seconds(self) -> float:
        """Longest time any call takes: a cancel asks how the job stands afterwards."""
        return 2 * seconds(self._ssh.timeout) + stored.SECONDS + 10.0

    async def validate(self, run: Run) -> list[Problem]:
        """What is wrong with the job asked for."""
        return wrong(run, MAX_INPUT_BYTES)

    async def prepare(self, run: Run) -> Handle:
        """Where the job's files will be."""
        return _handle(run)

    async def submit(self, run: Run, handle: Handle) -> Handle:
        """Hand the job to Slurm under the run's key."""
        job = sections.section(SlurmJob, run)
        parameters = json.dumps(run.parameters, sort_keys=True)
        contents = await inputs.contents(run, self._read, MAX_INPUT_BYTES)
        script = slurm_scripts.submit(run, job, self._system, parameters, contents)
        try:
            ran = await ssh.run(self._ssh, self._key, script)
        except Unsent:
            raise
        except Unanswered as error:
            raise Ambiguous(str(error)) from error
        if ran.code:
            raise refusal(ran.errors)
        told = slurm_scripts.answer(ran.output) or []
        number = told[-1][0].partition(";")[0] if told else ""
        if not (number.isascii() and number.isdigit()):
            raise Ambiguous(f"sbatch printed no job id: {excerpt(ran.output)}")
        return handle.submitted(number)

    async def lookup(self, run: Run) -> Handle | None:
        """The job with the run's key; of several the one that has taken it."""
        lines = await self._ask(slurm_scripts.lookup(run.key, self._system, run.created))
        for number in slurm_scripts.jobs(lines):
            return _handle(run).submitted(number)
        return None

    async def check(self, handle: Handle) -> Observation:
        """How the job stands."""
        key = str(handle.data["key"])
        lines = dict(await self._ask(slurm_scripts.check(key, handle.external_id, self._system)))
        job = slurm_scripts.shown(lines.get("scontrol", ""))
        if job is None:
            if "scontrol" in lines or not _NO_SUCH_JOB.search(lines.get("unknown", "")):
                words = lines.get("unknown") or lines.get("scontrol") or "nothing"
                raise ExternalError(f"scontrol says: {excerpt(words)}")
            job = slurm_scripts.accounted(lines.get("sacct", ""))
        job = job or slurm_scripts.left(lines.get("exit", ""))
        if job is None:
            message = f"Slurm has no job {handle.external_id} any more, and it left no exit code"
            return Observation(state=State.LOST, reason="NotFound", message=message)
        seen = slurm_states.observation(job)
        if seen.state is not State.FAILED:
            return seen
        last = excerpt(slurm_scripts.text(lines.get("output", ""), 1000).decode(errors="replace"))
        return seen.model_copy(update={"message": f"{seen.message}; last output: {last}"})

    async def collect(self, handle: Handle) -> OperatorResult:
        """What the job left in its folder."""
        names = tuple(map(str, entries(handle.data.get("artifacts"))))
        script = slurm_scripts.collect(str(handle.data["key"]), names, self._system)
        return collected(await self._ask(script), names)

    async def cancel(self, handle: Handle) -> bool:
        """End the job, and ask whether it has ended."""
        await self._ask(slurm_scripts.cancel(str(handle.data["key"]), self._system))
        return not handle.external_id or (await self.check(handle)).state in ENDED

    async def _ask(self, script: str) -> list[tuple[str, str]]:
        ran = await ssh.run(self._ssh, self._key, script)
        lines = slurm_scripts.answer(ran.output)
        if ran.code or lines is None:
            raise ExternalError(
                f"{self._ssh.host} gave exit code {ran.code}: {excerpt(ran.errors or ran.output)}"
            )
        return lines


def wrong(run: Run, most: int) -> list[Problem]:
    """All that is wrong with a job asked for, and with its inputs of at most so many bytes."""
    found = sections.problems(SlurmJob, run) or inputs.problems(run, most)
    if found:
        return found
    message = SlurmJob.model_validate(run.spec).wrong_artifact()
    return [Problem("spec.artifacts", Reason.INVALID_SPEC, message)] if message else []


def refusal(errors: str) -> Exception:
    """What sbatch's words mean: not now, never, or perhaps it is done all the same."""
    words = f"Slurm takes no job: {excerpt(errors)}"
    if _PERHAPS.search(errors):
        return Ambiguous(words)
    if _NOT_NOW.search(errors) or not (_ANSWERED in errors or "sbatch: error" in errors):
        return ExternalError(words)
    return Refused(Problem("", Reason.INVALID_SPEC, words))


def collected(lines: list[tuple[str, str]], names: tuple[str, ...]) -> OperatorResult:
    """Results from what a collecting script printed.

    Raises:
        ExternalError: If the folder does not show all of the job's end yet.
        Refused: If the results can never be read, or a file is missing.
    """
    told: dict[str, list[str]] = {}
    for head, rest in lines:
        told.setdefault(head, []).append(rest)
    results: dict[str, object] = {"exitCode": 0}
    try:
        if "results" in told:
            packed = slurm_scripts.text(told["results"][0], slurm_scripts.MAX_RESULTS_BYTES)
            found = bounded_json.parse(packed)
            results = found if is_mapping(found) else {"value": found}
        parts = [one.split() for one in told.get("file", ())]
        artifacts = tuple(_artifact(names[int(one[0])], int(one[1]), one[2], int(one[0]))
                          for one in parts[:MAX_ARTIFACTS])  # fmt: skip
        made = OperatorResult(results=results, artifacts=artifacts)
    except (ValueError, IndexError, pydantic.ValidationError) as error:
        message = f"{slurm_scripts.RESULTS} cannot be taken: {excerpt(str(error))}"
        raise Refused(Problem("results", Reason.INVALID_SPEC, message)) from error
    missing = sorted(set(names) - {one.path for one in artifacts})
    if missing and "ended" not in told:
        raise ExternalError("the job's folder does not show its end yet")
    if missing:
        message = (
            f"the job left no file {missing[0]!r}, which spec.artifacts names; let it write one"
        )
        raise Refused(Problem("artifacts", Reason.INVALID_SPEC, message))
    return made


def _artifact(path: str, size: int, sha256: str, number: int) -> Artifact:
    name = re.sub(r"[^A-Za-z0-9._-]", "-", path)
    plain = name == path and name[0] not in ".-"
    return Artifact(
        name=name if plain else f"{number}_{name}"[:253], path=path, bytes=size, sha256=sha256
    )


def _handle(run: Run) -> Handle:
    job = sections.section(SlurmJob, run)
    return Handle(data={"key": run.key, "artifacts": list(job.artifacts)})
