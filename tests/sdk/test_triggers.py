"""Triggers: asked over NATS, executed between two messages, answered after that."""

import asyncio
import itertools
from contextlib import asynccontextmanager

import numpy as np
import pytest
from interact import (
    DenseFrames,
    Image,
    Param,
    ScanImage,
    TransientError,
    Values,
    _runtime,
    dependencies,
)  # fmt: skip
from interact import operator as make_operator
from interact import source as make_source
from interact._breaker import Breaker
from interact._computing import Guards
from interact._errors import NobodyListens, OperatorError
from interact._jetstream import connect
from interact._jetstream._talking import Talk
from interact._triggers import MAX_RECORDS
from interact.testing import split
from interact_api import calls, names
from interact_api.calls import Call, Outcome
from sdk.at_work import PATIENCE, SCAN, planned, running

pytestmark = pytest.mark.nats

ids = (f"call{number}" for number in itertools.count())


@make_source(name="given", outputs={"out": "dense"})
async def given():
    """Two batches, then nothing for ever."""
    for part in split(SCAN, 5)[:2]:
        yield part
    await asyncio.Event().wait()


saved = []


@given.trigger("save-now", audience="one")
def save_now(*, name: str = Param("reference")):
    """Save what there is."""
    saved.append(name)
    return {"saved": name, "of": len(saved)}


def tables():
    """What the operator keeps while it lives."""
    yield {"calls": 0}


def chain():
    @make_operator(name="sum")
    @dependencies(tables)
    def total(part: DenseFrames, table: dict) -> Values:
        """The sum of each frame."""
        return part.values(total=part.data.sum(axis=(1, 2)), units={"total": "counts"})

    @total.trigger("retrain")
    def retrain(table, *, epochs: int = Param(3, minimum=1, maximum=9), rate: float = Param()):
        """Learn again."""
        table["calls"] += 1
        return {"epochs": epochs, "rate": np.float32(rate), "calls": table["calls"]}

    @total.trigger("odd")
    def odd(*, kind: str = Param("nan")):
        """Returns what is hard to tell, or raises."""
        return {
            "nan": lambda: {"mean": np.nan, "peak": np.inf, "raw": b"\x00\xff"},
            "object": object,
            "large": lambda: np.zeros(1 << 20),
            "raise": lambda: 1 / 0,
            "again": lambda: (_ for _ in ()).throw(TransientError("not now")),
        }[kind]()

    @total.trigger("slow")
    async def slow():
        """Takes for ever."""
        await asyncio.Event().wait()

    @total.trigger("drops", mode="drain")
    def drops(*, count: int = Param(3)):
        """One value after the other."""
        yield from range(count)

    class Sums(ScanImage):
        """Sums in their places."""

        def add(self, state, part: Values) -> None:
            """Put them there."""
            super().add(state, part)

        def result(self, state, progress) -> Image:
            """So far."""
            return super().result(state, progress)

    picture = make_operator(name="picture")(Sums)

    @picture.trigger("emit")
    def emit(reducer, states):
        """Show now what there is."""
        return {"scans": len(states), "kind": type(reducer).__name__}

    arrived: list[Image] = []

    @make_operator(name="show")
    def show(image: Image) -> None:
        """Keeps what comes."""
        arrived.append(image)

    edges = [("given.out", "sum.part"), ("sum.out", "picture.part"), ("picture.out", "show.image")]
    return (given, total, picture, show), edges, arrived


class Caller:
    """Calls triggers of operators at work."""

    def __init__(self, run, talk):
        self.run = run
        self.talk = talk
        self.arrived = []

    async def call(self, operator, trigger, *, call_id="", seconds=PATIENCE, **arguments):
        """Call one; the first answer."""
        subject = names.trigger_subject("test", self.name, operator, trigger)
        call = Call(call_id or next(ids), arguments, seconds)
        return calls.answer(await self.talk.ask(subject, calls.encode(call), seconds + PATIENCE))


@asynccontextmanager
async def at_work(server, name):
    operators, edges, arrived = chain()
    async with (
        running(server, planned(name, operators, edges)) as run,
        connect(server.url, name="caller", token=server.token) as other,
        run.start(*operators),
    ):
        for one in operators:
            await run.until(one.name, lambda told: told.state in {"running", "done"})
        caller = Caller(run, Talk(other))
        caller.name, caller.arrived = name, arrived
        yield caller


async def test_a_trigger_is_answered_with_what_it_gave(server):
    async with at_work(server, "answered") as at:
        first = await at.call("sum", "retrain", rate="0.5")
        second = await at.call("sum", "retrain", rate=2, epochs=5)

    assert (first.outcome, first.result) == (Outcome.DONE, {"epochs": 3, "rate": 0.5, "calls": 1})
    assert second.result == {"epochs": 5, "rate": 2.0, "calls": 2}


async def test_all_that_is_wrong_with_arguments_is_told_at_once(server):
    async with at_work(server, "wrong") as at:
        answer = await at.call("sum", "retrain", epochs=10, weight=1)
        right = await at.call("sum", "retrain", rate=1)

    assert answer.outcome is Outcome.REFUSED
    assert {one.pointer for one in answer.problems} == {"/epochs", "/weight", "/rate"}
    assert right.result["calls"] == 1


async def test_an_id_that_comes_again_is_answered_and_not_executed(server):
    async with at_work(server, "again") as at:
        first = await at.call("sum", "retrain", call_id="same", rate=1)
        second = await at.call("sum", "retrain", call_id="same", rate=1)
        third = await at.call("sum", "retrain", rate=1)

    assert (first.result["calls"], third.result["calls"]) == (1, 2)
    assert (second.result, second.repeated) == (first.result, True)


async def test_records_of_calls_do_not_pile_up(server):
    async with at_work(server, "records") as at:
        bucket = at.run.plan.bucket.name
        await at.talk.create(bucket, "trigger.sum.retrain.another.7", b"of replica 7")
        calls_ = [at.call("sum", "retrain", rate=1) for _ in range(MAX_RECORDS + 20)]
        answers = [await one for one in calls_]
        kept = await at.talk.keys(bucket, "trigger.sum")

    assert {one.outcome for one in answers} == {Outcome.DONE}
    assert len(kept) == MAX_RECORDS + 1
    assert "trigger.sum.retrain.another.7" in kept


async def test_a_call_that_was_begun_and_has_no_answer_is_unknown(server):
    async with at_work(server, "unknown") as at:
        bucket = at.run.plan.bucket.name
        await at.talk.create(bucket, "trigger.sum.retrain.lost.0", b'{"by": "a former life"}')
        lost = await at.call("sum", "retrain", call_id="lost", rate=1)
        next_ = await at.call("sum", "retrain", rate=1)

    assert lost.outcome is Outcome.UNKNOWN
    assert next_.result["calls"] == 1


@pytest.mark.parametrize(
    ("kind", "outcome", "told"),
    [
        ("nan", Outcome.DONE, {"mean": "NaN", "peak": "Infinity", "raw": {"base64": "AP8="}}),
        ("object", Outcome.FAILED, "result is a object"),
        ("large", Outcome.FAILED, "1048576 elements, at most 16384"),
        ("raise", Outcome.FAILED, "ZeroDivisionError: division by zero"),
        ("again", Outcome.FAILED, "TransientError: not now"),
    ],
)
async def test_whatever_a_trigger_returns_or_raises_is_an_answer(server, kind, outcome, told):
    async with at_work(server, f"odd-{kind}") as at:
        answer = await at.call("sum", "odd", kind=kind)
        after = await at.call("sum", "retrain", rate=1)

    assert answer.outcome is outcome
    assert told == answer.result if outcome is Outcome.DONE else told in answer.error
    assert after.outcome is Outcome.DONE


async def test_a_trigger_that_takes_too_long_is_stopped_and_the_operator_goes_on(server):
    async with at_work(server, "slow") as at:
        answer = await at.call("sum", "slow", seconds=0.2)
        after = await at.call("sum", "retrain", rate=1)

    assert (answer.outcome, after.outcome) == (Outcome.FAILED, Outcome.DONE)
    assert "did not end within" in answer.error


async def test_a_drain_is_called_until_nothing_more_comes(server):
    async with at_work(server, "drain") as at:
        some = await at.call("sum", "drops", count=4)
        none = await at.call("sum", "drops", count=0)
        endless = await at.call("sum", "drops", count=100_000)

    assert (some.result, none.result) == ([0, 1, 2, 3], [])
    assert endless.outcome is Outcome.FAILED
    assert "goes on after 1000 calls" in endless.error


async def test_a_source_takes_triggers_while_it_waits_for_frames(server):
    saved.clear()
    async with at_work(server, "source") as at:
        answer = await at.call("given", "save-now", name="dark")

    assert (answer.result, saved) == ({"saved": "dark", "of": 1}, ["dark"])


async def test_a_reducer_shows_what_it_has_when_asked(server):
    async with at_work(server, "reducer") as at:
        await at.run.until("picture", lambda told: told.frames_in == 10)
        await at.run.until("show", lambda told: told.messages_in > 0)
        before = len(at.arrived)
        answer = await at.call("picture", "emit")
        await at.run.until("show", lambda told: told.messages_in > before)

    assert answer.result == {"scans": 1, "kind": "Sums"}


async def test_a_trigger_of_operators_that_do_not_run_is_answered_at_once(server):
    async with at_work(server, "absent") as at:
        with pytest.raises(NobodyListens):
            await at.call("sum", "no-such-trigger")


async def test_an_operator_that_stopped_because_all_fails_says_so_at_once(server):
    @make_operator(name="sum")
    def failing(part: DenseFrames) -> None:
        """Fails on everything."""
        raise ValueError("no reference")

    @failing.trigger("look")
    def look():
        return 1

    stop = asyncio.Event()
    edges = [("given.out", "sum.part")]
    async with (
        running(server, planned("broken", (given, failing), edges)) as run,
        asyncio.TaskGroup() as group,
    ):
        for one, guards in ((given, None), (failing, Guards(breaker=Breaker(1, 300.0)))):
            config = run.plan.operators[one.name]
            group.create_task(_runtime.serve(one, config, run.broker, stop=stop, guards=guards))
        await run.until("sum", lambda told: told.breaker)
        caller = Caller(run, Talk(run.broker))
        caller.name = "broken"
        answer = await caller.call("sum", "look")
        await run.until("sum", lambda told: told.triggers == {"not-running": 1})
        stop.set()

    assert answer.outcome is Outcome.NOT_RUNNING
    assert "no reference" in answer.error


def test_a_trigger_that_cannot_be_called_is_refused_at_import():
    @make_operator
    def plain(part: DenseFrames) -> None:
        """Nothing."""

    with pytest.raises(OperatorError, match="has 1 positional arguments and 0 are given"):
        plain.trigger("a")(lambda state: state)
    with pytest.raises(OperatorError, match="declare mode='drain'"):

        @plain.trigger("b")
        def yields():
            yield 1

    plain.trigger("c")(lambda: 1)
    with pytest.raises(OperatorError, match="two triggers 'c'"):
        plain.trigger("c")(lambda: 1)
