"""What is done about an attempt's work: the call, and what it teaches, written into the claim."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from interact_api.external import Handle, Repeat
from interact_api.problem import Problem

from interact_controller.errors import ClusterError
from interact_controller.external import failpoints, steps
from interact_controller.external.calls import Calls
from interact_controller.external.claims import Claim, Claims
from interact_controller.external.driver import Driver, repeat_of
from interact_controller.external.steps import (
    Cancel,
    Check,
    Collect,
    Lookup,
    News,
    Submit,
    Work,
)

Deed: TypeAlias = Submit | Lookup | Check | Collect | Cancel


@dataclass
class Notes:
    """What this process remembers of an attempt; without it, the worst is assumed.

    Attributes:
        doubt: Whether a submit may have happened whose answer nobody has.
        since: Since when, on the clock of `Deeds`.
        failures: Calls in a row that failed.
        polls: Checks in a row that found nothing new.
        confirmed: Whether a cancel was confirmed.
        stopping: Since when the work is asked to stop.
        handle: The work's, if the claim could not be written.
    """

    doubt: bool
    since: float
    failures: int = 0
    polls: int = 0
    confirmed: bool = False
    stopping: datetime | None = None
    handle: Handle | None = None


class Deeds:
    """Calls and the claims they change.

    Args:
        calls: Of drivers.
        claims: Where what is known is written.
        clock: Seconds that only go on.
        hit: Called at each failpoint.
        heard: Called with the system of each call, and its trouble, empty if there was none.
    """

    def __init__(
        self,
        calls: Calls,
        claims: Claims,
        clock: Callable[[], float],
        hit: failpoints.Hit = failpoints.nothing,
        heard: Callable[[str, str], None] = lambda system, trouble: None,
    ) -> None:
        self._calls = calls
        self._claims = claims
        self._clock = clock
        self._hit = hit
        self._heard = heard
        self._notes: dict[str, Notes] = {}

    def notes(self, key: str) -> Notes:
        """What is remembered of an attempt that has a claim."""
        found = self._notes.get(key)
        if found is None:
            found = self._notes[key] = Notes(doubt=True, since=self._clock())
        return found

    async def validate(self, driver: Driver, claim: Claim) -> tuple[Problem, ...] | steps.Trouble:
        """What is wrong with a run that has no claim yet."""
        return await self._calls.validate(claim.driver, driver, claim.run)

    async def claim(self, claim: Claim) -> Claim:
        """Write a claim down."""
        found, made = await self._claims.make(claim)
        self._notes[claim.key] = Notes(doubt=not made, since=self._clock())
        await self._hit(failpoints.CLAIMED)
        return found

    async def release(self, claim: Claim) -> None:
        """Remove a claim."""
        await self._claims.release(claim)
        self._notes.pop(claim.key, None)
        await self._hit(failpoints.RELEASED)

    def work(
        self, claim: Claim, driver: Driver | None, news: News | None, *, overdue: bool
    ) -> Work:
        """An attempt's work as it is known; without a driver nothing can be done about it."""
        notes = self.notes(claim.key)
        return Work(
            claim=claim,
            repeat=repeat_of(driver, claim.run) if driver is not None else Repeat.NEITHER,
            doubt=notes.doubt,
            settles=notes.since + driver.call_seconds - self._clock() if driver else 1.0,
            failures=notes.failures,
            news=news,
            confirmed=notes.confirmed,
            overdue=overdue,
        )

    async def do(self, deed: Deed, driver: Driver, claim: Claim) -> tuple[Claim, News | None]:
        """One call; the claim and the news after it.

        Raises:
            ClusterError: If this process may not write, or the claim cannot be written.
        """
        notes = self.notes(claim.key)
        match deed:
            case Submit():
                claim, news = await self._submit(driver, claim, notes)
            case Lookup():
                news = await self._calls.lookup(claim.driver, driver, claim.run)
                if isinstance(news, steps.Looked) and news.handle is not None:
                    claim = await self._learn(claim, news.handle, notes)
            case Check():
                news = await self._calls.check(claim.driver, driver, handle(claim))
            case Collect():
                news = await self._calls.collect(claim.driver, driver, handle(claim))
            case Cancel():
                news = await self._calls.cancel(claim.driver, driver, handle(claim))
                notes.confirmed = notes.confirmed or news == steps.Stopped(confirmed=True)
        failed = isinstance(news, steps.Trouble | steps.Unsure | steps.Stopped)
        notes.failures = notes.failures + 1 if failed else 0
        self._heard(
            claim.system,
            news.message if isinstance(news, steps.Trouble | steps.Unsure) else "",
        )
        return claim, news

    async def _submit(
        self, driver: Driver, claim: Claim, notes: Notes
    ) -> tuple[Claim, News | None]:
        if notes.handle is not None:  # the submit was answered, and nobody could write it down
            return await self._learn(claim, notes.handle, notes), None
        ready = await self._calls.prepare(claim.driver, driver, claim.run)
        if not isinstance(ready, Handle):
            return claim, ready
        before, notes.doubt, notes.since = notes.doubt, True, self._clock()
        try:
            found = await self._calls.submit(claim.driver, driver, claim.run, ready)
        except ClusterError:
            notes.doubt = before
            raise
        if not isinstance(found, Handle):
            notes.doubt = before if isinstance(found, steps.Trouble | steps.Refusal) else True
            return claim, found
        return await self._learn(claim, found, notes), None

    async def _learn(self, claim: Claim, found: Handle, notes: Notes) -> Claim:
        notes.handle = found
        claim = await self._claims.note(claim, handle=found)
        notes.doubt, notes.handle = False, None
        await self._hit(failpoints.NOTED)
        return claim


def handle(claim: Claim) -> Handle:
    """The work of a claim that has a name."""
    return claim.handle if claim.handle is not None else Handle()
