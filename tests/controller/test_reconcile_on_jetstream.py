"""The reconcile against a real nats-server: nothing twice, and edits of a live graph."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from controller.building import Lab, catalogue, chain, pipeline
from interact._server import Server, nats_server

from controller import wires

MIB = 2**20


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with nats_server() as running:
        yield running


@pytest.fixture
async def lab(server):
    """The small pipeline, running, its streams on a real server."""
    async with wires.connected(server) as broker:
        made = Lab(*catalogue(), chain())
        small = replace(
            made.world.policy, stream_bytes=MIB, state_bytes=MIB, dead_letter_bytes=MIB,
            images_bytes=MIB,
        )  # fmt: skip
        made.world = replace(made.world, broker=broker, policy=small)
        await made.run()
        yield made
        for stream in await broker.of_pipeline("lab", "scan"):
            await broker.remove(stream.name)


async def seen(lab):
    return {one.name: one for one in await lab.world.broker.of_pipeline("lab", "scan")}


async def test_what_the_server_makes_of_our_plan_differs_in_nothing(lab):
    before = await seen(lab)
    lab.forget_writes()

    await lab.look(times=3)

    assert lab.condition("Ready") == ("True", "Running")
    assert lab.writes == []
    assert await seen(lab) == before
    assert len(before) == 7


async def test_an_edit_of_the_graph_moves_consumers_and_streams(lab):
    lab.memory.replace(
        pipeline(
            "r.frames > b.frames", "b.frames > c.frames", "c.moments > t.parts", "t.image > s.image",
            r={"ref": "reader", "outputs": [{"name": "frames", "delivery": {"maxBytes": "2Mi"}}]},
            b="smooth", c={"ref": "centre", "replicas": 2}, t="total", s="show",
        )
    )  # fmt: skip
    await lab.run(times=5)

    there = await seen(lab)
    assert lab.condition("Ready") == ("True", "Running")
    assert set(there["interact_lab_scan_r_frames"].consumers or ()) == {"b_frames"}
    assert there["interact_lab_scan_r_frames"].max_bytes == 2 * MIB
    assert set(there["interact_lab_scan_b_frames"].consumers or ()) == {"c_frames"}


async def test_a_change_of_delivery_makes_the_stream_anew(lab):
    latest = [{"name": "frames", "delivery": {"guarantee": "Latest"}}]

    lab.memory.replace(chain(r={"ref": "reader", "outputs": latest}))
    await lab.run(times=5)

    found = (await seen(lab))["interact_lab_scan_r_frames"]
    assert (found.retention, found.max_msgs_per_subject) == ("limits", 1)
    assert lab.condition("Ready") == ("True", "Running")


async def test_a_stream_that_somebody_deleted_is_made_again(lab):
    await lab.world.broker.remove("interact_lab_scan_t_image")

    await lab.look()

    assert "interact_lab_scan_t_image" in await seen(lab)
    assert any("was missing" in words for _, words in lab.memory.events)


async def test_parameters_reach_the_bucket_and_only_when_they_change(lab):
    before = await lab.world.broker.get("interact-state_lab_scan", "parameters")

    lab.memory.replace(
        chain(c={"ref": "centre", "replicas": 2, "parameters": {"radius": 3}})
    )  # fmt: skip
    await lab.look()

    after = await lab.world.broker.get("interact-state_lab_scan", "parameters")
    assert before is not None
    assert b'"values":{"radius":20.0}' in before
    assert after is not None
    assert b'"c":{"revision":2,"values":{"radius":3.0}}' in after
