"""Operators that are started again when everything is over say so again."""

import asyncio

import pytest
from interact import DenseFrames, Reducer, Values, _runtime
from interact import operator as make_operator
from interact_api.board import Board
from sdk.at_work import PATIENCE, SCAN, collector, given, planned, running

pytestmark = pytest.mark.nats

PIPELINE = "over"


class Sum(Reducer[dict]):
    """Sums frames."""

    def zero(self, scan):
        return {"sum": 0}

    def add(self, state: dict, part: DenseFrames) -> None:
        state["sum"] += len(part)

    def result(self, state: dict, progress) -> Values | None:
        return None


async def done_and_killed(run, operator, config, *, kept):
    """One life that ends without a word when it is done, before or after its checkpoint."""
    life = asyncio.create_task(_runtime.serve(operator, config, run.broker, stop=asyncio.Event()))
    await run.until(operator.name, lambda told: told.state == "done")
    entry = config.inputs[0]
    async with asyncio.timeout(PATIENCE):
        while kept and await run.broker.pending(entry.stream, entry.durable) != (0, 0):
            run.news.clear()
            await run.news.wait()
    life.cancel()
    await asyncio.wait({life})
    run.told.pop(operator.name)


@pytest.mark.parametrize("kept", [True, False], ids=["after its checkpoint", "before it"])
@pytest.mark.parametrize("role", ["sink", "reducer"])
async def test_what_is_killed_when_it_was_done_is_done_again(server, monkeypatch, role, kept):
    """Before its checkpoint nothing was acknowledged: all of it comes again, the end as well."""
    if not kept:
        monkeypatch.setattr("interact._keeping.CHECKPOINT_SECONDS", 3600.0)
        monkeypatch.setattr("interact._keeping.Keeping.idle_pause", None)
    read, _ = given(SCAN)
    collect, _ = collector()
    end = collect if role == "sink" else make_operator(name="sum")(Sum)
    operators, edges = [read, end], [("given.out", f"{end.name}.part")]
    if role == "reducer":
        operators, edges = [*operators, collect], [*edges, ("sum.out", "collect.part")]
    plan = planned(PIPELINE, operators, edges, ack_wait="1s")
    async with running(server, plan) as run:
        async with run.start(read):
            await run.until("given", lambda told: told.state == "done")
        config = plan.operators[end.name]
        await done_and_killed(run, end, config, kept=kept)
        async with run.start(*operators):
            second = await run.until(
                end.name,  # not the last words of the first life, which took every frame once
                lambda told: (
                    told.state == "done" and (not told.frames_in if kept else told.redelivered)
                ),
            )
            for one in operators:
                await run.until(one.name, lambda told: told.state == "done")
            fresh = Board({(PIPELINE, name): one for name, one in plan.operators.items()})
            for told in run.told.values():
                fresh.hear(PIPELINE, told, 0.0)

    assert fresh.done(PIPELINE), "also for a controller that has seen nothing before"
    assert second.scans_complete == 1
    assert (second.frames_in == 0) is kept
