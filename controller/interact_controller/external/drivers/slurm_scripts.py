"""What is said to a Slurm login node, and how its answers are read. Every word of ours is quoted.

A script is given to ``sh`` by its standard input, in braces: a shell that gets only its beginning
does nothing at all. It first prints a mark, after which its answer begins.
"""

import base64
import binascii
import re
import shlex
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from interact_api.external import Run
from interact_api.external_slurm import SlurmJob, SlurmSystem

from interact_controller.external.drivers import inputs
from interact_controller.external.drivers.inputs import Content
from interact_controller.external.drivers.slurm_states import Job, words

MARK: Final = "interact-answers-now"
TAKEN: Final = 75
"""Exit code of a job whose key another job has taken."""
WRONG_INPUT: Final = 76
"""Exit code of a job that lacks an input."""
RESULTS: Final = "results.json"
_PART: Final = ".part.${SLURM_JOB_ID:-0}.$$"
MAX_RESULTS_BYTES: Final = 64 * 2**10
_FIELD: Final = re.compile(
    r"(?:^|\s)(JobState|Reason|Restarts|ExitCode)=(.*?)(?=\s[A-Za-z/:]+=|\s*$)"
)
_WRAPPER: Final = """#!/bin/sh
# The first job of a key takes it; a job that Slurm begins again finds its own number there.
ln -sn "$SLURM_JOB_ID" claim 2>/dev/null
if [ "$(readlink claim)" != "$SLURM_JOB_ID" ]; then
  echo "this work is done by job $(readlink claim)" >&2
  exit {taken}
fi
rm -f exit
given() {{
  if [ -f "inputs/$1" ] && {{ [ -z "$2" ] || [ "$(sha256sum < "inputs/$1" | cut -c -64)" = "$2" ]; }}; then return; fi
  echo "input $1 is not there, or its SHA-256 is another than the run says" >&2
  echo {wrong} > exit.part && mv exit.part exit
  exit {wrong}
}}
{checks}
export INTERACT_RUN_KEY={key} INTERACT_RUN={run} INTERACT_NAMESPACE={namespace}
./script
code=$?
echo "$code" > exit.part && mv exit.part exit
exit "$code"
"""


def submit(
    run: Run,
    job: SlurmJob,
    system: SlurmSystem,
    parameters: str,
    contents: tuple[Content, ...] = (),
) -> str:
    """Make the job's folder and hand the job to Slurm.

    Args:
        run: Whose job it is.
        job: What it asks for.
        system: What its administrator says.
        parameters: As JSON.
        contents: Inputs that are written into the folder.
    """
    lines = [
        f"mkdir -p -- {_folder(system, run.key)}",
        f"cd -- {_folder(system, run.key)}",
        *files(run, job, parameters, contents),
        f"sbatch --parsable {shlex.join(options(run.key, job, system))} job.sh </dev/null",
    ]
    return _braced(lines, system)


def files(
    run: Run, job: SlurmJob, parameters: str, contents: tuple[Content, ...] = ()
) -> list[str]:
    """Write what a job needs into the folder one is in."""
    paths = inputs.files(run)
    checks = "\n".join(f"given {shlex.quote(one.name)} '{one.sha256}'" for one in paths)
    wrapper = _WRAPPER.format(
        taken=TAKEN, wrong=WRONG_INPUT, checks=checks, key=shlex.quote(run.key),
        run=shlex.quote(run.name), namespace=shlex.quote(run.namespace),
    )  # fmt: skip
    script = job.script if job.script.startswith("#!") else f"#!/bin/sh\n{job.script}"
    return [
        *_written("script", script, "700"),
        *_written("job.sh", wrapper, "700"),
        *_written("parameters.json", parameters, "600"),
        *_written(inputs.LIST, inputs.text(run), "600"),
        *([f"mkdir -p {inputs.FOLDER}"] if run.inputs else ()),
        *(line for one in contents for line in _brought(one)),
        *(
            f"ln -sfn -- {shlex.quote(f'../../{one.path}')} {_input(one.name)} || [ -L {_input(one.name)} ]"
            for one in paths
        ),
    ]


def options(key: str, job: SlurmJob, system: SlurmSystem) -> list[str]:
    """The options of sbatch; what the administrator says goes before what the run says."""
    given = {
        "partition": job.partition or system.partition,
        "account": system.account,
        "qos": system.qos,
        "constraint": job.constraint,
        "time": job.time_limit_minutes,
        "nodes": job.nodes,
        "ntasks": job.tasks,
        "cpus-per-task": job.cpus_per_task,
        "mem": None if job.memory_megabytes is None else f"{job.memory_megabytes}M",
        "gpus-per-node": job.gpus_per_node,
    }
    named = [f"--{name}={value}" for name, value in given.items() if value is not None]
    return [
        f"--job-name={key}", f"--comment={key}", "--output=output.txt", "--export=ALL",
        "--requeue" if job.requeue else "--no-requeue", *named,
    ]  # fmt: skip


def lookup(key: str, system: SlurmSystem, since: datetime | None) -> str:
    """Print the jobs with a key, and the one that has taken it."""
    start = "now-30days" if since is None else f"{since:%Y-%m-%d}"
    user = "" if system.ssh is None else system.ssh.user
    name = shlex.quote(key)
    asked = f"-X --noheader --parsable2 --user={user} --name={name} --starttime={start}"
    return _braced([
        f"squeue --noheader --states=all --user={user} --name={name} --format='job %i'",
        f"sacct {asked} --format=JobID 2>/dev/null | sed 's/^/job /' || :",
        f"if cd -- {_folder(system, key)} 2>/dev/null; then echo claim $(readlink claim); fi",
    ], system)  # fmt: skip


def check(key: str, job_id: str, system: SlurmSystem) -> str:
    """Print how a job stands: by Slurm's memory, its accounting, or the file its end leaves."""
    return _braced([
        f"id={shlex.quote(job_id)}; claim=; ended=",
        f"if cd -- {_folder(system, key)} 2>/dev/null; then",
        "  claim=$(readlink claim || :); ended=$(head -c 20 exit 2>/dev/null || :)",
        "  echo output $(tail -c 400 output.txt 2>/dev/null | base64 | tr -d '\\n')",
        "fi",
        'case "$claim" in ""|*[!0-9]*) ;; *) id=$claim ;; esac',
        'if told=$(scontrol --oneliner show job "$id" 2>&1); then printf "scontrol %s\\n" "$told"',
        'else echo "unknown" $told',
        '  told=$(sacct -X --noheader --parsable2 --jobs="$id" --format=State,ExitCode 2>/dev/null || :)',
        '  echo "sacct" $told; echo "exit $ended"',
        "fi",
    ], system)  # fmt: skip


def cancel(key: str, system: SlurmSystem) -> str:
    """End all jobs with a key."""
    user = "" if system.ssh is None else system.ssh.user
    return _braced([f"scancel --user={user} --name={shlex.quote(key)}"], system)


def collect(key: str, names: tuple[str, ...], system: SlurmSystem) -> str:
    """Print the results and what is known of the files."""
    lines = [
        f"cd -- {_folder(system, key)}",
        "[ -f exit ] && echo ended || :",
        f"if [ -f {RESULTS} ] && [ ! -L {RESULTS} ]; then",
        f"  echo results $(head -c {MAX_RESULTS_BYTES + 1} {RESULTS} | base64 | tr -d '\\n')",
        "fi",
    ]
    for number, name in enumerate(names):
        word = shlex.quote(f"./{name}")
        lines.append(
            f"if [ -f {word} ] && [ ! -L {word} ]; then "
            f"echo file {number} $(wc -c < {word}) $(sha256sum < {word}); fi"
        )
    return _braced(lines, system)


def answer(output: str) -> list[tuple[str, str]] | None:
    """The lines of an answer as (first word, rest); None if the script did not begin."""
    lines = output.splitlines()
    if MARK not in lines:
        return None
    told = lines[lines.index(MARK) + 1 :]
    return [(head, rest) for head, _, rest in (line.partition(" ") for line in told)]


def jobs(lines: list[tuple[str, str]]) -> Iterator[str]:
    """The numbers of the jobs in a lookup's answer; the one that has taken the key is the first."""
    found = [rest.strip() for head, rest in lines if head == "job"]
    taken = [rest.strip() for head, rest in lines if head == "claim"]
    yield from (one for one in taken if one.isascii() and one.isdigit())
    yield from sorted((one for one in found if one.isascii() and one.isdigit()), key=int)


def shown(told: str) -> Job | None:
    """A job as ``scontrol --oneliner show job`` prints it; None if it prints none."""
    fields = dict(reversed(_FIELD.findall(told)))  # the first of a name is Slurm's own
    if "JobState" not in fields:
        return None
    code, signal = _exit(fields.get("ExitCode", ""))
    restarts = fields.get("Restarts", "0")
    return Job(
        words=words(fields["JobState"]), reason=fields.get("Reason", ""), exit_code=code,
        signal=signal, restarts=int(restarts) if restarts.isdigit() else 0,
    )  # fmt: skip


def accounted(told: str) -> Job | None:
    """A job as ``sacct`` prints it, ``State|ExitCode``; None if it prints none."""
    state, _, exit_code = told.strip().rpartition("|")
    if not state:
        return None
    code, signal = _exit(exit_code)
    return Job(words=words(state.rsplit("\n", 1)[-1]), exit_code=code, signal=signal)


def left(told: str) -> Job | None:
    """A job by the exit code its end left in a file; None without one."""
    word = told.strip()
    if not (word.isascii() and word.isdigit()):
        return None
    return Job(("FAILED" if int(word) else "COMPLETED",), "told by its own file", int(word))


def text(packed: str, limit: int) -> bytes:
    """What a script printed in base 64.

    Raises:
        ValueError: If it is none, or longer than the limit.
    """
    try:
        found = base64.b64decode(packed, validate=True)
    except binascii.Error as error:
        raise ValueError(f"the answer is no base 64: {error}") from error
    if len(found) > limit:
        raise ValueError(f"{RESULTS} has more than {limit:,} bytes; write the rest as an artifact")
    return found


def _exit(told: str) -> tuple[int | None, int]:
    code, _, signal = told.partition(":")
    return (int(code) if code.isdigit() else None), (int(signal) if signal.isdigit() else 0)


def _written(name: str, content: str, mode: str) -> list[str]:
    """Write a file whole; each step on a line of its own, so that the shell ends where one fails.

    Two jobs of one key may write at once, so that each has its own until it is whole.
    """
    part = name + _PART
    return [
        f"printf %s {shlex.quote(content)} > {part}", f"chmod {mode} {part}", f"mv {part} {name}",
    ]  # fmt: skip


def _brought(one: Content) -> list[str]:
    """Write an input; a line that was damaged on its way ends the shell."""
    part = inputs.FOLDER + _PART
    return [
        f"printf %s {shlex.quote(base64.b64encode(one.data).decode())} | base64 -d > {part}",
        f'echo "{one.sha256}  {part}" | sha256sum -c - >/dev/null',
        f"chmod 600 {part}", f"mv {part} {_input(one.name)}",
    ]  # fmt: skip


def _input(name: str) -> str:
    return shlex.quote(f"{inputs.FOLDER}/{name}")


def _folder(system: SlurmSystem, key: str) -> str:
    base = "" if system.ssh is None else system.ssh.folder
    return shlex.quote(f"{base.removeprefix('~/')}/{key}")  # ssh begins in the user's home


def _braced(lines: list[str], system: SlurmSystem) -> str:
    given = {} if system.ssh is None else system.ssh.environment
    exports = [f"export {name}={shlex.quote(value)}" for name, value in sorted(given.items())
               if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)]  # fmt: skip
    return "\n".join(
        ["{", "set -euf", "umask 077", f"echo {MARK}", *exports, *lines, "exit 0", "}", ""]
    )
