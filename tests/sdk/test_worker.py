"""What a running operator does when something goes wrong, against a real nats-server."""

import asyncio

import numpy as np
import pytest
from interact import (
    DenseFrames,
    TransientError,
    Values,
    _codec,
)
from interact import operator as make_operator
from interact.testing import frames
from interact_api import wire
from sdk.at_work import MIB, SCAN, collector, given, planned, running

pytestmark = pytest.mark.nats


async def test_what_cannot_be_decoded_is_kept_aside_and_the_rest_goes_on(server):
    collect, arrived = collector()
    read, _ = given(SCAN)

    async with running(
        server, planned("foreign", [read, collect], [("given.out", "collect.part")])
    ) as run:
        config = run.plan.operators["collect"]
        await run.broker.publish("interact.test.foreign.given.out.x", b"\xff not a frame")
        async with run.start(read, collect):
            told = await run.until("collect", lambda told: told.state == "done")
        letter = await run.broker.context.get_last_msg(
            config.dead_letter_stream, config.dead_letter_subject
        )

    assert told.undecodable == 1
    assert any("magic" in error and "another program" in error for error in told.errors)
    assert _codec.decode(letter.data)[1].data == b"\xff not a frame"
    assert sum(len(part) for part in arrived) == 35


async def test_an_end_that_says_nothing_is_kept_aside_and_the_rest_goes_on(server):
    collect, arrived = collector()
    read, _ = given(SCAN)
    header = wire.Header(
        kind="end", scan=wire.encoded_scan(SCAN.scan), start=0, stop=0, identity=b"i" * 16,
        lane="given",
    )  # fmt: skip

    plan = planned("mute", [read, collect], [("given.out", "collect.part")])
    async with running(server, plan) as run:
        await run.broker.publish("interact.test.mute.given.out.x", wire.prefix_and_header(header))
        async with run.start(read, collect):
            told = await run.until("collect", lambda told: told.state == "done")

    assert told.undecodable == 1
    assert any("names its source" in error for error in told.errors)
    assert sum(len(part) for part in arrived) == 35


def raises(part: DenseFrames) -> Values:
    """Fails on frame 17."""
    if 17 in part.index:
        raise RuntimeError("hot pixel")
    return part.values(sum=part.data.sum(axis=(1, 2)))


async def raises_later(part: DenseFrames) -> Values:
    """Fails on frame 17, after a wait."""
    await asyncio.sleep(0)
    return raises(part)


@pytest.mark.parametrize("kernel", [raises, raises_later], ids=["plain", "asynchronous"])
async def test_a_frame_that_fails_is_kept_with_its_reason(server, kernel):
    fragile = make_operator(name="fragile", parallel=True)(kernel)
    collect, arrived = collector()
    read, _ = given(SCAN)
    edges = [("given.out", "fragile.part"), ("fragile.out", "collect.part")]

    name = kernel.__name__.replace("_", "-")
    async with running(server, planned(name, [read, fragile, collect], edges)) as run:
        async with run.start(read, fragile, collect):
            told = await run.until("fragile", lambda told: told.frames_failed == 1)
            await run.until("collect", lambda told: told.state == "done")
        config = run.plan.operators["fragile"]
        letter = await run.broker.context.get_last_msg(
            config.dead_letter_stream, config.dead_letter_subject
        )

    assert told.errors == ("fragile: RuntimeError: hot pixel",)
    _, kept = _codec.decode(letter.data)
    assert np.array_equal(kept.data, SCAN.data[17:18])
    assert kept.index.tolist() == [17]
    assert kept.attributes["operator"] == "fragile"
    assert "hot pixel" in kept.attributes["traceback"]
    assert sorted(i for part in arrived for i in part.index) == [i for i in range(35) if i != 17]


def oversized(part):
    return part.values(sum=np.ones((len(part), 9 * MIB)))


def unspeakable(part):
    return part.values(sum=np.array([object()] * len(part)))


async def oversized_later(part):
    return oversized(part)


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        pytest.param(oversized, "there is room for", id="larger than a message may be"),
        pytest.param(unspeakable, "object", id="of a type the wire does not have"),
        pytest.param(
            oversized_later, "there is room for", id="an asynchronous kernel makes too much"
        ),
    ],
)
async def test_a_message_whose_result_cannot_be_sent_fails_and_the_rest_goes_on(
    server, kernel, words
):
    def spoils(part: DenseFrames) -> Values:
        """Spoils the message of frame 17."""
        return kernel(part) if 17 in part.index else part.values(sum=part.data.sum(axis=(1, 2)))

    async def spoils_later(part: DenseFrames) -> Values:
        """Spoils the message of frame 17."""
        made = kernel(part) if 17 in part.index else part.values(sum=part.data.sum(axis=(1, 2)))
        return await made if asyncio.iscoroutine(made) else made

    later = asyncio.iscoroutinefunction(kernel)
    spoil = make_operator(name="spoil", parallel=True)(spoils_later if later else spoils)
    collect, arrived = collector()
    read, _ = given(SCAN)
    edges = [("given.out", "spoil.part"), ("spoil.out", "collect.part")]

    plan = planned(f"spoil-{kernel.__name__[:4]}-{later}".lower(), [read, spoil, collect], edges)
    async with running(server, plan) as run, run.start(read, spoil, collect):
        told = await run.until("spoil", lambda told: told.frames_failed == 5)
        await run.until("collect", lambda told: told.state == "done")

    assert any(words in error for error in told.errors)
    lost = range(15, 20)
    assert sorted(i for part in arrived for i in part.index) == [
        i for i in range(35) if i not in lost
    ]


async def test_a_message_that_asks_for_another_try_gets_it(server):
    tries = []

    @make_operator(name="busy", parallel=True)
    def busy(part: DenseFrames) -> Values:
        """Succeeds at the second try."""
        tries.append(part.start)
        if tries.count(part.start) == 1 and part.start == 10:
            raise TransientError("the camera is busy")
        return part.values(sum=part.data.sum(axis=(1, 2)))

    collect, arrived = collector()
    read, _ = given(SCAN)
    edges = [("given.out", "busy.part"), ("busy.out", "collect.part")]

    plan = planned("busy", [read, busy, collect], edges)
    async with running(server, plan) as run, run.start(read, busy, collect):
        told = await run.until("collect", lambda told: told.state == "done")

    assert tries.count(10) == 2
    assert told.frames_failed == 0
    assert sum(len(part) for part in arrived) == 35


async def test_messages_fetched_ahead_are_not_given_again_while_a_kernel_is_slow(server):
    """The kernel takes four times the ack wait; the next message waits behind it in the process."""
    acknowledge_after = 0.5

    @make_operator(name="slow", parallel=True)
    async def slow(part: DenseFrames) -> None:
        """Takes its time once."""
        if part.start == 0:
            await asyncio.wait({asyncio.create_task(forever.wait())}, timeout=4 * acknowledge_after)
            forever.set()

    forever = asyncio.Event()
    read, _ = given(SCAN)
    plan = planned("ahead", [read, slow], [("given.out", "slow.part")], ack_wait="500ms")

    async with running(server, plan) as run, run.start(read, slow):
        told = await run.until("slow", lambda told: told.state == "done")

    assert told.redelivered == 0


async def test_a_full_stream_makes_the_source_wait_and_nothing_is_lost(server):
    gate = asyncio.Event()
    big = frames(shape=(4, 10, 96, 128), disk=(40, 70, 20))
    assert big.data.nbytes > 900_000

    @make_operator(name="slow")
    async def slow(part: DenseFrames) -> None:
        """Waits to be let on."""
        await gate.wait()
        seen.extend(part.index.tolist())

    seen: list[int] = []
    read, _ = given(big, size=2)
    plan = planned("full", [read, slow], [("given.out", "slow.part")], max_bytes=256 * 1024)

    async with running(server, plan) as run, run.start(read, slow):
        await run.until("given", lambda told: told.messages_out >= 5)
        info = await run.broker.context.stream_info(plan.streams[0].name)
        held = info.state.bytes
        assert run.told["given"].state == "running", "forty frames do not fit into the stream"
        gate.set()
        await run.until("slow", lambda told: told.state == "done")

    assert held <= 256 * 1024
    assert sorted(seen) == list(range(40))
