"""Every bench in a tiny form: it runs, and what it counted adds up. Nothing is timed."""

import asyncio

import numpy as np
import pytest
from interact import _codec
from interact_stem.planted import Planted

from benchmarks import (
    counted,
    growth,
    header,
    inline,
    kernels,
    latency,
    live,
    memory,
    passage,
    raw,
    recovery,
    wire,
    zeromq,
)  # fmt: skip
from benchmarks.flow import SERVER


@pytest.fixture(scope="module")
def payloads():
    return {
        name: _codec.encode(batch, identity=bytes(16), lane="source")
        for name, (batch, _) in inline.batches().items()
    }


@pytest.mark.parametrize("side", [inline.sdk, inline.bare], ids=["SDK", "bare loop"])
def test_both_sides_pass_every_message_on_and_acknowledge_it(payloads, side):
    for payload in payloads.values():
        microseconds, broker = side(payload, 3)

        assert microseconds > 0
        assert (broker.left, broker.published, broker.acked, broker.handed_back) == (0, 3, 3, 0)
        assert broker.bytes_published == pytest.approx(3 * len(payload), abs=3 * 128)


def test_header_bytes_are_those_that_are_no_data():
    batches = header.batches()

    sizes = {name: header.header_bytes(batch) for name, batch in batches.items()}

    assert sizes["dense"] <= 256
    assert sizes["sparse"] > 4 * header.FRAMES  # the numbers of events are counted as header


def test_the_kernels_agree_with_stempy_before_they_are_timed():
    assert kernels.sparse_figure(20, runs=1, calls=1).unit == "frames/s"


def test_raw_loops_have_the_messages_and_the_results_of_the_operators():
    parameters = {
        "scan_rows": 4, "scan_columns": 6, "detector_rows": 18, "detector_columns": 30, "dose": 7,
        "frames_per_message": 5,
    }  # fmt: skip
    planted = Planted((4, 6), (18, 30), dose=7, per_message=5)

    pool, frames = raw._pool(parameters)

    index, there, events = raw.HEAD.unpack_from(pool[1])
    assert (len(pool), frames, index, there, events) == (4, 5, 5, 5, 35)
    moments = np.frombuffer(raw._moments(pool[1], 5, 5, 35), np.int64, -1, raw.HEAD.size)
    np.testing.assert_array_equal(moments.reshape(5, 3), planted.moments(np.arange(5, 10)))


@pytest.mark.nats
@pytest.mark.slow
@pytest.mark.parametrize(
    ("stages", "module"),
    [
        pytest.param(counted.stages(), "interact", id="counted frames by the SDK"),
        pytest.param(wire.stages(), passage.RAW, id="small messages by raw loops"),
    ],
)
def test_a_chain_passes_frames_and_every_process_is_measured(stages, module):
    found = asyncio.run(passage.passage(stages, module=module, seconds=0.1, warm=0.0))

    assert found.rate > 0
    assert set(found.cpu) == {SERVER, *(stage.name for stage in stages)}


@pytest.mark.nats
@pytest.mark.slow
def test_the_memory_of_every_process_is_seen():
    found, frames = asyncio.run(memory.growth(wire.stages(), seconds=0.1, warm=0.0))

    assert frames > 0
    assert set(found) == {SERVER, "source", "worker", "sink"}
    assert all(before > 5 for before, _ in found.values())


@pytest.mark.nats
@pytest.mark.slow
def test_a_killed_replica_leaves_no_frame_behind():
    found = asyncio.run(
        recovery.recovery(ack_wait=1, replicas=2, settle=0.3, until_full_rate=False)
    )

    assert (found.held == 0) == (found.complete == 0)


@pytest.mark.nats
@pytest.mark.slow
def test_the_age_of_every_frame_is_noted():
    found = asyncio.run(latency.ages(rate=200, frames=40, warm=10))

    assert len(found) == 40
    assert all(0 < age < 60_000 for age in found)


@pytest.mark.nats
@pytest.mark.slow
def test_every_change_takes_effect_and_every_call_is_answered():
    found = asyncio.run(live.found(count=3))

    assert (len(found.effect), len(found.answer)) == (3, 3)
    assert all(0 < milliseconds < 60_000 for milliseconds in (*found.effect, *found.answer))


def test_messages_pass_through_plain_sockets():
    assert zeromq.rate(64, seconds=0.1, warm=0.0) > 0


def test_chains_grow_by_their_workers():
    assert [stage.replicas for stage in growth.wide(4)] == [1, 4, 1]
    assert len(growth.long(20)) == 22
