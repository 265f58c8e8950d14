"""How the work of an attempt is brought to its end: cancelled and confirmed, or known not to be."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from interact_api.external import Repeat

from interact_controller.external import steps
from interact_controller.external.steps import Cancel, Lookup, Rest, Submit, Work


class End(StrEnum):
    """What is known of work that is to end."""

    CONFIRMED = "confirmed"
    """It has ended; it may have done so by itself before."""
    NEVER = "never"
    """It never began."""
    UNKNOWN = "unknown"
    """It may still run, and nothing more is to be tried here."""


@dataclass(frozen=True)
class Ended:
    """Nothing is left to do."""

    end: End
    words: str = ""


Stop: TypeAlias = Cancel | Lookup | Submit | Rest | Ended


def stop(work: Work) -> Stop:
    """The next thing to do to end this work."""
    if work.confirmed:
        return Ended(End.CONFIRMED)
    match work.news:
        case steps.Refusal(problem=problem) if work.submitted:
            return _left(work, problem.message)
        case steps.Stopped() | steps.Trouble() | steps.Unsure():
            said = getattr(work.news, "message", "it was asked to stop, and has not yet")
            return _left(work, said) if work.overdue else Rest(steps.pause(work.failures))
        case _:
            return Cancel() if work.submitted else _unsubmitted(work)


def _unsubmitted(work: Work) -> Stop:
    """Work whose name is not known: it is looked up, or submitted again to learn its name."""
    if not work.doubt:
        return Ended(End.NEVER)
    match work.news:
        case None:
            return Lookup()
        case steps.Refusal():
            return Ended(End.NEVER)
        case _ if work.repeat is Repeat.IDEMPOTENT:
            return Submit()
        case _ if work.repeat is Repeat.LOOKUP and work.settled:
            return Ended(End.NEVER)
        case _ if work.repeat is Repeat.LOOKUP:
            return Rest(steps.unsettled(work))
        case _:
            words = "its submit was not answered, and its system cannot look it up"
            return Ended(End.UNKNOWN, words)


def _left(work: Work, said: str) -> Ended:
    return Ended(End.UNKNOWN, said)


def named(work: Work) -> str:
    """The work as people find it on the other system."""
    claim = work.claim
    where = f"system {claim.system!r}" if claim.system else f"driver {claim.driver!r}"
    handle = claim.handle
    if handle is not None and handle.external_id:
        return f"{handle.external_id} of {where}"
    return f"the work with key {claim.key} of {where}"
