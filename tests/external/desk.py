"""Another system in memory: it outlives the controllers that use it, and counts what is on it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from interact_api.conditions import Reason
from interact_api.external import Handle, Observation, OperatorResult, Repeat, Run, State
from interact_api.external_system import ExternalSystemSpec
from interact_api.problem import Problem
from interact_controller.external.driver import Ambiguous, Driver, ExternalError, Refused

ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.LOST})


@dataclass
class Job:
    """One piece of work."""

    number: int
    key: str
    state: State = State.RUNNING
    reason: str | None = None


@dataclass
class Desk:
    """The other system.

    Attributes:
        jobs: Everything that was ever submitted, in order.
        most: Most jobs that were on it at once.
        says: What happens in the next calls, by verb: an error is raised, an observation answered.
        polls: How many checks a job takes to end by itself; None for never.
    """

    jobs: list[Job] = field(default_factory=list[Job])
    most: int = 0
    says: dict[str, list[object]] = field(default_factory=dict[str, list[object]])
    polls: int | None = 1
    asked: list[str] = field(default_factory=list[str])
    away: bool = False
    credentials: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])
    _checked: dict[int, int] = field(default_factory=dict[int, int])

    def say(self, verb: str, *what: object) -> None:
        """What the next calls of a verb come to."""
        self.says.setdefault(verb, []).extend(what)

    def of(self, key: str) -> list[Job]:
        """The jobs with a key."""
        return [one for one in self.jobs if one.key == key]

    @property
    def busy(self) -> int:
        """How many jobs go on."""
        return sum(one.state not in ENDED for one in self.jobs)

    def make(self, key: str) -> Job:
        """A new job."""
        made = Job(len(self.jobs) + 1, key)
        self.jobs.append(made)
        self.most = max(self.most, self.busy)
        return made

    def turn(self, verb: str) -> object:
        """What a call comes to; raises what it was told to raise."""
        self.asked.append(verb)
        if self.away:
            raise ExternalError("the desk is away")
        said = self.says.get(verb)
        found = said.pop(0) if said else None
        if isinstance(found, Exception):
            raise found
        return found

    def looked(self, job: Job) -> None:
        """A check of a job was made."""
        count = self._checked[job.number] = self._checked.get(job.number, 0) + 1
        if self.polls is not None and count >= self.polls and job.state not in ENDED:
            job.state = State.SUCCEEDED


class DeskDriver:
    """A driver of the desk."""

    call_seconds = 0.2

    def __init__(self, desk: Desk, repeat: Repeat) -> None:
        self._desk = desk
        self.repeat = repeat

    async def validate(self, run: Run) -> list[Problem]:
        """Refuses a parameter of one name."""
        if "wrong" in run.parameters:
            return [Problem("parameters.wrong", Reason.INVALID_PARAMETER, "remove it")]
        return []

    async def prepare(self, run: Run) -> Handle:
        """Where it will be."""
        self._desk.turn("prepare")
        return Handle(data={"key": run.key})

    async def submit(self, run: Run, handle: Handle) -> Handle:
        """A job; a repeated key is the same one where the desk honours keys."""
        told = self._desk.turn("submit")
        there = self._desk.of(run.key)
        honoured = self.repeat is Repeat.IDEMPOTENT and there
        job = there[0] if honoured else self._desk.make(run.key)
        if told == "lost":
            raise Ambiguous("the line broke after it was sent")
        return handle.submitted(str(job.number))

    async def lookup(self, run: Run) -> Handle | None:
        """By key, where the desk can."""
        self._desk.turn("lookup")
        there = self._desk.of(run.key)
        if self.repeat is not Repeat.LOOKUP or not there:
            return None
        return Handle(data={"key": run.key}).submitted(str(there[0].number))

    async def check(self, handle: Handle) -> Observation:
        """As it stands."""
        told = self._desk.turn("check")
        if isinstance(told, Observation):
            return told
        job = self._job(handle)
        self._desk.looked(job)
        return Observation(state=job.state, reason=job.reason)

    async def collect(self, handle: Handle) -> OperatorResult:
        """What it found."""
        self._desk.turn("collect")
        return OperatorResult(results={"number": self._job(handle).number})

    async def cancel(self, handle: Handle) -> bool:
        """At once, unless told otherwise."""
        if self._desk.turn("cancel") is False:
            return False
        job = self._job(handle)
        if job.state not in ENDED:
            job.state = State.CANCELLED
        return True

    def _job(self, handle: Handle) -> Job:
        return self._desk.jobs[int(handle.external_id) - 1]


def maker(
    desk: Desk, repeat: Repeat = Repeat.LOOKUP
) -> Callable[[ExternalSystemSpec | None, Mapping[str, str]], Driver]:
    """Makes drivers of a desk."""

    def make(spec: ExternalSystemSpec | None, credentials: Mapping[str, str]) -> Driver:
        desk.credentials.append(dict(credentials))
        return DeskDriver(desk, repeat)

    return make


def refused(message: str = "it is full of errors") -> Refused:
    """What a desk that will never take it says."""
    return Refused(Problem("parameters", Reason.INVALID_PARAMETER, message))
