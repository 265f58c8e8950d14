"""`interact set` and `scale` on a real API server; statuses are what a controller would write."""

import threading

import pytest
from cli.cluster import labs
from cli.cluster.stored import operator_state
from interact.cli.cluster import changes, changing, connecting, objects
from interact.cli.cluster.kinds import PIPELINE
from interact.cli.cluster.options import Where
from interact.cli.cluster.waits import Patience
from interact.cli.exits import Exit


def test_set_types_the_value_and_tells_the_revision(lab):
    said = lab.said("set", "demo", "sum.gain=7", "sum.mode=exact")

    found = lab.get()
    assert found["spec"]["operators"][1]["parameters"] == {"gain": 7, "mode": "exact"}
    assert said == (
        "pipeline 'demo': sum.gain = 7 (was its default), sum.mode = exact (was fast); "
        f"revision {found['metadata']['generation']} is set\n"
    )


def test_set_owns_what_it_sets_and_nothing_else(lab):
    lab.said("set", "demo", "sum.gain=7")

    owned = {one["manager"]: one["fieldsV1"] for one in lab.get()["metadata"]["managedFields"]}
    operators = owned["interact-cli"]["f:spec"]["f:operators"]
    assert operators == {'k:{"name":"sum"}': {"f:parameters": {"f:gain": {}}}}


def test_set_of_what_is_so_already_changes_nothing(lab):
    before = lab.get()["metadata"]["resourceVersion"]

    said = lab.said("set", "demo", "sum.mode=fast")

    assert "all is so already" in said
    assert lab.get()["metadata"]["resourceVersion"] == before


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        pytest.param("sum.gain=700", Exit.INVALID, "at most 100", id="out of bounds"),
        pytest.param("sum.gain=many", Exit.INVALID, "a whole number", id="of another type"),
        pytest.param("sum.speed=1", Exit.INVALID, "no parameter 'speed'", id="unknown parameter"),
        pytest.param("mum.gain=1", Exit.INVALID, "no operator 'mum'", id="unknown operator"),
        pytest.param("sum.gain", Exit.USAGE, "operator.parameter=value", id="no value"),
    ],
)
def test_set_refuses_before_anything_is_sent(lab, text, code, words):
    before = lab.get()["metadata"]["resourceVersion"]

    refused, err = lab.refused("set", "demo", "sum.mode=exact", text)

    assert (refused, words in err) == (code, True), err
    assert lab.get()["metadata"]["resourceVersion"] == before


def test_set_of_an_operator_that_is_not_in_the_catalogue_names_those_that_are(lab):
    lab.kube.delete("interactoperators", "adding")

    code, err = lab.refused("set", "demo", "sum.gain=7")

    assert code is Exit.NOT_FOUND
    assert "no interactoperator 'adding'" in err
    assert "there are counting" in err


def test_sets_of_two_people_at_once_both_last(lab):
    sums = [f"sum{number}" for number in range(4)]
    extra = [{"name": name, "operatorRef": {"name": "adding"}} for name in sums]
    lab.kube.apply(labs.pipeline("wide", operators=extra, edges=[]))
    done = []

    def person(name):
        where = connecting.place(Where(lab.where[1], namespace=lab.where[3]))
        asked = changing.Asked(where, "wide", None, False, Patience(0, done.append))
        for gain in range(1, 6):
            changing.set_parameters(asked, [f"{name}.gain={gain}"])
        done.append(name)

    people = [threading.Thread(target=person, args=(name,)) for name in sums]
    for one in people:
        one.start()
    for one in people:
        one.join(60)

    assert sorted(done) == sums
    found = lab.get("wide")
    assert [one["parameters"] for one in found["spec"]["operators"]] == [{"gain": 5}] * 4
    assert found["metadata"]["generation"] == 21


def test_set_waits_until_the_revision_is_in_effect(lab):
    def controller():
        generation = lab.get()["metadata"]["generation"]
        states = [operator_state("sum", parameterRevision=generation)]
        lab.write_status(phase="Running", operators=states)

    code, out, _ = labs.answered(lab, ("set", "demo", "sum.gain=7"), controller)

    assert (code, "is in effect" in out) == (0, True), out


def test_a_value_that_somebody_has_changed_again_is_said_to_be_overtaken(lab):
    def controller():
        lab.said("set", "demo", "sum.gain=9")
        generation = lab.get()["metadata"]["generation"]
        lab.write_status(operators=[operator_state("sum", parameterRevision=generation)])

    code, out, _ = labs.answered(lab, ("set", "demo", "sum.gain=7"), controller)

    assert code == 0
    assert "revision 2 was overtaken by a later change: sum.gain is 9 now" in out


def test_a_wait_ends_in_time_and_says_that_nobody_looked(lab):
    code, err = lab.refused("set", "demo", "sum.gain=7", "--wait", "--timeout", "0")

    assert code is Exit.TIMEOUT
    assert "the controller has not seen the change yet" in err
    assert lab.get()["spec"]["operators"][1]["parameters"]["gain"] == 7


def test_a_value_an_operator_refuses_while_it_runs_is_an_error(lab):
    def controller():
        refusal = [{"name": "gain", "message": "the detector is too small"}]
        lab.write_status(operators=[operator_state("sum", refusedParameters=refusal)])

    code, _, err = labs.answered(lab, ("set", "demo", "sum.gain=7"), controller)

    assert (code, err) == (Exit.INVALID, "sum.gain is refused: the detector is too small")


def test_scale_fixes_replicas_and_removes_a_range(lab):
    found = labs.pipeline()
    found["spec"]["operators"][1]["scale"] = {"min": 1, "max": 4}
    lab.kube.apply(found)

    said = lab.said("scale", "demo", "sum=3")

    entry = lab.get()["spec"]["operators"][1]
    assert (entry["replicas"], "scale" in entry) == (3, False)
    assert "sum.replicas = 3" in said


def test_scale_waits_for_the_replicas(lab):
    def controller():
        lab.write_status(operators=[operator_state("sum", ready=3, replicas=3)])

    code, out, _ = labs.answered(lab, ("scale", "demo", "sum=3"), controller)

    assert (code, "all replicas are ready" in out) == (0, True)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        pytest.param("reader=2", Exit.INVALID, "not parallel", id="a source"),
        pytest.param("sum=0", Exit.INVALID, "from 1 to 128", id="none"),
        pytest.param("mum=2", Exit.INVALID, "no operator 'mum'", id="unknown operator"),
        pytest.param("sum", Exit.USAGE, "operator=NUMBER", id="no number"),
    ],
)
def test_scale_refuses_what_cannot_run(lab, text, code, words):
    refused, err = lab.refused("scale", "demo", text)

    assert (refused, words in err) == (code, True), err


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param({}, id="in whose place there is nothing to change"),
        pytest.param({"gain": 2}, id="in whose place there is"),
    ],
)
def test_a_change_lands_at_its_operator_though_others_were_put_before_it(lab, parameters):
    where = connecting.place(Where(lab.where[1], namespace=lab.where[3]))
    looks = []

    def edits(found):
        looks.append([one["name"] for one in found["spec"]["operators"]])
        if len(looks) == 1:
            new = {
                "operatorRef": {"name": "adding"},
                **({"parameters": parameters} if parameters else {}),
            }
            entries = [{"name": name, **new} for name in ("a", "b")] + found["spec"]["operators"]
            lab.kube.patch("pipelines", "demo", {"spec": {"operators": entries}})
        return changes.parameter_edits(found, {"sum": {"gain": 7}})[0]

    objects.edit(where, PIPELINE, "demo", edits)

    assert looks == [["reader", "sum"], ["a", "b", "reader", "sum"]]
    entries = lab.get()["spec"]["operators"]
    assert [one.get("parameters", {}) for one in entries] == [
        parameters, parameters, {}, {"gain": 7, "mode": "fast"},
    ]  # fmt: skip


def test_a_value_is_set_though_others_change_the_pipeline_all_the_time(lab):
    where = connecting.place(Where(lab.where[1], namespace=lab.where[3]))
    looks = []

    def edits(found):
        looks.append(found)
        lab.kube.patch("pipelines", "demo", {"spec": {"suspend": len(looks) % 2 == 1}})
        return changes.parameter_edits(found, {"sum": {"gain": 7}})[0]

    objects.edit(where, PIPELINE, "demo", edits)

    assert len(looks) == 1
    spec = lab.get()["spec"]
    assert spec["suspend"], "the change of the others stays"
    assert spec["operators"][1]["parameters"] == {"gain": 7, "mode": "fast"}


def test_a_value_is_not_set_on_a_pipeline_that_was_made_anew(lab):
    where = connecting.place(Where(lab.where[1], namespace=lab.where[3]))
    looks = []

    def edits(found):
        looks.append(found["metadata"]["uid"])
        if len(looks) == 1:
            lab.kube.delete("pipelines", "demo")
            lab.kube.apply(labs.pipeline())
        return changes.parameter_edits(found, {"sum": {"gain": 7}})[0]

    objects.edit(where, PIPELINE, "demo", edits)

    assert looks == [looks[0], lab.get()["metadata"]["uid"]]
    assert looks[0] != looks[1]


def test_a_value_that_is_the_default_is_not_waited_for_as_a_revision(lab):
    def controller():
        lab.write_status(operators=[operator_state("sum", parameterRevision=1)])

    code, out, _ = labs.answered(lab, ("set", "demo", "sum.gain=1"), controller)

    assert (code, "sum.gain = 1 (was its default)" in out) == (0, True)
