"""Whether a run may begin: its driver is there, its spec is sound, nothing holds it back, it is its turn."""

from collections.abc import Callable

from interact_api.lifecycle import RunPhase, RunReason
from interact_api.plain import mapping

from interact_controller.external import asked, reading, steps
from interact_controller.external.caps import TOTAL, Candidate, Turn
from interact_controller.external.catalogue import purses
from interact_controller.external.driver import Driver
from interact_controller.external.parts import Course, Parts
from interact_controller.external.reading import Reading
from interact_controller.external.steps import Hindrance
from interact_controller.external.systems import Hindered
from interact_controller.seen import Key


class Admission:
    """Lets runs in.

    Args:
        parts: Everything a look may touch.
        wake: Called with the key of each run that may begin now.
    """

    def __init__(self, parts: Parts, wake: Callable[[Key], None]) -> None:
        self._parts = parts
        self._wake = wake
        self._sound: set[str] = set()

    async def arm(self, course: Course) -> None:
        """Find the driver of a run, and let it in or line it up."""
        found, parts = course.reading, self._parts
        key = reading.key(found.uid, found.attempt)
        begun = course.claim is not None or found.told
        # what was begun goes on without its operator: driver and system stand in the status
        course.hindrance = None if begun and found.driver else found.hindrance
        if course.hindrance is None:
            try:
                course.driver = await parts.systems.driver(
                    found.driver, found.system, None if begun else found.key.namespace
                )
            except Hindered as error:
                course.hindrance = Hindrance(error.reason, str(error))
        if begun:
            self._sound.discard(key)
            parts.caps.hold(key, purses(found.system, found.operator))
            return
        if course.driver is not None and not found.spec.suspend:
            await self._validate(course, course.driver, key)
        later = found.ready is not None and found.ready > parts.now()
        held_back = found.terms.suspend or found.terms.cancel or later
        if course.hindrance is not None or course.problems or held_back:
            self.leave(key)
            return
        parts.caps.wait(candidate(found))
        self._admit(found.key)

    def leave(self, key: str) -> None:
        """An attempt has ended, or does not begin now: others may."""
        self._sound.discard(key)
        self._parts.caps.leave(key)
        self._admit()

    def queue(self, key: str) -> str:
        """What an attempt waits for, for people; empty if for nothing."""
        purse = self._parts.caps.behind(key)
        if purse is None:
            return ""
        limit = self._parts.catalogue.limit(purse)
        whose = "all runs" if purse == TOTAL else f"{purse[0]} {purse[1]!r}"
        return f"the cap of {limit} at once for {whose} is reached; it comes in its turn"

    async def _validate(self, course: Course, driver: Driver, key: str) -> None:
        """Look at the spec once: it does not change, and a driver may have to ask somebody."""
        if key in self._sound:
            return
        unsaid = reading.unsaid(course.reading.work)
        found = unsaid or await self._parts.deeds.validate(
            driver, course.reading.claim(self._parts.now())
        )
        if isinstance(found, steps.Trouble):
            course.hindrance = Hindrance(RunReason.SYSTEM_UNREACHABLE, found.message)
        else:
            course.problems = found
            if not found:
                self._sound.add(key)

    def _admit(self, here: Key | None = None) -> None:
        for one in self._parts.caps.admit():
            if one != here:
                self._wake(one)


def candidate(found: Reading) -> Candidate:
    """The run as one that waits for its turn."""
    about = mapping(found.manifest["metadata"])
    turn = Turn(
        str(about.get("creationTimestamp", "")), asked.turn(found.manifest), found.key.namespace
    )
    return Candidate(
        key=reading.key(found.uid, found.attempt),
        run=found.key,
        turn=turn,
        purses=purses(found.system, found.operator),
    )


def waiting(found: Reading) -> bool:
    """Whether a run may be waiting to begin."""
    return found.phase in {None, RunPhase.CREATED} and not found.spec.suspend
