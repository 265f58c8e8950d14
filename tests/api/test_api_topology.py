"""The shape of a pipeline: its order, its rings, and the lanes of its messages."""

import pytest
from interact_api import topology


def lanes(pipeline, catalogue):
    return topology.lanes(pipeline, topology.connections(pipeline, catalogue))


def test_a_chain_keeps_the_lane_of_its_source(make_pipeline, catalogue):
    pipeline = make_pipeline(
        "r.frames > c.frames", "c.moments > t.parts", r="reader", c="centre", t="total"
    )

    assert lanes(pipeline, catalogue) == {"r": ("r",), "c": ("r",), "t": ("r",)}


def test_a_merge_appends_where_the_message_came_from(make_pipeline, catalogue):
    pipeline = make_pipeline(
        "r.frames > a.frames",
        "r.frames > b.frames",
        "a.frames > m.frames",
        "b.frames > m.frames",
        "m.frames > s.anything",
        r="reader",
        a="correct",
        b="correct",
        m="correct",
        s="show",
    )

    assert lanes(pipeline, catalogue)["m"] == ("r>a.frames", "r>b.frames")
    assert lanes(pipeline, catalogue)["s"] == ("r>a.frames", "r>b.frames")


def test_a_zip_passes_the_lane_on(make_pipeline, catalogue):
    pipeline = make_pipeline(
        "r.frames > a.frames",
        "r.frames > z.above",
        "a.moments > z.below",
        r="reader",
        a="centre",
        z="divide",
    )

    assert lanes(pipeline, catalogue)["z"] == ("r",)


def test_a_side_input_is_no_lane(make_pipeline, catalogue):
    pipeline = make_pipeline(
        "r.frames > c.frames", "d.dark > c.dark", r="reader", d="reader", c="correct"
    )

    assert lanes(pipeline, catalogue)["c"] == ("r",)


def test_a_reducer_sends_one_lane_for_each_source(make_pipeline, catalogue):
    pipeline = make_pipeline(
        "r.frames > a.frames",
        "r.frames > b.frames",
        "q.frames > e.frames",
        "a.moments > t.parts",
        "b.moments > t.parts",
        "e.moments > t.parts",
        r="reader",
        q="reader",
        a="centre",
        b="centre",
        e="centre",
        t="total",
    )

    assert lanes(pipeline, catalogue)["t"] == ("q", "r")


def test_operators_are_ordered_after_what_feeds_them(make_pipeline):
    pipeline = make_pipeline("c.x > s.y", "r.x > c.y", s="show", c="centre", r="reader")

    assert topology.order(pipeline) == ("r", "c", "s")
    assert topology.ancestors(pipeline)["s"] == {"r", "c", "s"}


@pytest.mark.parametrize(
    ("edges", "ring"),
    [
        pytest.param(["a.x > b.y"], set(), id="no ring"),
        pytest.param(["a.x > a.y"], {"a"}, id="itself"),
        pytest.param(["a.x > b.y", "b.x > c.y", "c.x > a.y"], {"a", "b", "c"}, id="three"),
        pytest.param(["a.x > z.y", "z.x > a.y"], set(), id="through one that is not there"),
    ],
)
def test_a_ring_is_told_by_its_operators(edges, ring, make_pipeline):
    pipeline = make_pipeline(*edges, a="correct", b="correct", c="correct")

    assert set(topology.cycle(pipeline)) == ring
