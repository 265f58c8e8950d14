"""Parameters and replicas from a command line, as edits of a pipeline."""

import pytest
from cli.cluster import stored
from interact.cli.cluster import changes
from interact.cli.cluster.changes import Assignment, Change
from interact.cli.exits import CommandError, Exit
from interact_api.parameters import Parameter

DECLARED = {
    "sum": [
        Parameter.model_validate(one)
        for one in (
            {"name": "gain", "type": "int", "minimum": 1, "maximum": 100},
            {"name": "mode", "type": "str-enum", "options": ["fast", "exact"]},
            {"name": "title", "type": "str"},
            {"name": "on", "type": "bool"},
            {"name": "a.b-c", "type": "float"},
        )
    ]
}


def refused(function, *arguments, **options):
    with pytest.raises(CommandError) as raised:
        function(*arguments, **options)
    return raised.value


def test_a_parameter_s_name_may_hold_dots_and_its_value_anything():
    read = changes.assignments(["sum.a.b-c=1=2.5"], parameters=True)

    assert read == (Assignment("sum", "a.b-c", "1=2.5"),)


@pytest.mark.parametrize(
    ("texts", "parameters", "words"),
    [
        pytest.param(["sum.gain"], True, "sum.gain: write it as", id="no value"),
        pytest.param(["gain=3"], True, "gain=3: write it as", id="no operator"),
        pytest.param([".gain=3"], True, "write it as operator.parameter", id="an empty operator"),
        pytest.param(["sum.=3"], True, "write it as operator.parameter", id="an empty parameter"),
        pytest.param(["sum.gain=3"], False, "write it as operator=NUMBER", id="a parameter"),
        pytest.param(["sum.gain=3", "sum.gain=4"], True, "given twice", id="twice"),
    ],
)
def test_an_assignment_of_another_form_is_refused(texts, parameters, words):
    error = refused(changes.assignments, texts, parameters=parameters)

    assert (error.code, words in error.lines[0]) == (Exit.USAGE, True), error.lines


def test_values_get_the_type_their_operator_declares():
    texts = ["sum.gain=7", "sum.mode=fast", "sum.title=7", "sum.on=yes", "sum.a.b-c=7"]
    wanted = changes.assignments(texts, parameters=True)

    values = changes.values(stored.pipeline(), wanted, DECLARED)

    assert values == {"sum": {"gain": 7, "mode": "fast", "title": "7", "on": True, "a.b-c": 7.0}}
    assert isinstance(values["sum"]["a.b-c"], float)


def test_every_value_that_is_not_taken_is_told_at_once():
    texts = ["sum.gain=700", "sum.mode=slow", "sum.speed=1", "mum.gain=1"]
    wanted = changes.assignments(texts, parameters=True)

    error = refused(changes.values, stored.pipeline(), wanted, DECLARED)

    said = "\n".join(error.lines)
    assert (error.code, len(error.lines)) == (Exit.INVALID, 4)
    assert all(
        word in said
        for word in (
            "at most 100", "one of fast, exact", "no parameter 'speed'; known: a.b-c, gain",
            "no operator 'mum'",
        )
    ), said  # fmt: skip


def test_a_value_is_added_to_those_that_are_there():
    entry = {"name": "sum", "operatorRef": {"name": "a"}, "parameters": {"gain": 3, "on": True}}
    found = stored.pipeline("reader", entry)

    edits, made = changes.parameter_edits(found, {"sum": {"gain": 7, "on": True}})

    assert edits == [
        {"op": "test", "path": "/metadata/uid", "value": "u-1"},
        {"op": "test", "path": "/spec/operators/1/name", "value": "sum"},
        {"op": "add", "path": "/spec/operators/1/parameters/gain", "value": 7},
    ]
    assert made == [Change("sum", "gain", "3", "7")]


def test_the_first_value_of_an_operator_makes_its_parameters():
    edits, made = changes.parameter_edits(stored.pipeline(), {"reader": {"a": 1}, "sum": {"b": 2}})

    assert edits == [
        {"op": "add", "path": "/spec/operators/0/parameters", "value": {}},
        {"op": "add", "path": "/spec/operators/0/parameters/a", "value": 1},
        {"op": "add", "path": "/spec/operators/1/parameters", "value": {}},
        {"op": "add", "path": "/spec/operators/1/parameters/b", "value": 2},
    ]
    assert [one.words for one in made] == [
        "reader.a = 1 (was its default)",
        "sum.b = 2 (was its default)",
    ]


def test_true_and_one_are_two_values():
    entry = {"name": "sum", "operatorRef": {"name": "a"}, "parameters": {"on": 1, "gain": 7.0}}

    edits, _ = changes.parameter_edits(stored.pipeline(entry), {"sum": {"on": True, "gain": 7}})

    assert edits[2:] == [{"op": "add", "path": "/spec/operators/0/parameters/on", "value": True}]


def test_an_operator_feels_a_change_of_its_value_and_not_the_first_mention_of_its_default():
    declared = {
        "sum": [
            Parameter.model_validate({"name": name, "type": "int", "default": "7"})
            for name in ("said", "unsaid", "moved", "wrong")
        ]
    }
    entry = {
        "name": "sum",
        "operatorRef": {"name": "a"},
        "parameters": {"said": "7", "moved": 8, "wrong": "many"},
    }

    felt = changes.felt(
        stored.pipeline("reader", entry),
        {"sum": dict.fromkeys(("said", "unsaid", "moved", "wrong"), 7)},
        declared,
    )

    assert felt == {"sum": ["moved", "wrong"]}


def test_fixed_replicas_replace_a_scale():
    entry = {"name": "sum", "operatorRef": {"name": "a"}, "scale": {"min": 1, "max": 4}}

    edits, made = changes.replica_edits(stored.pipeline("reader", entry), {"sum": 3, "reader": 1})

    assert edits == [
        {"op": "add", "path": "/spec/operators/0/replicas", "value": 1},
        {"op": "remove", "path": "/spec/operators/1/scale"},
        {"op": "add", "path": "/spec/operators/1/replicas", "value": 3},
    ]
    assert made[1].words == "sum.replicas = 3 (was scaled by what is pending)"


@pytest.mark.parametrize("number", ["0", "129", "-1", "1.5", "many", "", "٣", "9" * 40])
def test_replicas_are_a_number_within_bounds(number):
    wanted = changes.assignments([f"sum={number}"], parameters=False)

    error = refused(changes.replicas, stored.pipeline(), wanted)

    assert (error.code, "from 1 to 128" in error.lines[0]) == (Exit.INVALID, True)


def test_an_operator_without_a_namespace_is_in_the_pipeline_s():
    other = {"name": "show", "operatorRef": {"name": "display", "namespace": "shared"}}

    found = changes.references(stored.pipeline("sum", "reader", other), ["sum", "show"])

    assert found == {"sum": ("lab", "a-sum"), "show": ("shared", "display")}
