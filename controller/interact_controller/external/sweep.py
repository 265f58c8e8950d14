"""Work that nobody waits for any more: cancelled, and told where the run's deletion does not reach."""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from interact_controller.external import figures, steps, stopping
from interact_controller.external.claims import Claim, Claims
from interact_controller.external.deeds import Deeds
from interact_controller.external.driver import Driver
from interact_controller.external.stopping import End, Ended
from interact_controller.external.systems import Hindered
from interact_controller.seen import Manifest

logger = logging.getLogger(__name__)

MOST_STEPS: Final = 8
GONE: Final = "its run is gone"


class Tells(Protocol):
    """What is needed of the API server to tell people."""

    async def tell(self, about: Manifest, *, warning: bool, reason: str, message: str) -> None:
        """Post an event about an object."""
        ...


class Sweeper:
    """Looks at claims that nobody waits for.

    Args:
        deeds: What is done about work.
        claims: All of them.
        driver: The driver of a claim; raises `Hindered`.
        tells: Where it is reported.
        now: The time.
        seconds: How long one claim is tried.
    """

    def __init__(
        self,
        deeds: Deeds,
        claims: Claims,
        driver: Callable[[Claim], Awaitable[Driver]],
        tells: Tells,
        now: Callable[[], datetime],
        seconds: float,
    ) -> None:
        self._deeds = deeds
        self._claims = claims
        self._driver = driver
        self._tells = tells
        self._now = now
        self._bound = timedelta(seconds=seconds)

    async def look(self, claim: Claim, why: str = GONE) -> float | None:
        """Do what can be done now; seconds until the next look, None if the claim is gone.

        Raises:
            ClusterError: If this process may not write, or the API server does not answer.
        """
        if claim.left is None:
            claim = await self._claims.note(claim, left=self._now(), why=why)
        overdue = claim.left is not None and self._now() - claim.left >= self._bound
        try:
            driver = await self._driver(claim)
        except Hindered as error:
            if overdue:
                await self._end(claim, Ended(End.UNKNOWN, str(error)))
                return None
            notes = self._deeds.notes(claim.key)
            notes.failures += 1
            return steps.pause(notes.failures)
        news: steps.News | None = None
        for _ in range(MOST_STEPS):
            todo = stopping.stop(self._deeds.work(claim, driver, news, overdue=overdue))
            match todo:
                case Ended():
                    await self._end(claim, todo)
                    return None
                case steps.Rest(seconds=seconds):
                    return seconds
                case _:
                    claim, news = await self._deeds.do(todo, driver, claim)
        return steps.pause(1)

    async def _end(self, claim: Claim, how: Ended) -> None:
        """Report, and forget it."""
        run = claim.run
        whose = f"{run.namespace}/{run.name} (uid {run.uid}, attempt {run.attempt})"
        what = stopping.named(self._deeds.work(claim, None, None, overdue=False))
        match how.end:
            case End.CONFIRMED:
                result, reason = "cancelled", "Cancelled"
                words = f"{what} was cancelled: {claim.why}, {whose}"
            case End.NEVER:
                result, reason = "never", "NeverSubmitted"
                words = f"{what} was never submitted: {claim.why}, {whose}"
            case _:
                result, reason = "left", "LeftBehind"
                words = (
                    f"{what} may still run, and is not tried any more: {how.words}; look there and "
                    f"end it by hand: {claim.why}, {whose}"
                )
        facts = {"claim": claim.key, "driver": claim.driver, "result": result}
        logger.info("claim swept", extra=facts)
        warning = how.end is End.UNKNOWN
        await self._tells.tell(claim.manifest, warning=warning, reason=reason, message=words)
        figures.swept(claim.driver, result)
        await self._deeds.release(claim)
