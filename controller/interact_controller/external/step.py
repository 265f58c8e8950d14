"""The next thing to do for an external run, and the next status: pure, and safe to be killed after.

The order: the status has the key, a claim is written, the work is submitted or found by its key, the
claim has its id, it is looked at and the status has both in one write, it is polled, its results are
collected, the status has its end and the results in one write, the claim is released.
"""

from dataclasses import dataclass
from datetime import timedelta

from interact_api import lifecycle
from interact_api.external import Observation, OperatorResult, Repeat, State
from interact_api.lifecycle import RunPhase, RunReason, Standing

from interact_controller.external import steps, stopping
from interact_controller.external.steps import (
    Action,
    Check,
    Collect,
    Hindrance,
    Leave,
    Lookup,
    MakeClaim,
    Release,
    Rest,
    Seen,
    Submit,
    Tell,
    Work,
)
from interact_controller.external.stopping import End, Ended

HINDERED_SECONDS = 30.0
"""Between two looks at a run whose system is not there; it is woken when that comes."""


@dataclass(frozen=True)
class _Stop:
    """Why a run is to end before its work does, and how it ends then."""

    phase: RunPhase
    reason: str
    message: str
    again: bool = False
    """Whether another attempt may follow."""


def step(seen: Seen) -> Action:
    """The next thing to do."""
    standing, work = seen.standing, seen.work
    if standing is None:
        return Tell(_created(seen, 1))
    if standing.terminal:
        return Rest() if work is None or work.claim.left is not None else Release()
    if work is not None and isinstance(work.news, OperatorResult):
        return _completed(seen, standing, work.news)
    if work is None and seen.told:
        return MakeClaim()  # somebody removed it
    stop = _stop(seen)
    if stop is not None:
        return _stopping(seen, standing, stop)
    if work is None:
        return _beginning(seen, standing)
    if isinstance(work.news, steps.Refusal):
        return _refused(seen, standing, work.news)
    if seen.hindrance is not None:
        return _hindered(seen, standing, seen.hindrance)
    if not work.submitted:
        return _submitting(seen, standing, work)
    if not seen.told or standing.phase is RunPhase.CREATED:
        return _named(standing, work)
    return _going(seen, standing, work)


# -- before the submit -------------------------------------------------------------------------


def _beginning(seen: Seen, standing: Standing) -> Action:
    if seen.problems:
        words = "\n".join(f"{one.path}: {one.message}" for one in seen.problems)
        return Tell(_end(standing, RunPhase.FAILED, RunReason.INVALID_SPEC, words))
    created = _created(seen, standing.attempt)
    if created.reason == RunReason.SUBMITTING:
        return MakeClaim()
    if created != standing:
        return Tell(created)
    if seen.hindrance is not None:
        return Rest(_soon(seen, HINDERED_SECONDS))
    if seen.ready is not None and created.reason == RunReason.RETRYING:
        return Rest(_soon(seen, (seen.ready - seen.now).total_seconds()))
    return Rest(_soon(seen))


def _created(seen: Seen, attempt: int) -> Standing:
    """Where a run is that has not begun: why it has not."""

    def there(reason: RunReason | str, message: str = "") -> Standing:
        return Standing(RunPhase.CREATED, attempt, str(reason), message)

    if seen.hindrance is not None:
        return there(seen.hindrance.reason, seen.hindrance.message)
    if seen.terms.suspend:
        return there(RunReason.SUSPENDED, "spec.suspend holds its submit back; set it to false")
    if seen.ready is not None and seen.ready > seen.now:
        words = seen.standing.message if seen.standing is not None else ""
        return there(RunReason.RETRYING, words)
    if not seen.turn:
        return there(RunReason.QUEUED, seen.queue)
    return there(RunReason.SUBMITTING)


def _submitting(seen: Seen, standing: Standing, work: Work) -> Action:
    """Work that has a claim and no name yet."""
    match work.news:
        case steps.Trouble(message=message):
            known = (
                "whether it was submitted is not known" if work.doubt else "nothing was submitted"
            )
            words = f"{known} yet: {message}"
            there = Standing(
                RunPhase.CREATED, standing.attempt, RunReason.SYSTEM_UNREACHABLE, words
            )
            return _say(seen, there, Rest(_soon(seen, steps.pause(work.failures))))
        case steps.Unsure():
            return Rest(_soon(seen, steps.pause(work.failures)))
        case None if work.doubt:
            return Lookup()
        case _:
            pass
    if work.doubt and work.repeat is Repeat.NEITHER:
        words = (
            f"{stopping.named(work)} may or may not have been submitted, and its system cannot tell: "
            "look there; then set spec.cancel, and create another run if it is not there"
        )
        there = Standing(RunPhase.CREATED, standing.attempt, RunReason.SUBMIT_UNCERTAIN, words)
        return _say(seen, there, Rest(_soon(seen)))
    if work.doubt and work.repeat is Repeat.LOOKUP and not work.settled:
        return Rest(_soon(seen, steps.unsettled(work)))
    if seen.terms.suspend:
        there = _created(seen, standing.attempt)
        return _say(seen, there, Rest(_soon(seen)))
    return Submit()


# -- while it goes on --------------------------------------------------------------------------


def _named(standing: Standing, work: Work) -> Action:
    """The claim has the work's name, the status has not: it is looked at first, to write once."""
    if work.news is None:
        return Check()
    word = RunReason.ADOPTED if isinstance(work.news, steps.Looked) else RunReason.SUBMITTED
    there = Standing(RunPhase.SUBMITTED, standing.attempt, word)
    if isinstance(work.news, Observation):
        seen = lifecycle.observed(there, work.news)
        there = there if seen.terminal else seen
    return Tell(there)


def _going(seen: Seen, standing: Standing, work: Work) -> Action:
    """Work that has a name here and in the status."""
    match work.news:
        case None | steps.Looked() | steps.Stopped():
            return Collect() if standing.reason == RunReason.COLLECTING else Check()
        case Observation() as told:
            return _observed(seen, standing, told)
        case steps.Trouble(message=message, collecting=True):
            return _uncollected(seen, standing, work, message)
        case steps.Trouble(message=message) | steps.Unsure(message=message):
            pause = max(steps.pause(work.failures), steps.poll(seen.polls, seen.terms.poll))
            rest = Rest(_soon(seen, pause))
            if work.failures < _PATIENCE:
                return rest
            words = f"its system does not answer: {message}; it is asked again"
            there = Standing(standing.phase, standing.attempt, standing.reason, words)
            return _say(seen, there, rest)
        case _:
            return Rest(_soon(seen, steps.poll(seen.polls, seen.terms.poll)))


_PATIENCE = 3
"""Calls in a row that fail before people are told."""


def _observed(seen: Seen, standing: Standing, told: Observation) -> Action:
    there = lifecycle.observed(standing, told)
    if told.state is State.SUCCEEDED:
        return Collect()
    if there.phase is RunPhase.CANCELLED:
        words = told.message or "it was cancelled on the other system"
        return Tell(_end(standing, RunPhase.CANCELLED, there.reason, words))
    if there.terminal:
        return _failed(seen, standing, there.reason, there.message)
    if told.state is State.UNKNOWN and told.message:
        there = Standing(standing.phase, standing.attempt, standing.reason, told.message)
    rest = Rest(_soon(seen, steps.poll(seen.polls, seen.terms.poll)))
    return _say(seen, there, rest)


def _uncollected(seen: Seen, standing: Standing, work: Work, message: str) -> Action:
    """It has succeeded, and its results cannot be had yet: from now on nothing else is asked for."""
    words = f"the work has succeeded, its results are not here yet: {message}"
    there = Standing(standing.phase, standing.attempt, RunReason.COLLECTING, words)
    rest = Rest(_soon(seen, steps.pause(work.failures)))
    return rest if there == standing else Tell(there, uncollected=message)


# -- ends --------------------------------------------------------------------------------------


def _completed(seen: Seen, standing: Standing, result: OperatorResult) -> Action:
    if standing.phase is RunPhase.CREATED:  # it was found when it had to be stopped
        return Tell(Standing(RunPhase.SUBMITTED, standing.attempt, RunReason.ADOPTED))
    return Tell(_end(standing, RunPhase.COMPLETED, RunReason.COMPLETED), result=result)


def _refused(seen: Seen, standing: Standing, news: steps.Refusal) -> Action:
    reason = RunReason.COLLECT_FAILED if news.collecting else RunReason.REFUSED
    problem = news.problem
    words = f"{problem.path}: {problem.message}" if problem.path else problem.message
    return _failed(seen, standing, reason, words)


def _failed(seen: Seen, standing: Standing, reason: str, message: str) -> Action:
    """The attempt has failed: another one begins, or the run has."""
    ended = _end(standing, RunPhase.FAILED, reason, message)
    if not seen.terms.retry.follows(ended.attempt, reason):
        return Tell(ended)
    words = f"attempt {ended.attempt} ended with {reason}: {message}"
    return Tell(lifecycle.retried(standing, words), ended=ended)


def stops(seen: Seen) -> bool:
    """Whether the work is to be stopped now."""
    return _stop(seen) is not None


def _stop(seen: Seen) -> _Stop | None:
    """Why the work is to be stopped now."""
    terms, now = seen.terms, seen.now
    if terms.cancel:
        return _Stop(RunPhase.CANCELLED, RunReason.CANCELLED, "spec.cancel is set")
    if terms.deadline is not None and now >= terms.deadline:
        words = f"its deadline was {terms.deadline:%Y-%m-%dT%H:%M:%SZ}; create another run"
        return _Stop(RunPhase.FAILED, RunReason.DEADLINE_EXCEEDED, words)
    if terms.timeout is not None and seen.submitted and now >= seen.submitted + terms.timeout:
        words = f"the attempt took longer than {terms.timeout.total_seconds():g} s"
        return _Stop(RunPhase.FAILED, RunReason.TIMEOUT, words, again=True)
    if terms.waiting is not None and seen.waits and now >= seen.waits + terms.waiting:
        words = f"nobody answered within {terms.waiting.total_seconds():g} s"
        return _Stop(RunPhase.FAILED, RunReason.WAITING_TIMEOUT, words, again=True)
    return None


def _stopping(seen: Seen, standing: Standing, stop: _Stop) -> Action:
    """Stop the work, confirmed, before the run ends; what succeeded meanwhile has succeeded."""
    work = seen.work
    if work is None or not (work.submitted or work.doubt):
        return _ended(seen, standing, stop)
    if work.claim.left is not None:
        return _ended(seen, standing, stop, work.claim.why)
    if seen.hindrance is not None:
        return Leave(seen.hindrance.message)
    if work.confirmed:
        return _confirmed(seen, standing, stop, work)
    todo = stopping.stop(work)
    match todo:
        case Ended(end=End.NEVER):
            return _ended(seen, standing, stop)
        case Ended(words=words):
            return Leave(words)
        case Rest():
            words = f"{stop.message}; {stopping.named(work)} is asked to stop"
            there = Standing(standing.phase, standing.attempt, RunReason.CANCELLING, words)
            return _say(seen, there, todo)
        case _:
            return todo


def _confirmed(seen: Seen, standing: Standing, stop: _Stop, work: Work) -> Action:
    """The work has ended: was it by itself, and well?"""
    match work.news:
        case None | steps.Stopped():
            return Check()
        case Observation(state=State.SUCCEEDED):
            return Collect()
        case steps.Refusal() as news:
            return _refused(seen, standing, news)
        case _:
            return _ended(seen, standing, stop)


def _ended(seen: Seen, standing: Standing, stop: _Stop, left: str = "") -> Action:
    words = stop.message
    if left and seen.work is not None:
        words = f"{words}; {stopping.named(seen.work)} may still run: {left}"
    if stop.again and not left:
        return _failed(seen, standing, stop.reason, words)
    return Tell(_end(standing, stop.phase, stop.reason, words))


def _end(standing: Standing, phase: RunPhase, reason: str, message: str = "") -> Standing:
    return Standing(phase, standing.attempt, str(reason), message)


def _hindered(seen: Seen, standing: Standing, why: Hindrance) -> Action:
    words = f"it cannot be asked for: {why.message}"
    there = Standing(standing.phase, standing.attempt, standing.reason, words)
    return _say(seen, there, Rest(_soon(seen, HINDERED_SECONDS)))


# -- words and times ---------------------------------------------------------------------------


def _say(seen: Seen, there: Standing, then: Action) -> Action:
    """Tell people unless they know."""
    return then if there == seen.standing else Tell(there)


def _soon(seen: Seen, seconds: float | None = None) -> float | None:
    """When to look again: after some seconds, or when a time comes at which the run is to end."""
    ends = [seen.terms.deadline]
    if seen.terms.timeout is not None and seen.submitted is not None:
        ends.append(seen.submitted + seen.terms.timeout)
    if seen.terms.waiting is not None and seen.waits is not None:
        ends.append(seen.waits + seen.terms.waiting)
    waits = [max(0.0, (one - seen.now) / timedelta(seconds=1)) for one in ends if one is not None]
    return min([*waits, *([] if seconds is None else [max(0.05, seconds)])], default=None)
