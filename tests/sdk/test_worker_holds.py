"""What a worker holds: tries that come later, dead letters without room, and a stop in between."""

import asyncio

import pytest
from interact import DenseFrames, TransientError, Values, _runtime
from interact import operator as make_operator
from interact.testing import frames
from sdk.at_work import PATIENCE, SCAN, collector, given, planned, running
from sdk.dying import letters

pytestmark = pytest.mark.nats

BIG = frames(shape=(8, 10, 96, 128), disk=(40, 70, 20))


@pytest.mark.parametrize("later", [False, True], ids=["plain", "asynchronous"])
async def test_a_frame_that_never_becomes_ready_is_kept_and_hinders_nobody(server, later):
    tries: list[int] = []

    def busy(part: DenseFrames) -> Values:
        """Waits for a camera that never answers."""
        if 12 in part.index:
            tries.append(len(part))
            raise TransientError("the camera is busy")
        return part.values(sum=part.data.sum(axis=(1, 2)))

    async def busy_later(part: DenseFrames) -> Values:
        """Waits for a camera that never answers."""
        return busy(part)

    kernel = make_operator(name="busy", parallel=True)(busy_later if later else busy)
    collect, arrived = collector()
    read, _ = given(SCAN)
    edges = [("given.out", "busy.part"), ("busy.out", "collect.part")]

    plan = planned(f"never-{later}".lower(), [read, kernel, collect], edges)
    async with running(server, plan) as run, run.start(read, kernel, collect):
        told = await run.until("collect", lambda told: told.state == "done")
        [letter] = await letters(run, "busy")

    assert told.frames_in == 34
    assert sorted(i for part in arrived for i in part.index) == [i for i in range(35) if i != 12]
    assert [part.start for part in arrived][-1] == 10, "its message is the last, the others went on"
    assert tries[:5] == [5] * 5, "the whole message, so often as the edge says"
    assert tries[-1] == 1, "then its frames, one by one"
    assert (letter.index.tolist(), letter.attributes["kind"]) == ([12], "transient")
    assert letter.attributes["attempts"] == 5


async def test_an_asynchronous_kernel_that_hangs_is_ended_and_its_frame_is_kept(server):
    never = asyncio.Event()

    @make_operator(name="hangs", parallel=True)
    async def hangs(part: DenseFrames) -> Values:
        """Never ends on frame 17."""
        if 17 in part.index:
            await never.wait()
        return part.values(sum=part.data.sum(axis=(1, 2)))

    collect, arrived = collector()
    read, _ = given(SCAN)
    edges = [("given.out", "hangs.part"), ("hangs.out", "collect.part")]
    plan = planned("hangs", [read, hangs, collect], edges)
    config = plan.operators["hangs"]
    inputs = [entry.model_copy(update={"attempts": 2}) for entry in config.inputs]
    plan.operators["hangs"] = config.model_copy(
        update={"inputs": inputs, "kernel_timeout_seconds": 0.2}
    )

    async with running(server, plan) as run, run.start(read, hangs, collect):
        await run.until("collect", lambda told: told.state == "done")
        [letter] = await letters(run, "hangs")

    assert sorted(i for part in arrived for i in part.index) == [i for i in range(35) if i != 17]
    assert (letter.index.tolist(), letter.attributes["kind"]) == ([17], "timeout")
    assert "did not end within 0.2 s (kernelTimeout)" in letter.attributes["error"]


async def test_a_stop_hands_everything_back_without_waiting_for_the_ack_wait(server):
    """The first replica holds a whole window of messages; the second gets them at once."""
    gate = asyncio.Event()
    begun = asyncio.Event()

    def replica(*, waits):
        @make_operator(name="passes", parallel=True)
        async def passes(part: DenseFrames) -> Values:
            """Waits, or does not."""
            begun.set()
            if waits:
                await gate.wait()
            seen[waits].append(part.start)
            return part.values(sum=part.data.sum(axis=(1, 2)))

        return passes

    seen: dict[bool, list[int]] = {True: [], False: []}
    slow, fast = replica(waits=True), replica(waits=False)
    collect, arrived = collector()
    read, _ = given(BIG, size=2)
    edges = [("given.out", "passes.part"), ("passes.out", "collect.part")]
    plan = planned("stops", [read, slow, collect], edges, ack_wait="600s")
    config = plan.operators["passes"]

    async with running(server, plan) as run, run.start(read, collect):
        stop = asyncio.Event()
        first = asyncio.create_task(_runtime.serve(slow, config, run.broker, stop=stop))
        await begun.wait()
        await run.until("given", lambda told: told.state == "done")
        stop.set()
        gate.set()
        await first
        async with run.start(fast):
            await run.until("collect", lambda told: told.state == "done")

    assert len(seen[True]) == 1, "what was in the kernel was finished"
    assert sorted(seen[True] + seen[False]) == list(range(0, 80, 2))
    assert sum(len(part) for part in arrived) == 80


async def test_messages_that_wait_for_a_try_are_handed_back_too(server):
    @make_operator(name="passes", parallel=True)
    def never(part: DenseFrames) -> Values:
        """Is never ready."""
        raise TransientError("not yet")

    @make_operator(name="passes", parallel=True)
    def ready(part: DenseFrames) -> Values:
        """Is."""
        return part.values(sum=part.data.sum(axis=(1, 2)))

    collect, arrived = collector()
    read, _ = given(SCAN)
    edges = [("given.out", "passes.part"), ("passes.out", "collect.part")]
    plan = planned("waits", [read, never, collect], edges, ack_wait="600s")
    config = plan.operators["passes"]

    async with running(server, plan) as run, run.start(read, collect):
        stop = asyncio.Event()
        first = asyncio.create_task(_runtime.serve(never, config, run.broker, stop=stop))
        await run.until("passes", lambda told: told.warnings)
        stop.set()
        await first
        async with run.start(ready):
            await run.until("collect", lambda told: told.state == "done")

    assert sum(len(part) for part in arrived) == 35


async def test_without_room_for_dead_letters_nothing_is_taken_until_there_is(server):
    """The stream holds two letters; each frame makes one. Nothing is acknowledged meanwhile."""

    @make_operator(name="refuses", parallel=True)
    def refuses(part: DenseFrames) -> Values:
        """Does the last scan row only."""
        if part.start < 20:
            raise RuntimeError("no")
        return part.values(sum=part.data.sum(axis=(1, 2)))

    collect, arrived = collector()
    read, _ = given(SCAN)
    edges = [("given.out", "refuses.part"), ("refuses.out", "collect.part")]
    plan = planned("full-letters", [read, refuses, collect], edges, dead_letter_bytes=16 * 1024)
    config = plan.operators["refuses"]

    async with running(server, plan) as run, run.start(read, refuses, collect):
        await run.until("refuses", lambda told: told.dead_letters_full)
        first = await letters(run, "refuses")
        entry = config.inputs[0]
        waiting, held = await run.broker.pending(entry.stream, entry.durable)
        kept = []
        async with asyncio.timeout(PATIENCE):
            while run.told.get("collect") is None or run.told["collect"].state != "done":
                kept += await letters(run, "refuses", take=True)
                run.news.clear()
                await run.news.wait()
        kept += await letters(run, "refuses")
        told = await run.until("refuses", lambda told: not told.dead_letters_full)

    assert 0 < len(first) < 20
    assert waiting + held > 0
    assert sorted(i for part in arrived for i in part.index) == list(range(20, 35))
    assert {int(one.index[0]) for one in kept} == set(range(20)), "each has been kept"
    assert told.redelivered == 0
