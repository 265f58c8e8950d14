"""Trace context of messages, from hop to hop."""

import pytest
from interact import DenseFrames, Values, _trace, operator
from interact_api import wire
from sdk.at_work import SCAN, collector, given, planned, running

MESSAGES = 7


@operator(name="sums", parallel=True)
def sums(frames: DenseFrames) -> Values:
    """Sum of each frame."""
    return frames.values(sum=frames.data.sum(axis=(1, 2)))


@pytest.mark.parametrize(
    "context",
    ["", "00-1", f"00-{'0' * 32}-{'1' * 16}-01", f"00-{'1' * 32}-{'0' * 16}-01", f"ff-{'1' * 32}"],
    ids=["none", "cut short", "no trace", "no span", "another version"],
)
def test_what_is_no_context_is_not_carried_on(context):
    assert _trace.child(context, bytes(16)) == ""


def test_whether_it_is_sampled_is_carried_on():
    assert _trace.child(f"00-{'1' * 32}-{'2' * 16}-00", bytes([3] * 16)).endswith("-00")


async def headers(run, stream):
    """The headers of what a stream holds, in order."""
    info = await run.broker.context.stream_info(stream)
    found = []
    for sequence in range(info.state.first_seq, info.state.last_seq + 1):
        message = await run.broker.context.get_msg(stream, seq=sequence)
        found.append(wire.parse(message.data)[0])
    return [header for header in found if header.kind != "end"]


async def played(server):
    """The headers on both edges of a source, a kernel and a sink that is never started."""
    source, _ = given(SCAN)
    collect, _ = collector()
    edges = [("given.out", "sums.frames"), ("sums.out", "collect.part")]
    plan = planned("traced", [source, sums, collect], edges)
    first, second = (plan.operators[name].outputs[0].stream for name in ("given", "sums"))
    async with running(server, plan) as run:
        async with run.start(source):
            await run.until("given", lambda told: told.state == "done")
        sent = await headers(run, first)
        async with run.start(sums):
            await run.until("sums", lambda told: told.messages_out == MESSAGES)
        return sent, await headers(run, second)


@pytest.mark.nats
async def test_each_message_of_a_source_begins_a_trace_that_kernels_go_on_with(server, monkeypatch):
    monkeypatch.setenv("INTERACT_TRACE", "1")

    sent, made = await played(server)

    assert [one.traceparent for one in sent] == [_trace.begun(one.identity) for one in sent]
    assert len(sent) == len(made) == MESSAGES
    by_start = {one.start: one for one in sent}
    for one in made:
        expected = _trace.child(by_start[one.start].traceparent, one.identity)
        assert one.traceparent == expected != by_start[one.start].traceparent


@pytest.mark.nats
async def test_nobody_traces_who_was_not_asked_to(server, monkeypatch):
    monkeypatch.delenv("INTERACT_TRACE", raising=False)

    sent, made = await played(server)

    assert {one.traceparent for one in (*sent, *made)} == {""}
