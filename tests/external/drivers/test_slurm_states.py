"""Every state of Slurm's manual, alone and with its flags, and what was never seen."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact_api.external import State
from interact_controller.external.drivers import slurm_states
from interact_controller.external.drivers.slurm_states import Job

MANUAL = {  # slurm.schedmd.com/job_state_codes.html, and squeue(1) of 22.05 for the short words
    "BOOT_FAIL": State.FAILED, "CANCELLED": State.CANCELLED, "COMPLETED": State.SUCCEEDED,
    "DEADLINE": State.FAILED, "FAILED": State.FAILED, "NODE_FAIL": State.FAILED,
    "OUT_OF_MEMORY": State.FAILED, "PENDING": State.QUEUED, "PREEMPTED": State.FAILED,
    "RUNNING": State.RUNNING, "SUSPENDED": State.WAITING, "TIMEOUT": State.FAILED,
    "COMPLETING": State.RUNNING, "CONFIGURING": State.QUEUED, "EXPEDITING": State.QUEUED,
    "LAUNCH_FAILED": State.WAITING, "POWER_UP_NODE": State.QUEUED, "RECONFIG_FAIL": State.WAITING,
    "REQUEUED": State.REQUEUED, "REQUEUE_FED": State.REQUEUED, "REQUEUE_HOLD": State.WAITING,
    "RESIZING": State.RUNNING, "RESV_DEL_HOLD": State.WAITING, "REVOKED": State.WAITING,
    "SIGNALING": State.RUNNING, "SPECIAL_EXIT": State.WAITING, "STAGE_OUT": State.RUNNING,
    "STOPPED": State.WAITING,
}  # fmt: skip
REASONS = {"BOOT_FAIL": "BootFail", "DEADLINE": "Deadline", "FAILED": "NonZeroExit",
           "NODE_FAIL": "NodeFail", "OUT_OF_MEMORY": "OutOfMemory", "PREEMPTED": "Preempted",
           "TIMEOUT": "Timeout", "SUSPENDED": "Suspended", "REQUEUE_HOLD": "RequeueHold",
           "SPECIAL_EXIT": "SpecialExit", "REVOKED": "Revoked"}  # fmt: skip
SHORT = {"CA": "CANCELLED", "CD": "COMPLETED", "CF": "CONFIGURING", "CG": "COMPLETING", "F": "FAILED",
         "NF": "NODE_FAIL", "OOM": "OUT_OF_MEMORY", "PD": "PENDING", "PR": "PREEMPTED", "R": "RUNNING",
         "S": "SUSPENDED", "TO": "TIMEOUT", "DL": "DEADLINE", "BF": "BOOT_FAIL", "RQ": "REQUEUED",
         "SE": "SPECIAL_EXIT", "RV": "REVOKED", "RH": "REQUEUE_HOLD", "ST": "STOPPED"}  # fmt: skip
BASES = set(itertools.islice(MANUAL, 12))
ENDS = {State.SUCCEEDED, State.FAILED, State.CANCELLED, State.LOST}


def meant(told: str | list[str], **more: object) -> tuple[State, str | None]:
    seen = slurm_states.observation(Job(slurm_states.words(told), **more))  # type: ignore[arg-type]  # by case
    return seen.state, seen.reason


@pytest.mark.parametrize("word", MANUAL)
def test_each_state_of_the_manual_means_something(word: str):
    state, reason = meant(word)

    assert state is MANUAL[word]
    assert reason == REASONS.get(word, reason)
    assert meant(word.lower()) == meant([word]) == (state, reason)


def test_nothing_of_the_manual_is_forgotten():
    assert set(slurm_states.BASES) | set(slurm_states.FLAGS) == set(MANUAL)
    assert set(slurm_states.BASES) == BASES


@pytest.mark.parametrize(("short", "word"), SHORT.items())
def test_short_words_mean_the_same(short: str, word: str):
    assert meant(short) == meant(word)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("CANCELLED by 1000", (State.CANCELLED, "Cancelled")),
        ("CANCELLED+", (State.CANCELLED, "Cancelled")),
        ("OUT_OF_ME+", (State.FAILED, "OutOfMemory")),
        (["COMPLETED", "COMPLETING"], (State.RUNNING, "Completing")),
        (["FAILED", "COMPLETING"], (State.RUNNING, "Completing")),
        (["CANCELLED", "COMPLETING"], (State.RUNNING, "Completing")),
        (["PENDING", "COMPLETING"], (State.REQUEUED, "Requeued")),
        (["RUNNING", "CONFIGURING"], (State.QUEUED, "Configuring")),
        (["RUNNING", "POWER_UP_NODE"], (State.QUEUED, "PowerUpNode")),
        (["NODE_FAIL", "REQUEUED"], (State.REQUEUED, "Requeued")),
        (["PREEMPTED", "REQUEUED"], (State.REQUEUED, "Requeued")),
        (["PENDING", "REQUEUE_HOLD", "SPECIAL_EXIT"], (State.WAITING, "RequeueHold")),
        (["COMPLETED", "STAGE_OUT"], (State.RUNNING, "StageOut")),
        (["CANCELLED", "REVOKED"], (State.WAITING, "Revoked")),
        (["COMPLETED", "UPDATE_DB"], (State.SUCCEEDED, "Completed")),
        (["TIMEOUT", "SIGNALING"], (State.FAILED, "Timeout")),
        (["SUSPENDED", "SIGNALING"], (State.WAITING, "Suspended")),
        ("RUNNING,STOPPED", (State.WAITING, "Stopped")),
        (["PENDING", "RESV_DEL_HOLD"], (State.WAITING, "ReservationDeleted")),
        ("UPDATE_DB", (State.UNKNOWN, "UnknownState")),
        (["COMPLETED", "FAILED"], (State.UNKNOWN, "UnknownState")),
        (["COMPLETED", "EXPLODING"], (State.UNKNOWN, "UnknownState")),
        ([], (State.UNKNOWN, "UnknownState")),
    ],
)  # fmt: skip
def test_states_with_flags_mean_what_the_flags_make_of_them(
    told: str | list[str], expected: tuple[State, str]
):
    assert meant(told) == expected
    if isinstance(told, list):
        assert meant(told[::-1]) == expected


@pytest.mark.parametrize(
    ("reason", "restarts", "expected"),
    [
        ("Priority", 0, (State.QUEUED, "Pending")),
        ("BeginTime", 1, (State.REQUEUED, "Requeued")),
        ("JobHeldUser", 0, (State.WAITING, "Held")),
        ("launch failed requeued held", 1, (State.WAITING, "Held")),
        ("DependencyNeverSatisfied", 0, (State.WAITING, "Held")),
    ],
)
def test_a_pending_job_waits_for_slurm_or_for_a_person(
    reason: str, restarts: int, expected: tuple[State, str]
):
    assert meant("PENDING", reason=reason, restarts=restarts) == expected


KNOWN = sorted({*MANUAL, "UPDATE_DB"})


@given(known=st.lists(st.sampled_from(KNOWN), max_size=3), new=st.text(min_size=1, max_size=30))
def test_a_state_never_seen_ends_nothing(known: list[str], new: str):
    word = f"X{new}"
    if set(slurm_states.words(word)) <= {*KNOWN}:
        return

    state, _ = meant([*known, word])

    assert state is State.UNKNOWN


@given(told=st.lists(st.sampled_from(KNOWN), max_size=4, unique=True))
def test_an_end_is_told_by_a_base_alone(told: list[str]):
    state, _ = meant(told)

    if state in ENDS:
        assert any(MANUAL[one] is state for one in told if one in BASES)
        assert not {"COMPLETING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT", "STAGE_OUT"} & set(
            told
        )


@given(word=st.text(max_size=5000), reason=st.text(max_size=5000))
def test_whatever_is_printed_becomes_an_observation(word: str, reason: str):
    seen = slurm_states.observation(Job(slurm_states.words(word), reason))

    assert len(seen.message) < 1000
