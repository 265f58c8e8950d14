"""One look at an external run: read, decide, do one thing after the other, and tell."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from interact_api.external import Observation
from interact_api.lifecycle import RunPhase
from interact_api.plain import mapping

from interact_controller.errors import Conflict
from interact_controller.external import account, failpoints, figures, reading, step, steps
from interact_controller.external.admission import Admission
from interact_controller.external.claims import Claim
from interact_controller.external.parts import Course, Parts
from interact_controller.external.reading import Reading
from interact_controller.external.steps import (
    Leave,
    MakeClaim,
    Release,
    Rest,
    Seen,
    Tell,
)
from interact_controller.external.systems import POLL_SECONDS
from interact_controller.seen import Key, Kind

logger = logging.getLogger(__name__)

AGAIN_SECONDS: Final = 0.1
"""After a conflict: the newer object was read."""
BUSY_SECONDS: Final = 0.5
MOST_STEPS: Final = 24
"""Of one look; a run that needs more goes on in the next."""


class Loop:
    """Looks at runs.

    Args:
        parts: Everything a look may touch.
        wake: Called with the key of each run that may begin now.
    """

    def __init__(self, parts: Parts, wake: Callable[[Key], None]) -> None:
        self._parts = parts
        self._admission = Admission(parts, wake)
        self._active: set[Key] = set()
        self._named: dict[Key, tuple[str, str]] = {}
        self.census = figures.Census()

    def naming(self, key: Key) -> tuple[Key, ...]:
        """The runs that go on, or wait, and name a system or an operator."""
        wanted = (0, key.name) if key.kind is Kind.EXTERNAL_SYSTEM else (1, _named(key))
        return tuple(run for run, named in self._named.items() if named[wanted[0]] == wanted[1])

    async def look(self, key: Key) -> float | None:
        """Do what can be done now for a run, and for the work of those that had its name.

        Returns:
            Seconds after which to look again even if nothing is heard, or None.

        Raises:
            ControllerError: What a later look may find mended; the queue logs it and backs off.
        """
        if key in self._active:
            return BUSY_SECONDS
        self._active.add(key)
        try:
            return await self._look(key)
        except Conflict:
            await self._refresh(key)
            return AGAIN_SECONDS
        finally:
            self._active.discard(key)

    # -- whose work there is -------------------------------------------------------------------

    async def _look(self, key: Key) -> float | None:
        manifest = self._parts.runs.get(key)
        found = self._parts.catalogue.read(manifest) if manifest is not None else None
        claims = self._parts.claims.of(key.namespace, key.name)
        waits = [await self._stray(claim, found) for claim in claims]
        if found is None:
            self.census.gone(key)
            self._named.pop(key, None)
            self._parts.herald.forget(key)
        else:
            waits.append(await self._run(found))
        return soonest(waits)

    async def _stray(self, claim: Claim, found: Reading | None) -> float | None:
        """Deal with a claim unless it is the one of the attempt that goes on."""
        parts = self._parts
        key, run = claim.key, claim.run
        if found is None or found.uid != run.uid:
            place = Key(reading.RUN, run.namespace, run.name)
            live = await parts.cluster.live(place)
            if live is not None and mapping(live["metadata"]).get("uid") == run.uid:
                parts.runs.put(live)
                return AGAIN_SECONDS
            wait = await parts.sweeper.look(claim)
        elif claim.left is not None and (run.attempt != found.attempt or found.ended):
            wait = await parts.sweeper.look(claim)
        elif run.attempt < found.attempt:
            await parts.deeds.release(claim)  # its end is told
            wait = None
        else:
            return None
        if parts.claims.get(key) is None:
            self._admission.leave(key)
        return wait

    async def _refresh(self, key: Key) -> None:
        """Read an object again: what is kept is not the newest."""
        live = await self._parts.cluster.live(key)
        if live is not None:
            self._parts.runs.put(live)

    # -- the run -------------------------------------------------------------------------------

    async def _run(self, found: Reading) -> float | None:
        course = Course(
            reading=found,
            standing=found.status.standing if found.status is not None else None,
            claim=self._claim(found),
        )
        self._named[found.key] = found.system, found.operator
        self.census.seen(found.key, found.driver, str(found.phase or RunPhase.CREATED))
        if found.ended:
            self._named.pop(found.key, None)
        if found.ended and (course.claim is None or course.claim.left is not None):
            await self._observe(course)
            return await self._expire(course.reading) if course.claim is None else None
        if not found.ended:
            await self._admission.arm(course)
        for _ in range(MOST_STEPS):
            action = step.step(self._seen(course))
            if isinstance(action, Rest):
                await self._observe(course)
                return action.seconds if not course.reading.ended else AGAIN_SECONDS
            attempt = course.reading.attempt
            await self._act(course, action)
            if course.reading.attempt != attempt:
                return 0.0
            if course.reading.ended and course.claim is None:
                return await self._expire(course.reading)
        return 0.0

    def _claim(self, found: Reading) -> Claim | None:
        return self._parts.claims.get(reading.key(found.uid, found.attempt))

    async def _expire(self, found: Reading) -> float | None:
        """Delete a run whose time after its end is over."""
        if found.expires is None:
            return None
        left = (found.expires - self._parts.now()).total_seconds()
        if left > 0:
            return left
        await self._parts.cluster.remove(found.key, uid=found.uid)
        return None

    # -- steps ---------------------------------------------------------------------------------

    def _seen(self, course: Course) -> Seen:
        found, parts = course.reading, self._parts
        key = reading.key(found.uid, found.attempt)
        spec = parts.systems.spec(found.system) if found.system else None
        terms = dataclasses.replace(found.terms, poll=reading.poll(spec, POLL_SECONDS))
        now = parts.now()
        seen = Seen(
            terms=terms, now=now, standing=course.standing, told=found.told,
            turn=parts.caps.holds(key), queue=self._admission.queue(key), problems=course.problems,
            hindrance=course.hindrance, ready=found.ready, submitted=found.submitted,
            waits=found.waits,
        )  # fmt: skip
        if course.claim is None:
            return seen
        notes = parts.deeds.notes(key)
        if step.stops(seen) and notes.stopping is None:
            notes.stopping = now
        bound = timedelta(seconds=parts.cancel_seconds)
        overdue = notes.stopping is not None and now - notes.stopping >= bound
        work = parts.deeds.work(course.claim, course.driver, course.news, overdue=overdue)
        return dataclasses.replace(seen, work=work, polls=notes.polls)

    async def _act(self, course: Course, action: steps.Action) -> None:
        parts, claim = self._parts, course.claim
        if isinstance(action, Tell):
            await self._tell(course, action)
        elif isinstance(action, MakeClaim):
            course.claim = await parts.deeds.claim(course.reading.claim(parts.now()))
        elif claim is not None and isinstance(action, Release):
            await parts.deeds.release(claim)
            course.claim = None
            self._admission.leave(claim.key)
        elif claim is not None and isinstance(action, Leave):
            course.claim = await parts.claims.note(claim, left=parts.now(), why=action.why)
        elif (
            claim is not None
            and course.driver is not None
            and not isinstance(action, Rest | Release | Leave)
        ):
            course.claim, course.news = await parts.deeds.do(action, course.driver, claim)
            if isinstance(course.news, Observation):
                course.observation = course.news
                parts.deeds.notes(claim.key).polls += 1

    async def _observe(self, course: Course) -> None:
        """Say that the newest spec was seen, if nothing else had to be said."""
        status = course.reading.status
        if status is not None and status.observed_generation != course.reading.generation:
            await self._write(course, Tell(status.standing))

    async def _tell(self, course: Course, tell: Tell) -> None:
        """Write the status; what only says the same in other words, not too often."""
        course.standing = tell.standing
        if self._worth(course.reading, tell):
            await self._write(course, tell)

    async def _write(self, course: Course, tell: Tell) -> None:
        found, parts = course.reading, self._parts
        handle = course.claim.handle if course.claim is not None else None
        status = account.status(
            found, tell, parts.now(), handle=handle, observation=course.observation
        )
        written = await parts.cluster.write_status(
            found.key, status, resource_version=found.version
        )
        if course.claim is not None:
            parts.deeds.notes(course.claim.key).polls = 0
        course.reading = dataclasses.replace(
            parts.catalogue.read(written), work=found.work, hindrance=found.hindrance
        )
        if not found.ended:
            await self._hit(tell, first=found.status is None, named=not found.told and bool(handle))
        self.census.seen(found.key, found.driver, str(tell.standing.phase))
        await parts.herald.told(found, tell, parts.now())
        await parts.told(written)

    def _worth(self, found: Reading, tell: Tell) -> bool:
        plain = tell.result is None and not tell.uncollected and tell.ended is None
        if not plain or not account.quiet(found.status, tell.standing):
            return True
        return self._parts.herald.due(found.key, self._parts.now())

    async def _hit(self, tell: Tell, *, first: bool, named: bool) -> None:
        if first:
            await self._parts.hit(failpoints.CREATED)
        elif tell.standing.terminal:
            await self._parts.hit(failpoints.FINISHED)
        elif named:
            await self._parts.hit(failpoints.TOLD)


def _named(operator: Key) -> str:
    return f"{operator.namespace}/{operator.name}"


def soonest(waits: Sequence[float | None]) -> float | None:
    """The shortest of some times, of which None means never."""
    return min((one for one in waits if one is not None), default=None)
