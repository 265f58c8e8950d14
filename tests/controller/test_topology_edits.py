"""Changes of the graph while frames flow: the sequence of states until the new one is there."""

from controller.building import Lab, catalogue, chain, pipeline
from interact_controller.seen import Kind

FRAMES = "interact_lab_scan_r_frames"
MOMENTS = "interact_lab_scan_c_moments"


def inserted():
    """The chain with an operator between the source and the kernel."""
    return pipeline(
        "r.frames > b.frames",
        "b.frames > c.frames",
        "c.moments > t.parts",
        "t.image > s.image",
        r="reader",
        b="smooth",
        c={"ref": "centre", "replicas": 2},
        t="total",
        s="show",
    )


async def running(*messages: tuple[str, str, int]) -> Lab:
    """The chain, running, with messages waiting at consumers."""
    lab = Lab()
    await lab.run()
    for stream, durable, pending in messages:
        lab.streams.hold(stream, durable, pending)
    lab.forget_writes()
    return lab


async def test_an_inserted_operator_waits_until_what_is_before_it_has_run_empty():
    lab = await running((FRAMES, "c_frames", 5))

    lab.memory.replace(inserted())
    wait = await lab.look()
    paused = lab.replicas(), lab.condition("Ready"), lab.status["phase"]
    lab.streams.hold(FRAMES, "c_frames", 0)
    await lab.look()
    pods_there = lab.replicas()
    lab.kubernetes()
    await lab.look()

    assert paused == (
        {"c": 2, "r": 0, "s": 1, "t": 1},
        ("False", "EdgesDraining"),
        "Progressing",
    )
    assert wait == 1.0
    assert pods_there == {"c": 2, "r": 0, "s": 1, "t": 1}  # the source's pod was still there
    assert lab.replicas() == {"b": 1, "c": 2, "r": 1, "s": 1, "t": 1}
    assert lab.streams.writes == [
        ("put", "parameters"),
        ("remove consumer", f"{FRAMES}/c_frames"),
        ("consumer", f"{FRAMES}/b_frames"),
        ("make", "interact_lab_scan_b_frames"),
        ("update", "interact-chunks_lab_scan_file"),
    ]


async def test_a_reader_goes_on_with_its_old_edges_while_it_empties_them():
    lab = await running((FRAMES, "c_frames", 5))
    before = lab.deployment("c")["spec"]["template"]

    lab.memory.replace(inserted())
    await lab.look(times=2)
    between = lab.deployment("c")["spec"]["template"]
    lab.streams.hold(FRAMES, "c_frames", 0)
    lab.kubernetes()
    await lab.look()

    assert between == before
    assert lab.deployment("c")["spec"]["template"] != before


async def test_an_image_that_mends_a_reader_reaches_it_while_it_empties_its_edges():
    lab = await running((FRAMES, "c_frames", 5))
    lab.memory.replace(inserted())
    await lab.look()

    mended = next(one for one in catalogue() if one["metadata"]["name"] == "centre")
    mended["spec"]["image"] = "example/centre:2"
    lab.memory.replace(mended)
    await lab.look()

    (container,) = lab.deployment("c")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "example/centre:2"
    assert '"durable":"c_frames"' in container["env"][0]["value"]
    assert "scan_b_frames" not in container["env"][0]["value"]


async def test_a_removed_operator_first_finishes_what_it_has_then_what_it_sent():
    lab = await running((FRAMES, "c_frames", 5))
    lab.memory.replace(chain())
    shorter = pipeline("r.frames > s.image", r="reader", s="show")

    states = []
    lab.memory.replace(shorter)
    await lab.look()
    lab.kubernetes()
    states.append(lab.replicas())
    lab.streams.hold(FRAMES, "c_frames", 0)
    lab.streams.hold(MOMENTS, "t_parts", 3)
    await lab.look()
    lab.kubernetes()
    states.append(lab.replicas())
    lab.streams.hold(MOMENTS, "t_parts", 0)
    for _ in range(3):
        await lab.look()
        lab.kubernetes()
    states.append(lab.replicas())

    assert states == [
        {"c": 2, "r": 0, "s": 1, "t": 1},
        {"c": 0, "r": 0, "s": 1, "t": 1},
        {"r": 1, "s": 1},
    ]
    assert MOMENTS not in lab.streams.there
    assert list(lab.streams.there[FRAMES].consumers) == ["s_image"]


async def test_a_change_of_delivery_replaces_the_stream_once_it_is_empty():
    lab = await running((FRAMES, "c_frames", 5))
    latest = [{"name": "frames", "delivery": {"guarantee": "Latest"}}]

    lab.memory.replace(chain(r={"ref": "reader", "outputs": latest}))
    await lab.look()
    between = lab.streams.there[FRAMES].retention
    lab.streams.hold(FRAMES, "c_frames", 0)
    lab.kubernetes()
    await lab.look()

    assert between == "interest"
    assert lab.streams.there[FRAMES].retention == "limits"
    assert lab.streams.writes[:2] == [("remove", FRAMES), ("make", FRAMES)]
    assert lab.replicas()["r"] == 1


async def test_sizes_change_in_place_and_pause_nobody():
    lab = await running((FRAMES, "c_frames", 5))
    bigger = [{"name": "frames", "delivery": {"maxBytes": "1Gi"}}]

    lab.memory.replace(chain(r={"ref": "reader", "outputs": bigger}))
    await lab.look()

    assert lab.streams.there[FRAMES].max_bytes == 2**30
    assert lab.replicas() == {"c": 2, "r": 1, "s": 1, "t": 1}


async def test_a_second_branch_begins_at_once():
    lab = await running((FRAMES, "c_frames", 5))
    wider = chain(d="show")
    wider["spec"]["edges"].append({"from": "r.frames", "to": "d.image"})

    lab.memory.replace(wider)
    await lab.look()

    assert lab.replicas() == {"c": 2, "d": 1, "r": 1, "s": 1, "t": 1}
    assert set(lab.streams.there[FRAMES].consumers) == {"c_frames", "d_image"}


async def test_who_does_not_want_to_wait_says_so_and_loses_what_is_left():
    lab = await running((FRAMES, "c_frames", 5))

    lab.memory.replace(inserted())
    found = next(one for key, one in lab.memory.objects.items() if key.kind is Kind.PIPELINE)
    found["metadata"]["annotations"] = {"interact.science/drop": "true"}
    await lab.look()

    assert lab.replicas()["b"] == 1
    assert "c_frames" not in lab.streams.there[FRAMES].consumers


async def test_an_edit_that_is_taken_back_starts_everybody_again():
    lab = await running((FRAMES, "c_frames", 5))
    lab.memory.replace(inserted())
    await lab.look()
    paused = lab.replicas()["r"]

    lab.memory.replace(chain())
    await lab.run()

    assert (paused, lab.replicas()["r"]) == (0, 1)
    assert lab.condition("Ready") == ("True", "Running")
    assert lab.streams.there[FRAMES].consumers["c_frames"].pending == 5
