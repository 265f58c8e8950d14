"""An operator that fails on everything stops before it makes a dead letter of a whole scan."""

import asyncio

import pytest
from interact import DenseFrames, Param, TransientError, Values, _live_values, _runtime
from interact import operator as make_operator
from interact._breaker import Breaker
from interact._computing import Guards
from interact.testing import frames
from sdk.at_work import collector, given, planned, running

BIG = frames(shape=(8, 10, 48, 64))


def test_a_breaker_opens_after_many_failures_in_a_row_and_tries_again_ever_later():
    moment = [0.0]
    breaker = Breaker(3, 30.0, now=lambda: moment[0])

    breaker.failed("a")
    breaker.failed("b")
    breaker.worked()
    assert not breaker.open
    for _ in range(3):
        breaker.failed("no such file")

    assert breaker.open
    assert "the last 3 messages failed" in breaker.reason
    assert "no such file" in breaker.reason
    pauses = []
    for _ in range(6):
        pauses.append(breaker.seconds)
        assert not breaker.half_open()
        moment[0] += breaker.seconds
        assert breaker.half_open()
        breaker.failed("no such file")
    assert pauses == [30, 60, 120, 240, 300, 300]
    breaker.probe()
    assert breaker.half_open()
    breaker.worked()
    assert (breaker.open, breaker.reason, breaker.in_a_row) == (False, "", 0)


def test_a_breaker_can_be_left_out():
    breaker = Breaker(0)
    for _ in range(100):
        breaker.failed("x")

    assert not breaker.open


@pytest.mark.nats
@pytest.mark.parametrize("error", [ValueError, TransientError])
async def test_parameters_that_make_everything_fail_cost_a_few_messages(server, error):
    """The operator stops at the fifth; new parameters are tried at once, and all the rest arrives.

    It comes at once, too, though the ack wait is ten minutes: what was held has been handed back.
    """

    @make_operator(name="strict", parallel=True)
    def strict(part: DenseFrames, *, limit: int = Param(0)) -> Values:
        """Fails below a limit."""
        if limit < 1:
            raise error("limit is too low")
        return part.values(sum=part.data.sum(axis=(1, 2)))

    collect, arrived = collector()
    read, _ = given(BIG, size=2)
    edges = [("given.out", "strict.part"), ("strict.out", "collect.part")]
    plan = planned(
        f"strict-{error.__name__.lower()}", [read, strict, collect], edges, ack_wait="600s"
    )

    async with running(server, plan) as run, run.start(read, collect):
        stop = asyncio.Event()
        guards = Guards(breaker=Breaker(5, 600.0))
        config = plan.operators["strict"]
        work = asyncio.create_task(
            _runtime.serve(strict, config, run.broker, stop=stop, guards=guards)
        )
        broken = await run.until("strict", lambda told: told.breaker)
        values = {"strict": {"limit": 1}, "given": {}, "collect": {}}
        text = _live_values.written(values, config.revision + 1)
        await run.broker.put(plan.bucket.name, _live_values.KEY, text)
        await run.until("collect", lambda told: told.state == "done")
        mended = await run.until("strict", lambda told: not told.breaker)
        stop.set()
        await work

    assert "the last 5 messages failed with every frame" in broken.breaker
    assert "limit is too low" in broken.breaker
    lost = 10 if error is ValueError else 0
    assert broken.frames_failed == mended.frames_failed == lost
    assert sum(len(part) for part in arrived) == 80 - lost
