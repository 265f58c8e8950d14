"""A local run: streams, processes, reports, and the decision that it is over."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from interact import _jetstream, _pictures
from interact._errors import BrokerError
from interact.cli.board import Board
from interact.cli.exits import Exit
from interact.cli.plans import LocalPlan
from interact.cli.processes import MOST_DEATHS, Death, Member, Processes
from interact.cli.stalls import explanation
from interact_api import names, report
from interact_api.operator import Role

START_SECONDS = 10.0
"""Longest wait of the sources for the other processes."""
GRACE_SECONDS = 10.0
"""What processes get to finish what they hold, before they are killed."""
NATS_SECONDS = 30.0
"""Longest a lost connection is waited for."""
JUDGE_SECONDS = 0.05
POLL_SECONDS = 1.0
PICTURE_SECONDS = 2.0


@dataclass(frozen=True)
class Ending:
    """How a run ends, and what to tell about it."""

    code: Exit
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Options:
    """What a run was asked for beside its pipelines."""

    folder: Path
    logs: Path
    code: dict[str, Path]
    stall_seconds: float = 60.0
    duration_seconds: float | None = None
    images: Path | None = None
    keep: bool = False


@dataclass
class Run:
    """One run from its streams to its verdict.

    Attributes:
        plan: What to run.
        options: How.
        nats_url: The server.
        token_file: A file with the token it asks for, if it does.
        server_alive: Whether the server runs, where it is ours.
        say: Tells a person one line.
    """

    plan: LocalPlan
    options: Options
    nats_url: str
    token_file: Path | None
    server_alive: Callable[[], bool]
    say: Callable[[str], None]
    board: Board = field(init=False)
    pictures: dict[str, list[Path]] = field(init=False, default_factory=dict)
    started_at: float = field(init=False, default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.board = Board(self.plan.configs, self.plan.replicas)
        self._galleries: dict[str, _pictures.Gallery] = {}
        self._members = _members(self.plan, self.options)
        self._lost_at: float | None = None

    async def play(self) -> Ending:
        """Run the pipelines to their end.

        Raises:
            BrokerError: If NATS cannot be reached or refuses a stream.
        """
        token = self.token_file.read_text(encoding="utf-8").strip() if self.token_file else None
        self._outcome: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        async with (
            _jetstream.connect(self.nats_url, name="interact run", token=token) as broker,
            self._streams(broker),
        ):
            for name in self.plan.plans:
                await self._watch(broker, name)
            self._processes = self._crew()
            with _signals(self._interrupted):
                async with asyncio.TaskGroup() as group:
                    chores = [
                        group.create_task(chore)
                        for chore in (self._judge(broker), self._poll(broker), self._draw(broker))
                    ]
                    group.create_task(self._start(group))
                    ending = await self._outcome
                    await self._wind_down(broker, ending)
                    for chore in chores:
                        chore.cancel()
            await self._save_pictures(broker)
        return ending

    def end(self, code: Exit, *lines: str) -> None:
        """Decide how the run ends; the first word counts."""
        if not self._outcome.done():
            self._outcome.set_result(Ending(code, lines))

    # -- streams ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def _streams(self, broker: _jetstream.JetStream) -> AsyncIterator[None]:
        """Everything the plans say, made before any process starts, removed at the end."""
        made: list[str] = []
        try:
            for name, plan in self.plan.plans.items():
                for stream in plan.streams:
                    await broker.make(stream)
                    made.append(stream.name)
                await broker.make_bucket(plan.bucket)
                made.append(f"KV_{plan.bucket.name}")
                values = json.dumps(self.plan.parameters(name)).encode()
                await broker.put(plan.bucket.name, _pictures.PARAMETERS_KEY, values)
            yield
        finally:
            if not self.options.keep:
                for stream_name in made:
                    with suppress(Exception):  # the server may be the reason of the end
                        await broker.context.delete_stream(stream_name)

    async def _watch(self, broker: _jetstream.JetStream, pipeline: str) -> None:
        async def heard(payload: bytes, subject: str) -> None:
            del subject
            with suppress(msgspec.MsgspecError):
                self.board.hear(pipeline, report.decode(payload), time.monotonic())

        for config in self.plan.plans[pipeline].operators.values():
            await broker.watch(f"{config.status_subject}.*", heard)
        await broker.flush()

    # -- processes --------------------------------------------------------------------------------

    def _crew(self) -> Processes:
        variables = {"INTERACT_NATS_URL": self.nats_url}
        if self.token_file is not None:
            variables["INTERACT_NATS_TOKEN_FILE"] = str(self.token_file)
        return Processes(self.options.logs, variables, self._died, self._progress)

    async def _start(self, group: asyncio.TaskGroup) -> None:
        """Start the sources after the others, so that they find somebody to feed."""
        sources = [member for member in self._members if self._role(member) is Role.SOURCE]
        others = [member for member in self._members if member not in sources]
        for member in others:
            group.create_task(self._processes.keep(member))
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and not self._outcome.done():
            states = [self._replica(member).state for member in others]
            if all(state in {"running", "done"} for state in states):
                break
            await asyncio.sleep(JUDGE_SECONDS)
        if not self._outcome.done():
            self.board.sources_started_at = self.board.moved_at = time.monotonic()
            for member in sources:
                group.create_task(self._processes.keep(member))

    def _role(self, member: Member) -> Role:
        return self.board.operators[member.pipeline, member.operator].config.role

    def _replica(self, member: Member):  # type: ignore[no-untyped-def]
        return self.board.operators[member.pipeline, member.operator].replicas[member.replica]

    def _progress(self, member: Member) -> float:
        replica = self._replica(member)
        return float(replica.count("messages_in") + replica.count("messages_out"))

    def _died(self, death: Death) -> bool:
        """Whether a replica that died is started again."""
        member, role = death.member, self._role(death.member)
        config = self.board.operators[member.pipeline, member.operator].config
        replica = self._replica(member)
        was = replica.state
        replica.die()
        holds = role is Role.REDUCER or (role is Role.SINK and not config.parallel)
        if holds and was != "starting" and self.board.sources_started_at is not None:
            self.end(
                Exit.CRASHED,
                f"{member.name} was {death.how} while a scan was under way. What it had gathered was "
                f"in its memory and is lost, so the result would be wrong; start the run again.",
                f"the end of {death.log}:\n{death.tail()}",
            )
            return False
        if death.in_a_row >= MOST_DEATHS:
            self.end(
                Exit.CRASHED,
                f"{member.name} died {death.in_a_row} times in a row without getting anything done; "
                f"the last time it was {death.how}.",
                f"the end of {death.log}:\n{death.tail()}",
            )
            return False
        self.say(f"{member.name} was {death.how}, starting it again: {death.tail(1)}")
        return True

    async def _wind_down(self, broker: _jetstream.JetStream, ending: Ending) -> None:
        """End all processes: the sources first, so that the others can finish what there is."""
        until = time.monotonic() + GRACE_SECONDS
        sources = [member for member in self._members if self._role(member) is Role.SOURCE]
        self._processes.stop(sources)
        if ending.code is Exit.INTERRUPTED or ending.lines == _TIME_IS_UP:
            await self._until(lambda: not self._processes.running(sources), until)
            await self._until(lambda: not self._under_way(), until - GRACE_SECONDS / 4)
        self._processes.stop(self._members)
        await self._until(lambda: not self._processes.running(self._members), until)
        killed = self._processes.kill()
        if killed:
            self.say(
                f"{', '.join(killed)} did not end within {GRACE_SECONDS:g} s and had to be killed"
            )

    def _under_way(self) -> int:
        return sum(record.waiting for record in self.board.operators.values())

    async def _until(self, holds: Callable[[], bool], until: float) -> None:
        """Wait for something, no longer than until a moment, or a second interrupt."""
        while not holds() and time.monotonic() < until and not self._impatient:
            await asyncio.sleep(JUDGE_SECONDS)

    _impatient = False

    def _interrupted(self) -> None:
        if self._outcome.done():
            self._impatient = True
        self.end(Exit.INTERRUPTED, "interrupted; finishing what is under way")

    # -- chores -----------------------------------------------------------------------------------

    async def _judge(self, broker: _jetstream.JetStream) -> None:
        """Look, often, whether the run is over."""
        while not self._outcome.done():
            await asyncio.sleep(JUDGE_SECONDS)
            now = time.monotonic()
            if all(self.board.done(name) for name in self.board.pipelines):
                self.end(Exit.COMPLETE)
            elif not self._connected(broker, now):
                self.end(
                    Exit.NO_NATS, f"NATS at {self.nats_url} is gone; what its streams held is lost"
                )
            elif self._time_is_up(now):
                self.end(Exit.COMPLETE, *_TIME_IS_UP)
            elif self.board.sources_started_at is not None and self._stalled(now):
                self.end(Exit.STALLED, *explanation(self.board, now - self.board.moved_at))

    def _connected(self, broker: _jetstream.JetStream, now: float) -> bool:
        if broker.client.is_connected:
            self._lost_at = None
        elif self._lost_at is None:
            self._lost_at = now
        return self.server_alive() and (self._lost_at is None or now - self._lost_at < NATS_SECONDS)

    def _time_is_up(self, now: float) -> bool:
        started, limit = self.board.sources_started_at, self.options.duration_seconds
        return limit is not None and started is not None and now - started > limit

    def _stalled(self, now: float) -> bool:
        """Whether nothing moved; what is held may only be given again after its ack wait."""
        limit = self.options.stall_seconds
        held = [
            entry.ack_wait_seconds
            for record in self.board.operators.values()
            for entry in record.config.inputs
            if record.pending.get((entry.stream, entry.durable), (0, 0))[1]
        ]
        return now - self.board.moved_at > max([limit, *(1.5 * wait for wait in held)])

    async def _poll(self, broker: _jetstream.JetStream) -> None:
        """Ask what is pending at every consumer, upstream first."""
        while True:
            for name, plan in self.plan.plans.items():
                pending = {
                    operator: {
                        (entry.stream, entry.durable): await broker.pending(
                            entry.stream, entry.durable
                        )
                        for entry in config.inputs
                        if entry.durable
                    }
                    for operator, config in plan.operators.items()
                }
                self.board.poll(name, pending, time.monotonic())
            self.board.sample(time.monotonic())
            await asyncio.sleep(POLL_SECONDS if not self._outcome.done() else JUDGE_SECONDS * 4)

    async def _draw(self, broker: _jetstream.JetStream) -> None:
        while self.options.images is not None:
            await asyncio.sleep(PICTURE_SECONDS)
            with suppress(BrokerError, TimeoutError):
                await self._save_pictures(broker)

    async def _save_pictures(self, broker: _jetstream.JetStream) -> None:
        """Write the pictures that changed."""
        if self.options.images is None:
            return
        several = len(self.plan.plans) > 1
        for name in self.plan.plans:
            folder = self.options.images / name if several else self.options.images
            gallery = self._galleries.setdefault(
                name, _pictures.Gallery(folder, self.plan.parameters(name))
            )
            stream = names.images_stream(self.plan.namespace, name)
            self.pictures[name] = await gallery.update(broker, stream)


_TIME_IS_UP = ("the time given by --duration is up; finishing what is under way",)


def _members(plan: LocalPlan, options: Options) -> list[Member]:
    """The replicas to run, each with its configuration written down."""
    members = []
    for (pipeline, operator), config in plan.configs.items():
        file = options.folder / f"{pipeline}.{operator}.json"
        file.write_text(config.model_dump_json(by_alias=True, indent=1), encoding="utf-8")
        entry = next(o for o in plan.pipelines[pipeline].spec.operators if o.name == operator)
        code = options.code[entry.operator_ref.name]
        members += [
            Member(pipeline, operator, number, code, file)
            for number in range(plan.replicas[pipeline, operator])
        ]
    return members


class _signals:  # noqa: N801  # reads as a with-statement
    """Call back on SIGINT and SIGTERM instead of ending."""

    def __init__(self, called: Callable[[], None]) -> None:
        self._called = called

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._called)

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
