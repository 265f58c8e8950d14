"""Graphs: every problem at once, each with its place, its reason and a remedy."""

import pytest
from interact_api import graph
from interact_api.conditions import Reason
from interact_api.load import load

READ = "reader"


def reasons(pipeline, catalogue):
    return [(one.path, one.reason) for one in graph.problems(pipeline, catalogue)]


@pytest.mark.parametrize(
    ("edges", "operators"),
    [
        pytest.param(["r.frames > c.frames"], {"r": READ, "c": "centre"}, id="a chain"),
        pytest.param(
            [
                "r.frames > a.frames",
                "r.frames > b.frames",
                "a.moments > t.parts",
                "b.moments > t.parts",
            ],
            {"r": READ, "a": "centre", "b": "centre", "t": "total"},
            id="fan-out and fan-in",
        ),
        pytest.param(
            ["r.frames > a.frames", "r.frames > z.above", "a.moments > z.below"],
            {"r": READ, "a": "centre", "z": "divide"},
            id="a diamond of frames",
        ),
        pytest.param(
            ["r.frames > c.frames", "r.dark > c.dark"],
            {"r": READ, "c": "correct"},
            id="a side input from a Latest port",
        ),
        pytest.param(["r.frames > c.frames"], {"r": READ, "c": "correct"}, id="no side input"),
        pytest.param(
            ["r.frames > c.frames"],
            {"r": READ, "c": {"ref": "centre", "scale": {"max": 8}}},
            id="a parallel operator that scales",
        ),
        pytest.param(
            [
                "r.frames > c.frames",
                "c.moments > t.parts",
                "t.image > z.above",
                "t.partial > s.anything",
                "t.image > z.below",
            ],
            {"r": READ, "c": "centre", "t": "total", "z": "divide", "s": "show"},
            id="a zip of what is reduced on both sides",
        ),
        pytest.param([], {}, id="nothing"),
    ],
)
def test_a_sound_pipeline_has_no_problems(edges, operators, make_pipeline, catalogue):
    assert graph.problems(make_pipeline(*edges, **operators), catalogue) == ()


@pytest.mark.parametrize(
    ("edges", "operators", "path", "reason"),
    [
        pytest.param(
            [],
            {"r": "raeder"},
            "spec.operators[0].operatorRef.name",
            Reason.OPERATORS_NOT_FOUND,
            id="an operator that is not installed",
        ),
        pytest.param(
            ["r.frames > z.frames"],
            {"r": READ},
            "spec.edges[0].to",
            Reason.UNKNOWN_OPERATOR,
            id="an edge that ends nowhere",
        ),
        pytest.param(
            ["r.fames > s.anything", "r.frames > s.anything"],
            {"r": READ, "s": "show"},
            "spec.edges[0].from",
            Reason.UNKNOWN_PORT,
            id="a misspelt port",
        ),
        pytest.param(
            ["r.frames > s.anything"],
            {"r": {"ref": READ, "outputs": [{"name": "fames"}]}, "s": "show"},
            "spec.operators[0].outputs[0].name",
            Reason.UNKNOWN_PORT,
            id="the delivery of a misspelt port",
        ),
        pytest.param(
            ["r.dark > c.frames"],
            {"r": READ, "c": "centre"},
            "spec.edges[0]",
            Reason.TYPE_MISMATCH,
            id="an image for frames",
        ),
        pytest.param(
            [],
            {"c": "centre"},
            "spec.operators[0]",
            Reason.UNCONNECTED_INPUT,
            id="an input that nothing feeds",
        ),
        pytest.param(
            ["r.frames > d.frames", "d.frames > c.frames", "c.frames > d.frames"],
            {"r": READ, "d": "correct", "c": "correct"},
            "spec.edges",
            Reason.CYCLE,
            id="two operators that feed each other",
        ),
        pytest.param(
            ["r.frames > d.frames", "d.frames > d.frames"],
            {"r": READ, "d": "correct"},
            "spec.edges",
            Reason.CYCLE,
            id="an operator that feeds itself",
        ),
        pytest.param(
            ["r.frames > s.anything"],
            {"r": READ, "s": {"ref": "show", "replicas": 2}},
            "spec.operators[1].replicas",
            Reason.NOT_PARALLEL,
            id="replicas of what is not parallel",
        ),
        pytest.param(
            ["r.frames > s.anything"],
            {"r": {"ref": READ, "scale": {"max": 2}}, "s": "show"},
            "spec.operators[0].scale.max",
            Reason.NOT_PARALLEL,
            id="a source that scales",
        ),
        pytest.param(
            ["r.frames > z.above", "r.frames > z.below"],
            {"r": READ, "z": {"ref": "divide", "replicas": 3}},
            "spec.edges[0]",
            Reason.JOIN_MISUSE,
            id="replicas of a zip",
        ),
        pytest.param(
            ["r.frames > z.above", "a.frames > z.above", "r.frames > z.below"],
            {"r": READ, "a": READ, "z": "divide"},
            "spec.operators[2]",
            Reason.JOIN_MISUSE,
            id="two edges into a zipped input",
        ),
        pytest.param(
            ["r.dark > z.above", "r.frames > z.below"],
            {"r": READ, "z": "divide"},
            "spec.edges[0]",
            Reason.LATEST_MISUSE,
            id="a zip of a port that drops",
        ),
        pytest.param(
            ["r.frames > z.above", "r.frames > z.below"],
            {
                "r": {
                    "ref": READ,
                    "outputs": [{"name": "frames", "delivery": {"onFull": "DropOldest"}}],
                },
                "z": "divide",
            },
            "spec.edges[0]",
            Reason.LATEST_MISUSE,
            id="a zip of a stream that drops when full",
        ),
        pytest.param(
            ["r.frames > c.frames", "c.moments > t.parts"],
            {
                "r": {
                    "ref": READ,
                    "outputs": [{"name": "frames", "delivery": {"onFull": "DropOldest"}}],
                },
                "c": "centre",
                "t": "total",
            },
            "spec.edges[0]",
            Reason.LATEST_MISUSE,
            id="a reducer below a stream that overwrites",
        ),
        pytest.param(
            ["r.frames > c.frames", "r.dark > c.dark"],
            {
                "r": {
                    "ref": READ,
                    "outputs": [{"name": "dark", "delivery": {"guarantee": "AtLeastOnce"}}],
                },
                "c": "correct",
            },
            "spec.edges[1]",
            Reason.LATEST_MISUSE,
            id="a side input from a port that keeps nothing",
        ),
        pytest.param(
            [
                "r.frames > a.frames",
                "r.frames > b.frames",
                "a.moments > s.anything",
                "b.moments > s.anything",
                "r.frames > t.frames",
                "t.moments > z.above",
                "m.frames > z.below",
                "r.frames > m.frames",
                "t.moments > m.frames",
            ],
            {
                "r": READ,
                "a": "centre",
                "b": "centre",
                "s": "show",
                "t": "centre",
                "z": "divide",
                "m": "correct",
            },
            "spec.edges[6]",
            Reason.JOIN_MISUSE,
            id="a zip behind a merge",
        ),
        pytest.param(
            [
                "r.frames > c.frames",
                "c.moments > t.parts",
                "t.image > z.above",
                "r.frames > z.below",
            ],
            {"r": READ, "c": "centre", "t": "total", "z": "divide"},
            "spec.edges[3]",
            Reason.DIAMOND_DEADLOCK,
            id="a scan joined with its own sum",
        ),
        pytest.param(
            [],
            {"o": "once"},
            "spec.operators[0].operatorRef.name",
            Reason.NOT_STREAMING,
            id="an operator that runs on demand",
        ),
        pytest.param(
            ["r.frames > c.frames"],
            {"r": READ, "c": {"ref": "centre", "parameters": {"radus": 3}}},
            "spec.operators[1].parameters.radus",
            Reason.UNKNOWN_PARAMETER,
            id="a misspelt parameter",
        ),
        pytest.param(
            ["r.frames > c.frames"],
            {"r": READ, "c": {"ref": "centre", "parameters": {"radius": -3}}},
            "spec.operators[1].parameters.radius",
            Reason.INVALID_PARAMETER,
            id="a parameter out of its bounds",
        ),
        pytest.param(
            [],
            {"r": {"ref": READ, "parameters": {}}},
            "spec.operators[0].parameters.path",
            Reason.MISSING_PARAMETER,
            id="a required parameter without a value",
        ),
    ],
)
def test_a_broken_graph_is_named(edges, operators, path, reason, make_pipeline, catalogue):
    found = reasons(make_pipeline(*edges, **operators), catalogue)

    assert (path, reason) in found


def test_a_port_that_holds_a_scan_may_be_joined_with_its_sum(make_pipeline, catalogue):
    holds = {"name": "frames", "delivery": {"maxBytes": "4Gi", "holdsScan": True}}
    pipeline = make_pipeline(
        "r.frames > c.frames",
        "c.moments > t.parts",
        "t.image > z.above",
        "r.frames > z.below",
        r={"ref": READ, "outputs": [holds]},
        c="centre",
        t="total",
        z="divide",
    )

    assert graph.problems(pipeline, catalogue) == ()


def test_one_port_feeds_two_unjoined_inputs_only_once(make_pipeline):
    text = """
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {name: two}
spec:
  image: example/two:1
  inputs: [{name: left}, {name: right}]
---
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {name: reader}
spec: {image: "example/reader:1", outputs: [{name: frames}], parameters: [{name: path, type: mount}]}
"""
    pipeline = make_pipeline("r.frames > t.left", "r.frames > t.right", r="reader", t="two")

    (problem,) = graph.problems(pipeline, load(text).catalogue())

    assert (problem.path, problem.reason) == ("spec.edges[1]", Reason.JOIN_MISUSE)
    assert "also t.left" in problem.message


def test_all_problems_come_at_once_with_a_remedy(make_pipeline, catalogue):
    pipeline = make_pipeline(
        "r.frames > c.fames",
        "q.frames > c.frames",
        r={"ref": READ, "parameters": {"repeat": "11"}},
        c={"ref": "centre", "replicas": 4, "parameters": {"method": "square"}},
        x="missing",
    )

    found = graph.problems(pipeline, catalogue)

    assert {one.reason for one in found} == {
        Reason.MISSING_PARAMETER,
        Reason.INVALID_PARAMETER,
        Reason.OPERATORS_NOT_FOUND,
        Reason.UNKNOWN_PORT,
        Reason.UNKNOWN_OPERATOR,
    }
    assert all(";" in one.message for one in found)


def test_many_paths_are_refused_before_they_grow_without_bound(make_pipeline, catalogue):
    edges = ["r.frames > a0.frames", "r.frames > b0.frames"]
    operators = {"r": READ, "a0": "correct", "b0": "correct"}
    for n in range(12):
        operators |= {f"a{n + 1}": "correct", f"b{n + 1}": "correct"}
        edges += [f"{x}{n}.frames > {y}{n + 1}.frames" for x in "ab" for y in "ab"]

    found = reasons(make_pipeline(*edges, **operators), catalogue)

    assert {reason for _, reason in found} == {Reason.JOIN_MISUSE}
    assert found[0][0] == "spec.operators[19]"  # a9: 512 paths


def test_a_default_that_its_operator_does_not_take_is_found(catalogue):
    centre = catalogue["centre"].to_object()
    centre["spec"]["parameters"][0]["default"] = -4
    wrong = type(catalogue["centre"]).model_validate(centre)

    (problem,) = graph.operator_problems(wrong)

    assert problem.path == "spec.parameters[0].default"
    assert "at least 0 px" in problem.message
