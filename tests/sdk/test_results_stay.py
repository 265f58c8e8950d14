"""The result of a scan stays where only the last message of a subject is kept, whoever died meanwhile."""

import asyncio

import numpy as np
import pytest
from interact import DenseFrames, Image, Reducer, _codec, _runtime, scan_image
from interact import operator as make_operator
from interact._jetstream import connect
from interact_api.choices import Storage
from interact_api.stream_plan import Discard, StreamPlan
from sdk.at_work import SCAN, Running, given, planned, running

pytestmark = pytest.mark.nats


def last_only(name: str) -> StreamPlan:
    return StreamPlan(
        name, f"{name}.*", 1 << 20, Storage.MEMORY, replicas=1, metadata={},
        discard=Discard.OLD, max_msgs_per_subject=1,
    )  # fmt: skip


async def stored(broker, stream: str, subject: str) -> bytes:
    return (await broker.context.get_last_msg(stream, subject)).data


async def test_what_is_to_stay_is_stored_again_after_what_came_in_between(server):
    async with (
        connect(server.url, name="first life", token=server.token) as first,
        connect(server.url, name="second life", token=server.token) as second,
    ):
        await first.make(last_only("stays"))
        for one, name in ((first, "whole"), (second, "part"), (second, "whole"), (second, "whole")):
            await one.publish("stays.s", name.encode(), identity=name, stays=name == "whole")
            await one.flush()

        found = await stored(second, "stays", "stays.s")
        await first.context.delete_stream("stays")

    assert found == b"whole"
    assert second.window._staying == {}


async def test_an_answer_to_an_older_one_does_not_bring_it_back(server):
    """Both are on their way, and the server knows the older one: the newer one stays."""
    async with connect(server.url, name="test", token=server.token) as broker:
        await broker.make(last_only("newer"))
        for names in (("old",), ("old", "new")):
            for name in names:
                await broker.publish("newer.s", name.encode(), identity=name, stays=True)
            await broker.flush()

        found = await stored(broker, "newer", "newer.s")
        await broker.context.delete_stream("newer")

    assert found == b"new"


@make_operator(name="total")
class Total(Reducer[dict]):
    """A picture of one number."""

    def zero(self, scan):
        return {"sum": 0}

    def add(self, state: dict, part: DenseFrames) -> None:
        state["sum"] += int(part.data.sum())

    def result(self, state: dict, progress) -> Image:
        return scan_image(progress, {"sum": np.full(progress.scan.positions, state["sum"])})


async def test_a_reducer_that_dies_before_its_checkpoint_gives_its_result_once_more(
    server, monkeypatch
):
    """Its first life stored the whole picture; a partial one of its second life takes its place."""
    shown: list[Image] = []

    @make_operator(name="shown", display=True)
    def show(part: Image) -> Image:
        """Keeps what it is given."""
        shown.append(part)
        return part

    read, _ = given(SCAN)
    edges = [("given.out", "total.part"), ("total.out", "shown.part")]
    plan = planned("result", [read, Total, show], edges, ack_wait="1s")
    stream = plan.operators["total"].outputs[0].stream
    async with running(server, plan) as run:
        async with run.start(read):
            await run.until("given", lambda told: told.state == "done")
        with monkeypatch.context() as never:
            never.setattr("interact._keeping.CHECKPOINT_SECONDS", 3600.0)
            never.setattr("interact._keeping.Keeping.idle_pause", None)
            config = plan.operators["total"]
            life = asyncio.create_task(
                _runtime.serve(Total, config, run.broker, stop=asyncio.Event())
            )
            await run.until("total", lambda told: told.state == "done")
            await run.broker.flush()
            life.cancel()
            await asyncio.wait({life})
        run.told.clear()
        subject = await push_out(run, stream)

        async with run.start(Total, show):
            await run.until("total", lambda told: told.state == "done")
            await run.until("shown", lambda told: told.state == "done")
        _, found = _codec.decode(await stored(run.broker, stream, subject))

    assert isinstance(found, Image)
    assert found.final
    assert np.all(found.channels["sum"] == SCAN.data.sum())
    assert shown[-1].final


async def push_out(run: Running, stream: str) -> str:
    """Store a partial picture in the place of the whole one; its subject."""
    info = await run.broker.context.stream_info(stream, subjects_filter=">")
    [subject] = [one for one in info.state.subjects or () if one.endswith("-given-0")]
    header, whole = _codec.decode(await stored(run.broker, stream, subject))
    assert isinstance(whole, Image)
    assert whole.final, "the first life stored it"
    part = _codec.encode(whole.replace(start=0, stop=0), identity=b"p" * 16, lane=header.lane)
    await run.broker.publish(subject, part, identity="a part of it")
    await run.broker.flush()
    return subject
