"""The specification of a local run: changes are checked, numbered, and taken as a whole."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact import _live_values
from interact.cli.specification import Specification
from interact_api.load import load

TEXT = """\
apiVersion: interact.science/v1alpha1
kind: Pipeline
metadata: {name: demo}
spec:
  operators:
    - {name: one, operatorRef: {name: kind}}
    - {name: two, operatorRef: {name: kind}}
---
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {name: kind}
spec:
  image: example.org/kind
  inputs: [{name: in, type: dense}]
  parameters:
    - {name: gain, type: int, default: 1, minimum: 0, maximum: 9}
    - {name: exact, type: bool, default: false}
    - {name: file, type: mount}
"""


def made():
    found = load(TEXT, origin="test")
    operators = {one.metadata.name: one for one in found.operators}
    start = {"gain": 1, "exact": False, "file": None}
    return Specification(found.pipelines[0], operators, {"one": start, "two": start})


def set_(specification, **values):
    return specification.change({"one": values}, by="anna", at="now")


def test_a_change_gets_the_next_revision_and_its_author():
    specification = made()

    write = set_(specification, gain="3")

    assert (write.revision, specification.revision) == (2, 2)
    assert [(one.parameter, one.before, one.after) for one in write.changes] == [("gain", 1, 3)]
    assert specification.authors == {"one": {"by": "anna", "at": "now", "revision": 2}}


def test_the_document_is_what_operators_read():
    specification = made()
    set_(specification, gain=3)

    document = _live_values.parsed(specification.document)

    assert document.revision == 2
    assert dict(document.entries["one"].values) == {"gain": 3, "exact": False, "file": None}
    assert (document.entries["one"].revision, document.entries["two"].revision) == (2, 1)
    assert json.loads(specification.document)["one"]["by"] == "anna"


def test_of_a_change_with_a_mistake_nothing_is_taken_and_every_mistake_is_told():
    specification = made()

    write = specification.change(
        {"one": {"gain": 10, "exact": "perhaps", "gian": 1}, "two": {"gain": 2}, "three": {"a": 1}},
        by="anna", at="now",
    )  # fmt: skip

    assert [one.field for one in write.refusals] == ["one.gain", "one.exact", "one.gian", "three"]
    assert write.refusals[0].path == "spec.operators[0].parameters.gain"
    assert "at most 9" in write.refusals[0].message
    assert (write.revision, specification.revision, specification.authors) == (1, 1, {})


def test_a_change_to_what_is_so_already_is_none():
    specification = made()

    assert set_(specification, gain=1).changes == ()
    assert set_(specification, exact="false").changes == ()
    assert specification.revision == 1


def test_a_relative_path_starts_where_the_command_was_given():
    specification = made()

    specification.change({"one": {"file": "scan.h5"}}, by="", at="", folder="/data")
    specification.change({"two": {"file": "/scan.h5"}}, by="", at="", folder="/data")

    values = specification.values
    assert (values["one"]["file"], values["two"]["file"]) == ("/data/scan.h5", "/scan.h5")


def test_a_change_is_overtaken_by_a_later_one_of_the_same_parameter_only():
    specification = made()
    first = set_(specification, gain=3, exact=True)
    second = specification.change({"two": {"gain": 4}}, by="", at="")
    third = set_(specification, gain=5)
    refused = set_(specification, gain=50)

    assert specification.overtaken(first) == ("one.gain",)
    assert specification.overtaken(second) == specification.overtaken(third) == ()
    assert refused.refusals


@given(st.lists(st.tuples(st.sampled_from(["one", "two"]), st.integers(-1, 10)), max_size=30))
def test_the_last_accepted_value_holds_and_every_other_change_is_overtaken(changes):
    specification = made()
    writes = [
        specification.change({operator: {"gain": gain}}, by="", at="") for operator, gain in changes
    ]

    last = {"one": 1, "two": 1} | {o: gain for o, gain in changes if 0 <= gain <= 9}
    assert {name: own["gain"] for name, own in specification.values.items()} == last
    for number, (write, (operator, gain)) in enumerate(zip(writes, changes, strict=True)):
        assert bool(write.refusals) == (not 0 <= gain <= 9)
        later = any(o == operator and 0 <= g <= 9 for o, g in changes[number + 1 :])
        assert bool(specification.overtaken(write)) == (bool(write.changes) and later)


@pytest.mark.parametrize("values", [{"one": {"gain": None}}, {"one": {"gain": [1]}}])
def test_a_value_of_another_type_is_refused(values):
    assert made().change(values, by="", at="").refusals
