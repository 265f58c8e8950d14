"""Every state Slurm has for a job, and what it means for a run; what is new is unknown, never an end.

A job has one *base* state and any number of *flags* (slurm.schedmd.com, "Job State Codes"). Older
commands print one word, newer ones and slurmrestd several: a flag alone stands for itself.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from interact_api.external import Observation, State

BASES: Final[dict[str, tuple[State, str]]] = {
    "PENDING": (State.QUEUED, "Pending"),
    "RUNNING": (State.RUNNING, "Running"),
    "SUSPENDED": (State.WAITING, "Suspended"),
    "COMPLETED": (State.SUCCEEDED, "Completed"),
    "CANCELLED": (State.CANCELLED, "Cancelled"),
    "FAILED": (State.FAILED, "NonZeroExit"),
    "TIMEOUT": (State.FAILED, "Timeout"),
    "DEADLINE": (State.FAILED, "Deadline"),
    "OUT_OF_MEMORY": (State.FAILED, "OutOfMemory"),
    "NODE_FAIL": (State.FAILED, "NodeFail"),
    "BOOT_FAIL": (State.FAILED, "BootFail"),
    "PREEMPTED": (State.FAILED, "Preempted"),
}
"""A preempted job that Slurm begins again has a flag, or is pending; without it has ended."""
FLAGS: Final[dict[str, tuple[State, str]]] = {
    "REQUEUE_HOLD": (State.WAITING, "RequeueHold"),
    "SPECIAL_EXIT": (State.WAITING, "SpecialExit"),
    "RESV_DEL_HOLD": (State.WAITING, "ReservationDeleted"),
    "RECONFIG_FAIL": (State.WAITING, "ReconfigFail"),
    "LAUNCH_FAILED": (State.WAITING, "LaunchFailed"),
    "REVOKED": (State.WAITING, "Revoked"),
    "REQUEUED": (State.REQUEUED, "Requeued"),
    "REQUEUE_FED": (State.REQUEUED, "Requeued"),
    "STOPPED": (State.WAITING, "Stopped"),
    "COMPLETING": (State.RUNNING, "Completing"),
    "STAGE_OUT": (State.RUNNING, "StageOut"),
    "RESIZING": (State.RUNNING, "Resizing"),
    "SIGNALING": (State.RUNNING, "Signaling"),
    "CONFIGURING": (State.QUEUED, "Configuring"),
    "POWER_UP_NODE": (State.QUEUED, "PowerUpNode"),
    "EXPEDITING": (State.QUEUED, "Expediting"),
}
"""In the order in which they decide where several are set."""
_OF_THE_DATABASE: Final = "UPDATE_DB"
"""A flag that says nothing of the job."""
_STILL_AT_WORK: Final = frozenset(
    {"COMPLETING", "STAGE_OUT", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT"}
)
"""Flags that keep a job whose base state is an end from having ended."""
_ENDS: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
_SHORT: Final = {
    "BF": "BOOT_FAIL", "CA": "CANCELLED", "CD": "COMPLETED", "CF": "CONFIGURING", "CG": "COMPLETING",
    "DL": "DEADLINE", "F": "FAILED", "NF": "NODE_FAIL", "OOM": "OUT_OF_MEMORY", "PD": "PENDING",
    "PR": "PREEMPTED", "R": "RUNNING", "RD": "RESV_DEL_HOLD", "RF": "REQUEUE_FED",
    "RH": "REQUEUE_HOLD", "RQ": "REQUEUED", "RS": "RESIZING", "RV": "REVOKED", "SI": "SIGNALING",
    "SE": "SPECIAL_EXIT", "SO": "STAGE_OUT", "ST": "STOPPED", "S": "SUSPENDED", "TO": "TIMEOUT",
    "LF": "LAUNCH_FAILED", "UD": "UPDATE_DB", "PU": "POWER_UP_NODE", "RC": "RECONFIG_FAIL",
    "EX": "EXPEDITING",
}  # fmt: skip
_HELD: Final = re.compile(r"held|DependencyNeverSatisfied|BadConstraints", re.IGNORECASE)
"""Why a pending job will not begin before somebody does something."""


@dataclass(frozen=True)
class Job:
    """A job as Slurm tells of it.

    Attributes:
        words: Its states, as printed.
        reason: Why it is in them, in Slurm's words.
        exit_code: Of its script; None before its end.
        signal: That ended it; 0 for none.
        restarts: How often Slurm began it again.
    """

    words: tuple[str, ...]
    reason: str = ""
    exit_code: int | None = None
    signal: int = 0
    restarts: int = 0


def words(told: str | Sequence[str]) -> tuple[str, ...]:
    """States in one spelling: ``CANCELLED by 1000`` and ``CA`` are both ``CANCELLED``.

    >>> words("COMPLETED,COMPLETING"), words(["cd"]), words("OUT_OF_ME+")
    (('COMPLETED', 'COMPLETING'), ('COMPLETED',), ('OUT_OF_MEMORY',))
    """
    parts = re.split(r"[,|]", told) if isinstance(told, str) else list(told)
    found = (part.strip().split(" ", 1)[0].upper() for part in parts)
    return tuple(_whole(one) for one in found if one)


def observation(job: Job) -> Observation:
    """What a job's states mean for its run."""
    bases = [one for one in job.words if one in BASES]
    flags = [one for one in FLAGS if one in job.words]
    strange = [one for one in job.words if one not in BASES and one not in FLAGS]
    strange = [one for one in strange if one != _OF_THE_DATABASE]
    state, reason = _meaning(bases, flags)
    if strange or len(bases) > 1:
        state, reason = State.UNKNOWN, "UnknownState"
    if state is State.QUEUED and bases == ["PENDING"] and not flags:
        if _HELD.search(job.reason):
            state, reason = State.WAITING, "Held"
        elif job.restarts > 0:
            state, reason = State.REQUEUED, "Requeued"
    return Observation(
        state=state, reason=reason, message=_message(job, state), detail=_detail(job)
    )


def _meaning(bases: list[str], flags: list[str]) -> tuple[State, str]:
    base = BASES[bases[0]] if bases else None
    if base is not None and base[0] in _ENDS:
        if bases == ["CANCELLED"] and "REVOKED" in flags:  # another cluster has the work
            return FLAGS["REVOKED"]
        kept = [one for one in flags if one in _STILL_AT_WORK]
        return FLAGS[kept[0]] if kept else base
    if bases == ["PENDING"] and "COMPLETING" in flags:
        return FLAGS["REQUEUED"]
    if bases == ["SUSPENDED"] and flags:
        flags = [one for one in flags if FLAGS[one][0] is State.WAITING]
    if flags:
        return FLAGS[flags[0]]
    return base or (State.UNKNOWN, "UnknownState")


def _whole(word: str) -> str:
    word = _SHORT.get(word, word)
    if word.endswith("+"):  # cut off at the width of a column
        begun = [one for one in (*BASES, *FLAGS) if one.startswith(word[:-1])]
        return begun[0] if len(begun) == 1 else word[:-1]
    return word


def _message(job: Job, state: State) -> str:
    said = ",".join(job.words)[:200] or "nothing"
    told = f"Slurm says {said}"
    if job.reason not in {"", "None"}:
        told += f" ({job.reason[:200]})"
    if job.signal:
        told += f", ended by signal {job.signal}"
    elif job.exit_code and state is State.FAILED:
        told += f", exit code {job.exit_code}"
    if state is State.UNKNOWN:
        told += ", which this version does not know; the run stays as it is"
    return told


def _detail(job: Job) -> dict[str, object]:
    found: dict[str, object] = {"slurm": [one[:64] for one in job.words[:16]]}
    if job.exit_code is not None:
        found |= {"exitCode": job.exit_code, "signal": job.signal}
    return found
