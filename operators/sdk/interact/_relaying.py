"""An external operator in a pipeline: each message becomes a run, and its results go on."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from interact_api import names
from interact_api.config import OperatorConfig
from interact_api.external_asks import Outcome, RunAsk, RunTold
from interact_api.wire import Header

from interact import _external_messages as messages
from interact._batches import Batch
from interact._collecting import covered
from interact._computing import Work
from interact._errors import OperatorError
from interact._external_runs import Runs, runs
from interact._handling import Handling
from interact._jetstream import JetStream
from interact._jetstream._objects import Objects
from interact._jetstream._talking import Talk
from interact._kernel import MOST_WORDS, Done, Failed
from interact._operator import Operator
from interact._ports import Broker, Stored
from interact._signature import Port
from interact._worker import Worker


def operator(config: OperatorConfig) -> Operator:
    """What a process that relays messages runs: it has no code but this."""
    inputs = {entry.port: Port(entry.port, tuple(entry.types)) for entry in config.inputs}
    outputs = {entry.port: Port(entry.port, tuple(entry.types)) for entry in config.outputs}
    unread = {name: Port(name, ("any",)) for name in config.unread_outputs}
    return Operator(
        config.operator, "classic", _never, "Makes external runs of messages.",
        tuple(inputs.values()), (*outputs.values(), *unread.values()), (),
    )  # fmt: skip


def _never(batch: Batch, parameters: dict[str, Any]) -> None:
    raise OperatorError("messages of an external operator become runs; nothing calls it")


class Relaying(Handling):
    """The messages of one relay; several wait for their runs at once.

    Attributes:
        runs: Their runs.
        objects: Takes what is too large for a parameter.
        group: What waits for them.
        wake: Called when one has ended.
    """

    runs: Runs
    objects: Objects
    group: asyncio.TaskGroup
    wake: asyncio.Event

    def open(
        self, runs: Runs, objects: Objects, group: asyncio.TaskGroup, wake: asyncio.Event
    ) -> None:
        """Begin."""
        self.runs, self.objects, self.group, self.wake = runs, objects, group, wake
        self._going: dict[asyncio.Task[None], tuple[Work, RunAsk]] = {}
        self._settling = asyncio.Lock()

    @property
    def full(self) -> bool:
        """Whether no more messages are to be taken now."""
        return len(self._going) >= self.config.most_runs

    async def process(self, works: tuple[Work, ...], tries: int = 1) -> None:
        """One message: a run is asked for, and waited for beside others."""
        entry, delivery, header, batch = works[0]
        if self.obeying.given and self.obeying.drops(entry, batch.scan):
            if delivery.attempt > 1:  # a former life may have asked for its run
                await self.runs.cancel(self._question(header, batch))
            await self.holding.done(delivery)
            return
        given = {entry.port: batch}
        answer = self._answering.to(batch.scan.id, (delivery,))
        lane = entry.source, header.lane
        if self.keeps_ledger and not await self._takes(lane, header, batch, given):
            await answer()
            return
        if self.live.stale(batch.scan.revision):
            await self.live.turn(batch.scan.revision)
        batch = given[entry.port]
        if not len(batch):  # a preview, or frames that are accounted for and not there
            await self._settled_with(works, given, Done(self._outputs(None)), answer)
            return
        question = self._question(header, batch)
        task = self.group.create_task(self._relay(works, given, question, answer))
        self._going[task] = works[0], question
        task.add_done_callback(self._over)

    def _question(self, header: Header, batch: Batch) -> RunAsk:
        return messages.question(self.config.run, header, batch, self.live.values)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._going.pop(task, None)
        self.wake.set()

    async def _relay(
        self, works: tuple[Work, ...], given: dict[str, Batch], question: RunAsk, answer: Stored
    ) -> None:
        since = time.perf_counter()
        told = await self._ended(given[works[0][0].port], question)
        seconds = time.perf_counter() - since
        entry, delivery, header, _ = works[0]
        batch = given[entry.port]
        self.tally.received(
            len(batch), len(delivery.payload), seconds, entry.port, header.time
        )  # fmt: skip
        done = Done(self._outputs(None), (_failure(given, told),))
        if told.outcome is Outcome.COMPLETED:
            done = Done(self._outputs(messages.values(batch, told.results)))
        await self._settled_with(works, given, done, answer)

    async def _ended(self, batch: Batch, question: RunAsk) -> RunTold:
        """How the run of a message ends; its arrays are an object as long as it goes on."""
        if not messages.large(batch):
            return await self.runs.ended(question)
        data = messages.packed(batch)
        if len(data) > messages.LIMIT:
            words = f"the message has {len(data):,} bytes, at most {messages.LIMIT:,} reach a run"
            return RunTold(outcome=Outcome.REFUSED, reason="TooLarge", message=words)
        name = self._object(question)
        await self.runs.stored(self.objects, name, data)
        told = await self.runs.ended(messages.with_input(question, data, self.objects.bucket, name))
        await self.objects.remove(name)
        return told

    def _object(self, question: RunAsk) -> str:
        return f"{self.config.pipeline}/{self.config.operator}/{question.message}.npz"

    def _outputs(self, batch: Batch | None) -> dict[str, Batch | None]:
        return {port.name: batch for port in self.operator.outputs}

    async def _settled_with(
        self, works: tuple[Work, ...], given: dict[str, Batch], done: Done, answer: Stored
    ) -> None:
        """Send what a message became; one after the other, as letters tell of one message."""
        entry, _, header, batch = works[0]
        async with self._settling:
            self.letters.works = works
            if done.failed:
                await self._failures.keep(header, batch, done.failed)
            elif len(batch):
                self._failures.none()
            if self.keeps_ledger and batch.stop > batch.start:
                lane = entry.source, header.lane
                self._collecting.mark(lane, covered(batch, done.failed), header.edition)
                self.look_done()
                answer = self.unstored.until(answer)
            await self._sending.send(works, given, done, answer)

    async def obey(self) -> None:
        """Somebody has ordered something about scans: runs of those that are dropped are given up."""
        for task, (work, question) in list(self._going.items()):
            if self.obeying.drops(work[0], work[3].scan):
                task.cancel()
                await self.runs.cancel(question)
                if messages.large(work[3]):
                    await self.objects.remove(self._object(question))
                await self.holding.done(work[1])
        await super().obey()

    def forget(self) -> None:
        """What waits for its run is handed back; the run goes on, and is found again."""
        for task in list(self._going):
            task.cancel()
        super().forget()


class Relay(Worker):
    """One replica that relays messages."""

    def _handles(self, broker: Broker, replica: int) -> Handling:
        self.relaying = Relaying(
            self.operator, self.config, broker, self.tally, self.live, self._guards, replica
        )
        return self.relaying

    async def run(self) -> None:
        """Work until stopped."""
        broker = self._broker
        if not isinstance(broker, JetStream):
            raise TypeError(f"a relay asks over NATS, not over {type(broker).__name__}")
        async with (
            runs(self.config, Talk(broker), self.tally) as made,
            asyncio.TaskGroup() as group,
        ):
            objects = Objects(
                broker, names.messages_bucket(self.config.namespace, self.config.pipeline)
            )
            self.relaying.open(made, objects, group, self._wake)
            try:
                await super().run()
            finally:
                self.relaying.forget()

    async def _drain(self) -> bool:
        """Take messages while there is room for their runs; whether there was one."""
        came = False
        for entry, inlet in self._inlets.open:
            if self.relaying.full:
                break
            delivery = await inlet.take()
            if delivery is not None:
                came = True
                await self.relaying.handle(entry, delivery)
        return came


def _failure(given: dict[str, Batch], told: RunTold) -> Failed:
    words = ": ".join(filter(None, (f"ExternalRun {told.name} {told.phase}".strip(), told.reason, told.message)))  # fmt: skip
    return Failed(given, words[:MOST_WORDS], "", "external")
