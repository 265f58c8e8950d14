"""interactEM: operators and pipelines become ours and come back as they were."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact_api import edits, graph
from interact_api import interactem as em
from interact_api.load import SpecError
from interact_api.operator import Parallel, TriggerMode
from interact_api.parameters import coerce, default_value

SENDER = {
    "id": "12345678-0001-0000-0000-1234567890ab",
    "label": "Benchmark Sender",
    "description": "Sends frames.",
    "image": "ghcr.io/nersc/interactem/benchmark-sender:latest",
    "inputs": None,
    "outputs": [
        {
            "name": "partial frame",
            "label": "The frame",
            "description": "A quarter of it.",
            "type": "partial frame",
        }
    ],
    "parameters": [
        {
            "name": "offsets.emd",
            "label": "Offsets",
            "description": "",
            "type": "mount",
            "default": "~/offsets.emd",
            "required": True,
        },
        {
            "name": "size",
            "label": "Size",
            "description": "",
            "type": "int",
            "default": "255",
            "required": True,
        },
        {
            "name": "method",
            "label": "Method",
            "description": "",
            "type": "str-enum",
            "default": "interp",
            "options": ["plane", "interp"],
            "required": False,
        },
    ],
    "tags": [{"value": "gpu", "description": None}],
    "future": {"key": [1, None]},
}
RECEIVER = {
    "id": "12345678-0002-0000-0000-1234567890ab",
    "label": "Benchmark Receiver",
    "description": "Counts frames.",
    "image": "ghcr.io/nersc/interactem/benchmark-receiver",
    "inputs": [{"name": "in", "label": "In", "description": "", "type": "frame"}],
    "parallel_config": {"type": "embarrassing"},
    "triggers": [{"name": "read_now", "label": "Read", "description": None, "mode": "drain"}],
}


def placed(spec, identity, *, inputs=(), outputs=(), **said):
    """An operator as a canonical pipeline holds it: a copy, its ports as ids only."""
    return {
        **copy.deepcopy(spec),
        "id": identity,
        "spec_id": spec["id"],
        "node_type": "operator",
        "inputs": list(inputs),
        "outputs": list(outputs),
        "parallelism": None,
        **said,
    }


def port(identity, kind, operator):
    return {
        "id": identity,
        "node_type": "port",
        "port_type": kind,
        "canonical_operator_id": operator,
        "portkey": identity,
    }


BENCHMARK = {
    "operators": [
        placed(SENDER, "s", outputs=["s-out"]),
        placed(RECEIVER, "r", inputs=["r-in"], parallelism=32, position={"x": 1.5}),
    ],
    "ports": [port("s-out", "output", "s"), port("r-in", "input", "r")],
    "edges": [{"input_id": "s-out", "output_id": "r-in"}],
}
WORDS = st.text(st.sampled_from("ab .-_/é\n1"), max_size=70)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), WORDS, st.just("nan"))
PORTS = st.lists(
    st.fixed_dictionaries({"name": WORDS, "type": WORDS}, optional={"label": VALUES, "x": VALUES}),
    max_size=4,
)
SPECS = st.fixed_dictionaries(
    {"image": st.sampled_from(["a", "x/b:1", "reg:5000/c@sha256:0"])},
    optional={
        "id": VALUES,
        "label": VALUES,
        "description": VALUES,
        "inputs": st.none() | PORTS,
        "outputs": st.none() | PORTS,
        "parameters": st.lists(
            st.fixed_dictionaries(
                {
                    "name": WORDS,
                    "type": st.sampled_from(["int", "float", "bool", "mount", "str-enum", "x"]),
                    "default": VALUES,
                },
                optional={"options": st.lists(WORDS, max_size=3), "required": VALUES},
            ),
            max_size=4,
        ),
        "tags": st.lists(st.fixed_dictionaries({"value": WORDS}), max_size=3),
        "triggers": st.lists(st.fixed_dictionaries({"name": WORDS, "mode": VALUES}), max_size=3),
        "parallel_config": st.none() | st.fixed_dictionaries({"type": VALUES}),
        "new": VALUES,
    },
)


def test_an_operator_keeps_what_ours_can_say():
    made = em.operator(SENDER)

    assert made.metadata.name == "benchmark-sender"
    assert [(one.name, one.type) for one in made.spec.outputs] == [("partial_frame", "any")]
    assert [default_value(one) for one in made.spec.parameters] == ["~/offsets.emd", 255, "interp"]
    assert made.spec.template.resources is not None
    assert made.spec.template.resources.limits == {"nvidia.com/gpu": 1}
    assert graph.operator_problems(made) == ()


def test_parallelism_and_triggers_are_kept():
    made = em.operator(RECEIVER)

    assert made.spec.parallel_config.type is Parallel.EMBARRASSING
    assert [(one.name, one.mode) for one in made.spec.triggers] == [("read_now", TriggerMode.DRAIN)]


@pytest.mark.parametrize("spec", [SENDER, RECEIVER], ids=["sender", "receiver"])
def test_an_operator_comes_back_as_it_was(spec):
    assert em.operator_json(em.operator(spec)) == spec


@given(SPECS)
def test_any_operator_comes_back_as_it_was(spec):
    made = em.operator(spec)

    assert em.operator_json(made) == json.loads(json.dumps(spec))
    assert graph.operator_problems(made) == ()


def test_an_operator_without_an_image_is_refused():
    with pytest.raises(SpecError, match=r"spec\.image: required field"):
        em.operator({"label": "a"})


def test_a_pipeline_finds_its_ports_by_their_place():
    catalogue = [em.operator(SENDER), em.operator(RECEIVER)]

    resources = em.pipeline(BENCHMARK, name="benchmark", catalogue=catalogue)

    (made,) = resources.pipelines
    assert resources.operators == ()
    assert made.to_object()["spec"] == {
        "operators": [
            {"name": "benchmark-sender", "operatorRef": {"name": "benchmark-sender"}},
            {
                "name": "benchmark-receiver",
                "operatorRef": {"name": "benchmark-receiver"},
                "replicas": 32,
            },
        ],
        "edges": [{"from": "benchmark-sender.partial_frame", "to": "benchmark-receiver.in"}],
    }


def test_a_pipeline_brings_the_operators_the_catalogue_lacks():
    resources = em.pipeline(BENCHMARK, name="benchmark")

    assert [one.metadata.name for one in resources.operators] == [
        "benchmark-sender",
        "benchmark-receiver",
    ]
    assert graph.problems(resources.pipelines[0], resources.catalogue()) == ()


def test_a_value_of_the_pipeline_goes_before_the_default():
    data = copy.deepcopy(BENCHMARK)
    data["operators"][0]["parameters"][1]["value"] = "64"
    catalogue = [em.operator(SENDER), em.operator(RECEIVER)]

    (made,) = em.pipeline(data, name="benchmark", catalogue=catalogue).pipelines

    assert made.spec.operators[0].parameters == {"size": "64"}
    assert coerce(catalogue[0].spec.parameters[1], made.spec.operators[0].parameters["size"]) == 64


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: None, id="as it is"),
        pytest.param(lambda data: data.update(id="p", revision_id=4), id="with a revision"),
        pytest.param(lambda data: data["edges"].append({"input_id": "z"}), id="a dangling edge"),
        pytest.param(lambda data: data["edges"].append(data["edges"][0]), id="an edge twice"),
        pytest.param(lambda data: data["operators"].append(data["operators"][0]), id="one twice"),
        pytest.param(lambda data: data["ports"].clear(), id="without ports"),
        pytest.param(lambda data: data.update(operators=[], edges=[]), id="empty"),
        pytest.param(lambda data: data["operators"][1].update(spec_id="other"), id="a lost spec"),
    ],
)
@pytest.mark.parametrize("known", [True, False], ids=["catalogue", "alone"])
def test_a_pipeline_comes_back_as_it_was(change, known):
    data = copy.deepcopy(BENCHMARK)
    change(data)
    catalogue = [em.operator(SENDER), em.operator(RECEIVER)] if known else []

    resources = em.pipeline(data, name="benchmark", catalogue=catalogue)

    operators = {one.metadata.name: one for one in (*catalogue, *resources.operators)}
    assert em.pipeline_json(resources.pipelines[0], operators) == data


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.floats(0, 2) | st.text("ab", max_size=1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=1), inner),
    max_leaves=8,
)


@given(JSON, JSON)
def test_the_difference_leads_from_one_value_to_the_other(wanted, given_value):
    before = copy.deepcopy(given_value)

    applied = edits.apply(edits.difference(wanted, given_value), given_value)

    assert json.dumps(applied, sort_keys=True) == json.dumps(wanted, sort_keys=True)
    assert given_value == before


def test_equal_values_differ_by_nothing():
    assert edits.difference({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}) == []
