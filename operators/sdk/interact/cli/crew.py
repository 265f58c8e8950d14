"""Who works in a run: starting replicas in order, judging deaths, ending everybody in time."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from interact_api.board import Board
from interact_api.records import OperatorRecord, ReplicaRecord

from interact._main import BROKEN, USAGE
from interact.cli.exits import Exit
from interact.cli.plans import LocalPlan
from interact.cli.processes import Death, Member, Processes

START_SECONDS = 10.0
"""Longest wait of the sources for the other processes."""
GRACE_SECONDS = 10.0
"""What processes get to finish what they hold, before they are killed."""
MOST_DEATHS = 5
"""Deaths in a row without progress before a run gives up on a source; see `_most_deaths`."""
QUIET_SECONDS = 2.5
"""How long nothing must be under way until a pipeline is drained; what is pending is asked each second."""
_LOOK_SECONDS = 0.05


@dataclass
class Crew:
    """The replicas of a run and what is known of them.

    Attributes:
        board: What they report.
        members: All of them.
        processes: Their processes.
        over: Whether it is decided that the run ends.
        give_up: Decides it, with the reason.
        say: Tells a person one line.
        impatient: Set it to wait for nobody.
    """

    board: Board
    members: Sequence[Member]
    processes: Processes
    over: Callable[[], bool]
    give_up: Callable[..., None]
    say: Callable[[str], None]
    impatient: bool = False
    suspended: set[str] = field(init=False, default_factory=set[str])
    """Pipelines whose processes were stopped, and may be started again."""
    drained: set[str] = field(init=False, default_factory=set[str])
    """Pipelines whose sources were stopped, and that have finished what was under way."""

    async def start(self, group: asyncio.TaskGroup) -> None:
        """Start the sources after the others, so that they find somebody to feed."""
        self._group = group
        await self._begin(self.members)

    async def _begin(self, members: Sequence[Member]) -> None:
        others = [member for member in members if not self._record(member).is_source]
        for member in others:
            self._group.create_task(self._keep(member))
        ready = {"running", "done"}
        await self._until(
            lambda: self.over() or all(self._replica(member).state in ready for member in others),
            time.monotonic() + START_SECONDS,
        )
        if not self.over():
            self.board.sources_started_at = self.board.moved_at = time.monotonic()
            for member in members:
                if self._record(member).is_source:
                    self._group.create_task(self._keep(member))

    async def suspend(self, pipeline: str) -> bool:
        """Stop a pipeline's processes and keep its streams; whether it was not so already."""
        if pipeline in self.suspended:
            return False
        self.suspended.add(pipeline)
        members = self._of(pipeline)
        self.processes.stop([member for member in members if self._record(member).is_source])
        self.processes.stop(members)
        await self._ended(members)
        return True

    async def resume(self, pipeline: str) -> bool:
        """Start a suspended pipeline's processes again; whether it was suspended."""
        if pipeline not in self.suspended or self.over():
            return False
        members = self._of(pipeline)
        await self._ended(members)
        self.suspended.discard(pipeline)
        self.processes.allow(members)
        await self._begin(members)
        return True

    async def drain(self, pipeline: str) -> None:
        """Stop a pipeline's sources and finish what is under way."""
        members = self._of(pipeline)
        sources = [member for member in members if self._record(member).is_source]
        self.processes.stop(sources)
        await self._ended(sources)
        if pipeline in self.suspended:
            self.suspended.discard(pipeline)
            others = [member for member in members if member not in sources]
            self.processes.allow(others)
            await self._begin(others)
        quiet_since = time.monotonic()
        while not self.over() and time.monotonic() - quiet_since < QUIET_SECONDS:
            await asyncio.sleep(_LOOK_SECONDS)
            if any(record.waiting for record in self.board.of(pipeline)):
                quiet_since = time.monotonic()
        self.drained.add(pipeline)

    async def _ended(self, members: Sequence[Member]) -> None:
        """Wait until replicas that were asked to end have, or are killed for taking too long."""
        until = time.monotonic() + GRACE_SECONDS
        await self._until(lambda: not self.processes.running(members), until)
        killed = self.processes.kill(members)
        if killed:
            self.say(f"{', '.join(killed)} did not end in time and had to be killed")
            await self._until(lambda: not self.processes.running(members), until + GRACE_SECONDS)

    def _of(self, pipeline: str) -> list[Member]:
        return [member for member in self.members if member.pipeline == pipeline]

    async def wind_down(self, *, finish_first: bool) -> None:
        """End all processes: the sources first, so that the others can finish what there is."""
        until = time.monotonic() + GRACE_SECONDS
        sources = self._sources()
        self.processes.stop(sources)
        if finish_first:
            await self._until(lambda: not self.processes.running(sources), until)
            await self._until(self._idle, until - GRACE_SECONDS / 4)
        self.processes.stop(self.members)
        await self._until(lambda: not self.processes.running(self.members), until)
        killed = self.processes.kill()
        if killed:
            self.say(f"{', '.join(killed)} did not end in time and had to be killed")

    def _sources(self) -> list[Member]:
        return [member for member in self.members if self._record(member).is_source]

    def _record(self, member: Member) -> OperatorRecord:
        return self.board.operators[member.pipeline, member.operator]

    def _replica(self, member: Member) -> ReplicaRecord:
        return self._record(member).replicas[member.replica]

    def _idle(self) -> bool:
        return not any(record.waiting for record in self.board.operators.values())

    async def _until(self, holds: Callable[[], bool], until: float) -> None:
        """Look for something that has many causes, until a moment, or a person is impatient."""
        while not holds() and time.monotonic() < until and not self.impatient:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)  # many causes, one look

    async def _keep(self, member: Member) -> None:
        """Run one replica until it is stopped or given up."""
        deaths = 0
        while not self.processes.stopping(member):
            before = self._progress(member)
            status = await self.processes.run(member)
            if self.processes.stopping(member):
                return
            deaths = 1 if self._progress(member) > before else deaths + 1
            if not self._goes_on(Death(member, status, deaths, self.processes.log(member))):
                return
            await self.processes.back_off(member, deaths)

    def _progress(self, member: Member) -> float:
        replica = self._replica(member)
        return replica.count("messages_in") + replica.count("messages_out")

    def _goes_on(self, death: Death) -> bool:
        """Whether a replica that died is started again."""
        record, replica = self._record(death.member), self._replica(death.member)
        replica.die()
        name, tail = death.member.name, f"the end of {death.log}:\n{death.tail()}"
        if death.status == BROKEN:
            self.give_up(Exit.CRASHED, f"{name} has code that cannot be used.", death.tail(1))
            return False
        if death.status == USAGE:
            self.give_up(
                Exit.USAGE,
                f"{name} cannot work with what it was given; started again it would end the same way.",
                death.tail(1),
            )
            return False
        if death.in_a_row >= _most_deaths(record):
            self.give_up(
                Exit.CRASHED,
                f"{name} died {death.in_a_row} times in a row without getting anything done; "
                f"the last time it was {death.how}.",
                tail,
            )
            return False
        self.say(f"{name} was {death.how}, starting it again: {death.tail(1)}")
        return True


def _most_deaths(record: OperatorRecord) -> int:
    """Deaths in a row after which a run gives up: two frames that end their process cost fewer."""
    attempts = max((entry.attempts for entry in record.place.inputs), default=0)
    return MOST_DEATHS + 2 * attempts


def written_members(plan: LocalPlan, code: Mapping[str, Path], folder: Path) -> list[Member]:
    """The replicas to run, each operator's configuration written to a file."""
    members = []
    for (pipeline, operator), config in plan.configs.items():
        file = folder / f"{pipeline}.{operator}.json"
        file.write_text(config.model_dump_json(by_alias=True, indent=1), encoding="utf-8")
        entry = next(o for o in plan.pipelines[pipeline].spec.operators if o.name == operator)
        members += [
            Member(pipeline, operator, number, code[entry.operator_ref.name], file)
            for number in range(plan.replicas[pipeline, operator])
        ]
    return members
