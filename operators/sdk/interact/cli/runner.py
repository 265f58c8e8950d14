"""A local run: streams, processes, reports, and the decision that it is over."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from interact_api import names, report
from interact_api.board import Board

from interact import _jetstream, _live_values, _pictures, _server
from interact._errors import InteractError
from interact._tasks import wanted
from interact.cli import as_resource, presence, troubles
from interact.cli.control import Action, Answer, Control
from interact.cli.crew import Crew, written_members
from interact.cli.exits import Exit
from interact.cli.plans import LocalPlan
from interact.cli.processes import Processes
from interact.cli.specification import Specification
from interact.cli.stalls import explanation

SLOW_START_SECONDS = 30.0
"""Least time the processes of sources get to start before that is a stall."""
NATS_SECONDS = 30.0
"""Longest a lost connection is waited for."""
JUDGE_SECONDS = 0.05
POLL_SECONDS = 1.0
LAST_POLL_SECONDS = 0.2
"""Between polls while only what is under way is waited for."""
PICTURE_SECONDS = 0.5


@dataclass(frozen=True)
class Ending:
    """How a run ends, and what to tell about it."""

    code: Exit
    lines: tuple[str, ...] = ()
    finish_first: bool = False
    """Whether what is under way is finished after the sources have stopped."""


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
    stay: bool = False


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
    letters: dict[str, int] = field(init=False, default_factory=dict)
    """Dead letters that were left at the end, by pipeline; empty where nobody could look."""

    def __post_init__(self) -> None:
        self.board = Board(self.plan.configs, self.plan.replicas)
        self.specifications = {
            name: Specification(pipeline, self.plan.operators, self.plan.parameters(name))
            for name, pipeline in self.plan.pipelines.items()
        }
        self._galleries: dict[str, _pictures.Gallery] = {}
        self._crew: Crew
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
            crew = self._crew = self._made_crew()
            with presence.shown(self._presence(token)), _signals(lambda: self._interrupted(crew)):
                async with asyncio.TaskGroup() as group, self._controlled(broker):
                    chores = [
                        group.create_task(chore)
                        for chore in (
                            self._judge(broker),
                            self._poll(broker),
                            self._draw(broker),
                            troubles.watch(broker, self.board, self.plan.plans),
                        )
                    ]
                    group.create_task(crew.start(group))
                    ending = await self._outcome
                    crew.impatient = crew.impatient or ending.code is Exit.NO_NATS
                    await crew.wind_down(finish_first=ending.finish_first)
                    for chore in chores:
                        chore.cancel()
            if broker.client.is_connected:
                await troubles.look(broker, self.board, self.plan.plans)
            with suppress(InteractError):
                for name in self.plan.plans:
                    stream = names.dead_letter_stream(self.plan.namespace, name)
                    self.letters[name] = await _jetstream.count(broker.context, stream)
            return await self._with_pictures(broker, ending)

    def end(self, code: Exit, *lines: str, finish_first: bool = False) -> None:
        """Decide how the run ends; the first word counts."""
        if not self._outcome.done():
            self._outcome.set_result(Ending(code, lines, finish_first))

    def _presence(self, token: str | None) -> presence.Presence:
        return presence.Presence(
            self.plan.namespace, tuple(self.plan.plans), self.nats_url, token or ""
        )

    def _made_crew(self) -> Crew:
        variables = {"INTERACT_NATS_URL": self.nats_url}
        if self.token_file is not None:
            variables["INTERACT_NATS_TOKEN_FILE"] = str(self.token_file)
        processes = Processes(self.options.logs, variables)
        members = written_members(self.plan, self.options.code, self.options.folder)
        return Crew(
            self.board, members, processes, self._outcome.done,
            self.end, self.say,
        )  # fmt: skip

    def _interrupted(self, crew: Crew) -> None:
        if self._outcome.done():
            crew.impatient = True
        if self.options.stay and self._all_done():
            self.end(Exit.COMPLETE, finish_first=True)
        self.end(Exit.INTERRUPTED, "interrupted; finished what was under way", finish_first=True)

    # -- what other commands ask for --------------------------------------------------------------

    @asynccontextmanager
    async def _controlled(self, broker: _jetstream.JetStream) -> AsyncIterator[None]:
        """Let other commands of this machine change the pipelines while the block lasts."""
        async with AsyncExitStack() as stack:
            for name, plan in self.plan.plans.items():
                control = Control(
                    self.specifications[name], self.plan.namespace, plan.bucket.name, broker,
                    self.board, self._actions(name),
                )  # fmt: skip
                await stack.enter_async_context(control.open())
            yield

    def _actions(self, name: str) -> dict[str, Action]:
        crew = self._crew

        async def look(_: Mapping[str, Any]) -> Answer:
            specification = self.specifications[name]
            phase = "Suspended" if name in crew.suspended else "Running"
            found = as_resource.resource(self.board, specification, self.plan.namespace, phase)
            kinds = {
                one.name: self.plan.operators[one.operator_ref.name].to_object()
                for one in self.plan.pipelines[name].spec.operators
            }
            return {"state": "applied", "resource": found, "operators": kinds}

        async def suspend(_: Mapping[str, Any]) -> Answer:
            return {"state": "applied", "changed": await crew.suspend(name)}

        async def resume(_: Mapping[str, Any]) -> Answer:
            return {"state": "applied", "changed": await crew.resume(name)}

        async def drain(_: Mapping[str, Any]) -> Answer:
            await crew.drain(name)
            return {"state": "applied", "changed": True}

        return {"look": look, "suspend": suspend, "resume": resume, "drain": drain}

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
                document = self.specifications[name].document
                await broker.put(plan.bucket.name, _live_values.KEY, document)
            yield
        finally:
            if not self.options.keep and broker.client.is_connected:
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

    # -- chores -----------------------------------------------------------------------------------

    def _all_done(self) -> bool:
        return all(self._done(name) for name in self.board.pipelines)

    async def _judge(self, broker: _jetstream.JetStream) -> None:
        """Look, often, whether the run is over."""
        while wanted() and not self._outcome.done():
            await asyncio.sleep(JUDGE_SECONDS)
            now = time.monotonic()
            if self._crew.suspended:
                self.board.moved_at = now
            if self._all_done():
                self.board.moved_at = now
                if not self.options.stay:
                    self.end(Exit.COMPLETE)
            elif not self._connected(broker, now):
                self.end(
                    Exit.NO_NATS,
                    f"NATS at {_server.shown(self.nats_url)} is gone; what its streams held is lost",
                )
            elif self._time_is_up(now):
                self.end(Exit.COMPLETE, "the time given by --duration is up", finish_first=True)
            elif self.board.sources_started_at is not None and self._stalled(now):
                self.end(Exit.STALLED, *explanation(self.board, now - self.board.moved_at))

    def _done(self, pipeline: str) -> bool:
        return self.board.done(pipeline) or pipeline in self._crew.drained

    def _connected(self, broker: _jetstream.JetStream, now: float) -> bool:
        if broker.client.is_connected:
            self._lost_at = None
        elif self._lost_at is None:
            self._lost_at = now
        return self.server_alive() and (self._lost_at is None or now - self._lost_at < NATS_SECONDS)

    def _time_is_up(self, now: float) -> bool:
        started, limit = self.board.sources_ran_at, self.options.duration_seconds
        return limit is not None and started is not None and now - started > limit

    def _stalled(self, now: float) -> bool:
        """Whether nothing moved; what is held may only be given again after its ack wait."""
        limit = self.options.stall_seconds
        if self.board.sources_ran_at is None:
            limit = max(limit, SLOW_START_SECONDS)
        held = [
            entry.ack_wait_seconds
            for record in self.board.operators.values()
            for entry in record.place.inputs
            if record.pending.get((entry.stream, entry.durable), (0, 0))[1]
        ]
        return now - self.board.moved_at > max([limit, *(1.5 * wait for wait in held)])

    async def _poll(self, broker: _jetstream.JetStream) -> None:
        """Ask what is pending at every consumer, upstream first."""
        while wanted():
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
            near_the_end = all(map(self.board.sources_done, self.board.pipelines))
            hurry = near_the_end or self._outcome.done()
            await asyncio.sleep(LAST_POLL_SECONDS if hurry else POLL_SECONDS)

    async def _draw(self, broker: _jetstream.JetStream) -> None:
        while wanted() and self.options.images is not None:
            await asyncio.sleep(PICTURE_SECONDS)
            with suppress(InteractError, OSError):  # what lasts is told at the end
                await self._save_pictures(broker)

    async def _with_pictures(self, broker: _jetstream.JetStream, ending: Ending) -> Ending:
        """Save the last pictures; an ending that says so where that fails."""
        try:
            await self._save_pictures(broker)
        except (_pictures.PictureError, OSError) as error:
            words = (
                f"the pictures cannot be saved: {error}; make room, or name another --images DIR"
            )
            code = Exit.USAGE if ending.code is Exit.COMPLETE else ending.code
            return Ending(code, (*ending.lines, words))
        return ending

    async def _save_pictures(self, broker: _jetstream.JetStream) -> None:
        """Write the pictures that changed."""
        if self.options.images is None or not broker.client.is_connected:
            return
        several = len(self.plan.plans) > 1
        for name in self.plan.plans:
            folder = self.options.images / name if several else self.options.images
            values = self.specifications[name].values
            gallery = self._galleries.setdefault(name, _pictures.Gallery(folder, values))
            gallery.parameters = values
            stream = names.images_stream(self.plan.namespace, name)
            self.pictures[name] = await gallery.update(broker, stream)


_ASKING_TO_END = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _signals:  # noqa: N801  # reads as a with-statement
    """Call back when asked to end, instead of ending."""

    def __init__(self, called: Callable[[], None]) -> None:
        self._called = called

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _ASKING_TO_END:
            loop.add_signal_handler(number, self._called)

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in _ASKING_TO_END:
            loop.remove_signal_handler(number)
