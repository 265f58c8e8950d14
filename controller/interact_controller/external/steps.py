"""What is seen of an external run, what may be done next, and what came of it: values only."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from interact_api.external import Handle, Observation, OperatorResult, Repeat
from interact_api.external_work import Retry
from interact_api.lifecycle import Standing
from interact_api.problem import Problem

from interact_controller.external.claims import Claim

FIRST_POLL_SECONDS: Final = 1.0
POLL_GROWTH: Final = 1.4
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
LOOKUP_SECONDS: Final = 5.0
"""Longest between two lookups of work that may be on its way."""


# -- what came of the last thing that was done -------------------------------------------------


@dataclass(frozen=True)
class Looked:
    """A lookup ended: the work, or nothing that is known."""

    handle: Handle | None


@dataclass(frozen=True)
class Stopped:
    """A cancel ended; whether the work is known to have ended."""

    confirmed: bool


@dataclass(frozen=True)
class Trouble:
    """An expected error: nothing happened, and the call is made again."""

    message: str
    collecting: bool = False


@dataclass(frozen=True)
class Unsure:
    """A submit that may have happened."""

    message: str


@dataclass(frozen=True)
class Refusal:
    """The other system will never do it."""

    problem: Problem
    collecting: bool = False


News: TypeAlias = Looked | Stopped | Trouble | Unsure | Refusal | Observation | OperatorResult


# -- what may be done next ---------------------------------------------------------------------


@dataclass(frozen=True)
class MakeClaim:
    """Write a claim down."""


@dataclass(frozen=True)
class Submit:
    """Prepare and submit, then note the handle in the claim."""


@dataclass(frozen=True)
class Lookup:
    """Look the key up; what is found is noted in the claim."""


@dataclass(frozen=True)
class Check:
    """Ask how the work stands."""


@dataclass(frozen=True)
class Collect:
    """Fetch the results."""


@dataclass(frozen=True)
class Cancel:
    """Stop the work."""


@dataclass(frozen=True)
class Leave:
    """Note in the claim that nobody waits for the work any more; the sweeper goes on with it."""

    why: str


@dataclass(frozen=True)
class Release:
    """Remove the claim."""


@dataclass(frozen=True)
class Tell:
    """Write the status.

    Attributes:
        standing: Where the run is.
        result: What it left, with its end.
        ended: How the attempt before ended, with a retry.
        uncollected: Why the results are not there yet.
    """

    standing: Standing
    result: OperatorResult | None = None
    ended: Standing | None = None
    uncollected: str = ""


@dataclass(frozen=True)
class Rest:
    """Nothing to do now; look again after some seconds, or when something is heard."""

    seconds: float | None = None


Action: TypeAlias = (
    MakeClaim | Submit | Lookup | Check | Collect | Cancel | Leave | Release | Tell | Rest
)


# -- what is seen ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """One attempt's work on the other system, as far as it is known here.

    Attributes:
        claim: Its claim.
        repeat: How its submit may be repeated.
        doubt: Whether a submit may have happened whose answer nobody has.
        settles: Seconds until a lookup that finds nothing is to be believed; at most 0 if it is.
        failures: Calls in a row that failed.
        news: What came of the last call of this look.
        confirmed: Whether its cancel was confirmed.
        overdue: Whether the work was asked to stop for as long as it may take.
    """

    claim: Claim
    repeat: Repeat
    doubt: bool = False
    settles: float = 0.0
    failures: int = 0
    news: News | None = None
    confirmed: bool = False
    overdue: bool = False

    @property
    def settled(self) -> bool:
        """Whether a lookup that finds nothing is to be believed."""
        return self.settles <= 0

    @property
    def submitted(self) -> bool:
        """Whether its name on the other system is known."""
        return self.claim.handle is not None and bool(self.claim.handle.external_id)


@dataclass(frozen=True)
class Terms:
    """What the run's spec says about its way.

    Attributes:
        deadline: When it ends, whatever happens.
        timeout: Longest an attempt may take from its submit.
        waiting: Longest an attempt may wait for somebody.
        retry: When a failed attempt is followed by another.
        cancel: Whether it is to be stopped.
        suspend: Whether nothing is to be submitted.
        poll: Longest between two polls, in seconds.
    """

    deadline: datetime | None = None
    timeout: timedelta | None = None
    waiting: timedelta | None = None
    retry: Retry = field(default_factory=Retry)
    cancel: bool = False
    suspend: bool = False
    poll: float = 30.0


@dataclass(frozen=True)
class Hindrance:
    """Why a run cannot begin now: its system is not there, or not its."""

    reason: str
    message: str


@dataclass(frozen=True)
class Seen:
    """A run as it is.

    Attributes:
        terms: Of its spec.
        standing: Of its status; None before the first.
        work: The current attempt's; None without a claim.
        told: Whether the status has the work's id.
        turn: Whether the caps let it begin.
        queue: What it waits for otherwise, for people.
        problems: What is wrong with its spec.
        hindrance: Why it cannot begin now, or be asked for.
        ready: When the current attempt may be submitted; None for at once.
        submitted: When it was submitted.
        waits: Since when it waits for somebody; None if it does not.
        polls: Looks in a row that found nothing new.
        now: The time.
    """

    terms: Terms
    now: datetime
    standing: Standing | None = None
    work: Work | None = None
    told: bool = False
    turn: bool = True
    queue: str = ""
    problems: tuple[Problem, ...] = ()
    hindrance: Hindrance | None = None
    ready: datetime | None = None
    submitted: datetime | None = None
    waits: datetime | None = None
    polls: int = 0


def pause(failures: int) -> float:
    """Seconds after so many failures in a row.

    >>> [pause(number) for number in (1, 2, 7)]
    [1.0, 2.0, 60.0]
    """
    seconds = FIRST_PAUSE_SECONDS * 2.0 ** min(max(failures, 1) - 1, 16)
    return min(LONGEST_PAUSE_SECONDS, seconds)


def unsettled(work: Work) -> float:
    """Seconds until the next lookup of work that was not found and may be on its way still."""
    return min(max(work.settles, 0.1), LOOKUP_SECONDS)


def poll(polls: int, longest: float) -> float:
    """Seconds until the next poll, after so many in a row that found nothing new."""
    seconds = FIRST_POLL_SECONDS * POLL_GROWTH ** min(polls, 64)
    return float(min(longest, seconds))
