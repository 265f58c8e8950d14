"""What the watchdog watches of a worker: the author's code, and no wait of ours."""

import asyncio

import pytest
from interact import DenseFrames, Reducer, Values, _runtime
from interact import operator as make_operator
from interact._breaker import Breaker
from interact._computing import Guards
from interact._jetstream import connect
from sdk.at_work import PATIENCE, SCAN, given, planned, running

pytestmark = pytest.mark.nats


class Noted:
    """A watchdog that only notes whether a kernel is under way."""

    seconds = 30.0

    def __init__(self) -> None:
        self.busy = False
        self.begun = self.alone = 0
        self.rests: list[bool] = []

    def begin(self, *, alone=False):
        self.busy = True
        self.begun += 1
        self.alone += alone

    def end(self):
        self.busy = False

    def rest(self):
        self.rests.append(self.busy)


class Total(Reducer[dict]):
    """Sums frames; fails on the third message."""

    def zero(self, scan):
        return {"sum": 0}

    def add(self, state: dict, part: DenseFrames) -> None:
        if part.start == 10:
            raise RuntimeError("no")
        state["sum"] += len(part)

    def result(self, state: dict, progress) -> Values | None:
        return None


async def test_a_wait_for_room_is_not_watched(server):
    """A reducer that cannot keep a dead letter waits, and its process is not ended for that."""
    total = make_operator(name="total")(Total)
    read, _ = given(SCAN)
    plan = planned("room", [read, total], [("given.out", "total.part")], dead_letter_bytes=1024)
    noted = Noted()
    config = plan.operators["total"]

    async with (
        running(server, plan) as run,
        connect(server.url, name="alone", token=server.token) as alone,
        run.start(read),
    ):
        guards = Guards(None, noted, Breaker(0))
        work = asyncio.create_task(
            _runtime.serve(total, config, alone, stop=asyncio.Event(), guards=guards)
        )
        await run.until("total", lambda told: told.dead_letters_full)
        seen = len(noted.rests)
        async with asyncio.timeout(PATIENCE):
            while len(noted.rests) < seen + 3:
                run.news.clear()
                await run.news.wait()
        work.cancel()
        await asyncio.wait({work})

    assert noted.begun >= 3
    assert not any(noted.rests)


@pytest.mark.parametrize("thread", [False, True], ids=["asynchronous", "in a thread"])
async def test_a_kernel_that_leaves_the_loop_free_is_watched_while_it_runs(server, thread):
    noted = Noted()
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()

    def threaded(part: DenseFrames) -> None:
        """Waits for us."""
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result(PATIENCE)

    async def awaited(part: DenseFrames) -> None:
        """Waits for us."""
        await gate.wait()

    if thread:
        kernel = make_operator(name="waits", thread=True)(threaded)
    else:
        kernel = make_operator(name="waits")(awaited)
    read, _ = given(SCAN)
    plan = planned(f"watched-{thread}".lower(), [read, kernel], [("given.out", "waits.part")])

    async with running(server, plan) as run, run.start(read):
        stop = asyncio.Event()
        guards = Guards(None, noted, Breaker())
        config = plan.operators["waits"]
        work = asyncio.create_task(
            _runtime.serve(kernel, config, run.broker, stop=stop, guards=guards)
        )
        async with asyncio.timeout(PATIENCE):
            while not any(noted.rests):
                run.news.clear()
                await run.news.wait()
        gate.set()
        await run.until("waits", lambda told: told.state == "done")
        stop.set()
        await work

    assert noted.begun == 7
    assert noted.alone == (0 if thread else 7)
    assert not noted.busy
