"""Who works in a run: starting replicas in order, judging deaths, ending everybody in time."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from interact_api.board import Board
from interact_api.operator import Role
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
"""Deaths in a row without progress before a run gives up."""
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

    async def start(self, group: asyncio.TaskGroup) -> None:
        """Start the sources after the others, so that they find somebody to feed."""
        others = [member for member in self.members if not self._record(member).is_source]
        for member in others:
            group.create_task(self._keep(member))
        ready = {"running", "done"}
        await self._until(
            lambda: self.over() or all(self._replica(member).state in ready for member in others),
            time.monotonic() + START_SECONDS,
        )
        if not self.over():
            self.board.sources_started_at = self.board.moved_at = time.monotonic()
            for member in self._sources():
                group.create_task(self._keep(member))

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
        if _took_a_scan_along(record):
            self.give_up(
                Exit.CRASHED,
                f"{name} was {death.how}. What it had gathered could not be kept in checkpoints, as "
                "its warnings say, and is lost; the result would be wrong. Start the run again.",
                tail,
            )
            return False
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
        if death.in_a_row >= MOST_DEATHS:
            self.give_up(
                Exit.CRASHED,
                f"{name} died {death.in_a_row} times in a row without getting anything done; "
                f"the last time it was {death.how}.",
                tail,
            )
            return False
        self.say(f"{name} was {death.how}, starting it again: {death.tail(1)}")
        return True


def _took_a_scan_along(record: OperatorRecord) -> bool:
    """Whether a replica's memory held what no checkpoint does."""
    keeps = record.config.role in {Role.REDUCER, Role.SINK}
    return keeps and record.count("unkept") > 0


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
