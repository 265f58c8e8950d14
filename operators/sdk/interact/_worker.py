"""Operators with inputs: take messages and have them handled, until stopped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import Any

from interact_api.config import InputConfig, OperatorConfig

from interact import _later
from interact._computing import Guards
from interact._handling import Handling
from interact._in_effect import Live
from interact._inlets import Inlets
from interact._kernel import Kernel
from interact._operator import Operator
from interact._orders import Orders
from interact._outlet import Outlet
from interact._ports import Broker
from interact._tally import Tally
from interact._tasks import wanted
from interact._triggers import Triggers

YIELD_SECONDS = 0.001
"""Work between two turns of the event loop: one costs as much as a small message."""
TEND_SECONDS = 0.5
FLUSH_SECONDS = 5.0
"""Longest wait, at the end, for what was sent to be stored; then its input is handed back."""


class Worker:
    """One replica of an operator that has inputs."""

    def __init__(
        self,
        operator: Operator,
        config: OperatorConfig,
        broker: Broker,
        tally: Tally,
        replica: int = 0,
        live: Live | None = None,
        guards: Guards | None = None,
    ) -> None:
        self.operator = operator
        self.config = config
        self.tally = tally
        self._wake = asyncio.Event()
        self.live = live or Live(operator, config, tally)
        self.live.heard = self._wake.set
        self._guards = guards or Guards()
        self.handling = self._handles(broker, replica)
        self.live.use = self._use
        self._inlets = Inlets(config, broker, self._wake.set, operator.streamed)
        self._broker = broker
        self._stop = asyncio.Event()
        self._triggers: Triggers | None = None

    def _handles(self, broker: Broker, replica: int) -> Handling:
        """What becomes of its messages."""
        return Handling(
            self.operator, self.config, broker, self.tally, self.live, self._guards, replica
        )

    @property
    def kernel(self) -> Kernel:
        """What is called with each message."""
        return self.handling.kernel

    @property
    def outlet(self) -> Outlet:
        """Where its outputs go."""
        return self.handling.outlet

    def obey(self, orders: Orders) -> None:
        """Carry out what people order about scans."""
        self.handling.obeying.follow(orders, self._wake)

    def hear(self, triggers: Triggers) -> None:
        """Execute triggers between two messages."""
        self._triggers, triggers.wake = triggers, self._wake.set
        calling, reducing = triggers.calling, self.handling.reducing
        calling.guard = self._guarded
        if reducing is None:
            calling.given = lambda: self.kernel.resources
        else:
            calling.given = lambda: (reducing.reducer, reducing.states)
            calling.after = reducing.show_again

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """What a trigger does is ended as a kernel is, where it takes too long."""
        watchdog = self._guards.watchdog
        if watchdog is not None:
            watchdog.begin(alone=True)
        try:
            yield
        finally:
            if watchdog is not None:
                watchdog.end()

    def stop(self) -> None:
        """Fetch no more, finish what is in the kernel, hand back the rest."""
        self._stop.set()
        self._wake.set()

    def _use(self, values: Mapping[str, Any], revision: int) -> None:
        self.handling.use(values, revision)

    async def run(self) -> None:
        """Work until stopped."""
        handling = self.handling
        if handling.keeping is not None:
            await handling.keeping.restore()
        await handling.attempts.restore()
        async with AsyncExitStack() as stack:
            for entry in self.config.inputs:
                if entry.join == "latest":
                    heard = partial(self._side, entry)
                    await stack.enter_async_context(
                        self._broker.follow(entry.stream, entry.subject, heard)
                    )
            stack.push_async_callback(self._inlets.stop)
            await self._inlets.start()
            self.tally.state = "running"
            handling.look_done()
            stack.push_async_callback(handling.holding.hand_back)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._beat()), group.create_task(self._tend())]
                try:
                    await self._work()
                    await self._let_go()
                finally:
                    for task in tasks:
                        task.cancel()

    async def _side(self, entry: InputConfig, payload: bytes) -> None:
        await self.handling.side(entry, payload)
        self._wake.set()

    async def _work(self) -> None:
        handling, breaker = self.handling, self.handling.breaker
        later, ordering, keeping = handling.later, handling.ordering, handling.keeping
        while not self._stop.is_set():
            self._wake.clear()
            if self._triggers is not None and self._triggers.waiting:
                await self._triggers.run()
            if breaker.open:
                await self._broken()
                continue
            if handling.obeying.waiting:
                await handling.obey()
            task = later.due()
            if task is not None:
                await handling.process(task[0], task[1] + 1)
            turn = ordering is not None and bool(ordering.ready) and not later
            if turn:
                await handling.go_on()
            came = False
            if len(later) < (_later.MOST if ordering is None else 1):
                came = await self._drain()
            if keeping is not None and keeping.due:
                await keeping.checkpoint()
            if time.perf_counter() > handling.holding.due:
                await handling.holding.beat(inlet for _, inlet in self._inlets.open)
            if came or turn or task is not None:
                await asyncio.sleep(0)
            else:
                await self.live.rest(over=self.tally.state == "done")
                await self._rest()

    async def _drain(self) -> bool:
        """Handle what has come, until others have their turn; whether there was something.

        What may stop this meanwhile is there after a message, or comes with a turn of the event loop
        and wakes.
        """
        handling, breaker, woken = self.handling, self.handling.breaker, self._wake.is_set
        later, keeping, needed = handling.later, handling.keeping, handling.kernel.needed
        now = began = time.perf_counter()
        while True:
            came = False
            for entry, inlet in self._inlets.open:
                if needed and handling.kernel.waiting_for:
                    break
                delivery = await inlet.take()
                if delivery is not None:
                    came = True
                    since = time.perf_counter()
                    await handling.handle(entry, delivery)
                    del delivery  # before the next is put together
                    now = time.perf_counter()
                    inlet.pace(now - since)
            if not came:
                return now > began
            if now - began > YIELD_SECONDS or later or breaker.open or woken():
                return True
            if keeping is not None and keeping.due:
                return True

    async def _rest(self) -> None:
        """Wait for something to come; use the time for a checkpoint."""
        keeping = self.handling.keeping
        keep = keeping.idle_pause if keeping is not None else None
        known = [pause for pause in (keep, self.handling.later.seconds) if pause is not None]
        if not known:
            await self._wake.wait()
            return
        try:
            async with asyncio.timeout(min(known)):
                await self._wake.wait()
        except TimeoutError:
            if keeping is not None and not keeping.idle_pause:
                await keeping.checkpoint()

    async def _broken(self) -> None:
        """Nothing works: let others have what is held, and try again after a while."""
        breaker = self.handling.breaker
        if self._inlets.open:
            await self._let_go()
        try:
            async with asyncio.timeout(breaker.seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
        await self.live.rest(over=False)  # other values are a reason to try at once
        if breaker.half_open():
            await self._inlets.start()

    async def _let_go(self) -> None:
        """Fetch no more, and hand back what is not done and stored."""
        handling = self.handling
        await self._inlets.stop()
        handling.forget()
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await self._broker.flush()
        except TimeoutError:
            self.tally.warn("what was sent is not stored yet: its input is handed back")
        if handling.keeping is not None and not handling.unstored.count:
            await handling.keeping.checkpoint()
        await handling.holding.hand_back()

    async def _beat(self) -> None:
        """Tell the server that what is held is not lost."""
        holding = self.handling.holding
        while wanted():
            await asyncio.sleep(max(holding.due - time.perf_counter(), holding.pause / 4))
            if time.perf_counter() > holding.due:
                await holding.beat(inlet for _, inlet in self._inlets.open)

    async def _tend(self) -> None:
        """Now and then: partial results, checkpoints when nothing else comes, the watchdog."""
        handling, watchdog = self.handling, self._guards.watchdog
        pause = TEND_SECONDS
        if watchdog is not None:
            pause = min(pause, watchdog.seconds / 4)
        shown = 0.0
        while wanted():
            await asyncio.sleep(pause)
            if watchdog is not None:
                watchdog.rest()
            self.tally.dead_letters_full = self._broker.refused(self.config.dead_letter_subject)
            if time.monotonic() - shown >= TEND_SECONDS and handling.reducing is not None:
                shown = time.monotonic()
                handling.computing.begin()
                await handling.reducing.emit_partial()
            handling.look_stuck()
            if handling.keeping is not None and handling.keeping.due:
                await handling.keeping.checkpoint()
