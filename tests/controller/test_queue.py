import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from cluster import waiting
from interact_controller.errors import ClusterUnreachable
from interact_controller.queue import Queue
from interact_controller.seen import Key, Kind

A, B = (Key(Kind.PIPELINE, "lab", name) for name in "ab")
PATIENCE_SECONDS = 20


@asynccontextmanager
async def running(
    look: Callable[[Key], Awaitable[float | None]], workers: int = 4
) -> AsyncIterator[Queue]:
    queue = Queue(look, jitter=lambda: 0.01)
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
        group.create_task(queue.run(workers))
        yield queue
        queue.stop()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # what is waited for has no event
        await asyncio.to_thread(waiting.pause, 0.01)


async def test_a_burst_about_one_key_is_one_look() -> None:
    looks: list[Key] = []

    async def look(key: Key) -> None:
        looks.append(key)

    async with running(look) as queue:
        for _ in range(100):
            queue.wake(A)
        await until(lambda: bool(looks) and queue.idle)

    assert looks == [A]


async def test_a_key_is_never_looked_at_twice_at_once_and_news_meanwhile_is_one_more_look() -> None:
    going, most, looks = 0, 0, 0
    entered, leave = asyncio.Event(), asyncio.Event()

    async def look(key: Key) -> None:
        nonlocal going, most, looks
        going, looks = going + 1, looks + 1
        most = max(most, going)
        entered.set()
        await leave.wait()
        going -= 1

    async with running(look) as queue:
        queue.wake(A)
        await entered.wait()
        for _ in range(10):
            queue.wake(A)
        leave.set()
        await until(lambda: looks == 2 and queue.idle)

    assert most == 1


async def test_keys_are_looked_at_side_by_side() -> None:
    together = asyncio.Barrier(2)

    async def look(key: Key) -> None:
        await together.wait()

    async with running(look) as queue:
        queue.wake(A)
        queue.wake(B)
        await until(lambda: queue.idle)


async def test_there_are_no_more_looks_at_once_than_workers() -> None:
    going, most = 0, 0

    async def look(key: Key) -> None:
        nonlocal going, most
        going += 1
        most = max(most, going)
        await asyncio.sleep(0)
        going -= 1

    async with running(look, workers=2) as queue:
        for number in range(50):
            queue.wake(Key(Kind.PIPELINE, "lab", str(number)))
        await until(lambda: queue.idle)

    assert most == 2


async def test_failures_wait_longer_each_time_and_a_success_forgets_them() -> None:
    loop = asyncio.get_running_loop()
    at: list[float] = []

    async def look(key: Key) -> None:
        at.append(loop.time())
        if len(at) < 6:
            raise ClusterUnreachable("away")

    async with running(look) as queue:
        queue.wake(A)
        await until(lambda: len(at) == 6 and queue.idle)
        assert queue._pause(A) == pytest.approx(0.0025, abs=0.001)

    pauses = [late - early for early, late in itertools.pairwise(at)]
    for number, pause in enumerate(pauses):
        assert pause >= 0.99 * 0.0025 * 2**number - 0.001


async def test_a_mistake_in_one_look_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    looks: list[Key] = []

    async def look(key: Key) -> None:
        looks.append(key)
        if key == A and looks.count(A) < 3:
            raise KeyError("a slip")

    async with running(look, workers=1) as queue:
        queue.wake(A)
        queue.wake(B)
        await until(lambda: looks.count(A) == 3 and queue.idle)

    assert looks.count(B) == 1
    broken = [one for one in caplog.records if one.message == "look broke"]
    assert len(broken) == 2


async def test_a_look_says_when_it_wants_the_next() -> None:
    looks: list[Key] = []

    async def look(key: Key) -> float | None:
        looks.append(key)
        return 0.001 if len(looks) < 4 else None

    async with running(look) as queue:
        queue.wake(A)
        await until(lambda: len(looks) == 4 and queue.idle)


async def test_the_soonest_of_several_times_counts_and_news_before_it_too() -> None:
    looks: list[Key] = []

    async def look(key: Key) -> None:
        looks.append(key)

    async with running(look) as queue:
        queue.wake_after(A, 3600)
        queue.wake_after(A, 0.001)
        queue.wake_after(A, 3600)
        await until(lambda: looks == [A] and queue.idle)
        queue.wake_after(B, 3600)
        queue.wake(B)
        await until(lambda: looks == [A, B] and queue.idle)
        assert not queue._timers


async def test_a_stop_finishes_what_goes_on_and_begins_nothing() -> None:
    entered, leave = asyncio.Event(), asyncio.Event()
    finished: list[Key] = []

    async def look(key: Key) -> float:
        entered.set()
        await leave.wait()
        finished.append(key)
        return 0.0

    async with running(look, workers=1) as queue:
        queue.wake(A)
        queue.wake(B)
        queue.wake_after(Key(Kind.POD, "lab", "later"), 0.001)
        await entered.wait()
        queue.stop()
        queue.wake(B)
        leave.set()

    assert finished == [A]
