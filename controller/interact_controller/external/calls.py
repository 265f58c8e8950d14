"""Calls of drivers: each within its time, those that change something only under a lease that lasts."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from interact_api.external import Handle, Observation, OperatorResult, Run
from interact_api.problem import Problem

from interact_controller.errors import ClusterUnreachable
from interact_controller.external import failpoints, figures, steps
from interact_controller.external.driver import Ambiguous, Driver, ExternalError, Refused
from interact_controller.external.steps import News

logger = logging.getLogger(__name__)

T = TypeVar("T")
LOOKS_PER_LEASE: Final = 200
"""How finely a fresher lease is waited for."""
_MESSAGE: Final = 1000


class Tenure:
    """How long this process surely leads.

    Args:
        remaining: Seconds for which it leads even if it cannot renew.
        longest: Seconds that ``remaining`` gives at any time while renewals do not take long.
    """

    def __init__(self, remaining: Callable[[], float], longest: float) -> None:
        self._remaining = remaining
        self._longest = longest

    async def lasts(self, seconds: float) -> float:
        """Wait until the lease lasts for a call; how long the call may take, no longer than asked.

        More is not waited for than the lease always lasts: whoever waited for a fresh one would
        hold up all that come after.

        Raises:
            ClusterUnreachable: If it is not renewed meanwhile.
        """
        wanted = min(seconds, self._longest)
        for _ in range(LOOKS_PER_LEASE):
            left = self._remaining()
            if left >= wanted > 0:
                return min(seconds, left)
            await asyncio.sleep(self._longest / LOOKS_PER_LEASE)
        words = f"the lease lasts for {self._remaining():.1f} s, a call takes up to {wanted:.1f} s"
        raise ClusterUnreachable(words)


class Calls:
    """Calls, and what they come to as values.

    Args:
        tenure: How long this process leads.
        hit: Called at each failpoint.
    """

    def __init__(self, tenure: Tenure, hit: failpoints.Hit = failpoints.nothing) -> None:
        self._tenure = tenure
        self._hit = hit

    async def validate(
        self, name: str, driver: Driver, run: Run
    ) -> tuple[Problem, ...] | steps.Trouble:
        """What is wrong with a run."""

        async def ask() -> tuple[Problem, ...]:
            return tuple(await driver.validate(run))

        found = await self._call("validate", name, driver, ask)
        if isinstance(found, steps.Refusal):
            return (found.problem,)
        return steps.Trouble(found.message) if isinstance(found, steps.Unsure) else found

    async def prepare(self, name: str, driver: Driver, run: Run) -> Handle | News:
        """A handle for the submit, or why there is none."""
        found = await self._call("prepare", name, driver, lambda: driver.prepare(run))
        await self._hit(failpoints.PREPARED)
        return found

    async def submit(self, name: str, driver: Driver, run: Run, handle: Handle) -> Handle | News:
        """The work's handle, or what is known instead."""
        found = await self._call(
            "submit", name, driver, lambda: driver.submit(run, handle), changes=True
        )
        if isinstance(found, Handle) and not found.external_id:
            found = steps.Unsure("the submit was answered without an id")
        await self._hit(failpoints.SUBMITTED)
        return found

    async def lookup(self, name: str, driver: Driver, run: Run) -> News:
        """The work with the run's key."""

        async def ask() -> steps.Looked:
            return steps.Looked(await driver.lookup(run))

        return await self._call("lookup", name, driver, ask)

    async def check(self, name: str, driver: Driver, handle: Handle) -> News:
        """How the work stands."""
        found = await self._call("check", name, driver, lambda: driver.check(handle))
        if isinstance(found, Observation):
            await self._hit(failpoints.CHECKED)
        return found

    async def collect(self, name: str, driver: Driver, handle: Handle) -> News:
        """What the work left."""
        found = await self._call("collect", name, driver, lambda: driver.collect(handle))
        match found:
            case OperatorResult():
                await self._hit(failpoints.COLLECTED)
                return found
            case steps.Trouble(message=message) | steps.Unsure(message=message):
                return steps.Trouble(message, collecting=True)
            case steps.Refusal(problem=problem):
                return steps.Refusal(problem, collecting=True)
            case _:
                return found

    async def cancel(self, name: str, driver: Driver, handle: Handle) -> News:
        """Whether the work has ended."""

        async def ask() -> steps.Stopped:
            return steps.Stopped(await driver.cancel(handle))

        found = await self._call("cancel", name, driver, ask, changes=True)
        if found == steps.Stopped(confirmed=True):
            await self._hit(failpoints.CANCELLED)
        return found

    async def _call(
        self,
        verb: str,
        name: str,
        driver: Driver,
        make: Callable[[], Awaitable[T]],
        *,
        changes: bool = False,
    ) -> T | steps.Trouble | steps.Unsure | steps.Refusal:
        """One call; its errors as news. After a submit, what is not said to be nothing is unsure.

        Raises:
            ClusterUnreachable: If this process does not lead for long enough.
        """
        seconds = driver.call_seconds
        if changes:
            seconds = await self._tenure.lasts(seconds)
        unknown = steps.Unsure if verb == "submit" else steps.Trouble
        began = time.monotonic()
        result = "failed"
        try:
            async with asyncio.timeout(seconds):
                found = await make()
            result = "ok"
        except Refused as error:
            result = "refused"
            return steps.Refusal(error.problem)
        except Ambiguous as error:
            return unknown(str(error)[:_MESSAGE])
        except ExternalError as error:
            return steps.Trouble(str(error)[:_MESSAGE])
        except TimeoutError:
            return unknown(f"no answer to {verb} within {seconds:g} s")
        except Exception as error:  # a mistake in a driver must not end the look before it is told
            logger.exception("driver broke", extra={"driver": name, "call": verb})
            return unknown(f"the driver broke in {verb}: {type(error).__name__}")
        else:
            return found
        finally:
            figures.called(name, verb, result, time.monotonic() - began)
