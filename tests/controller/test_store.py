"""The store, what feeds it, and whom that wakes."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from interact_controller import labels
from interact_controller.hearing import Hearing
from interact_controller.seen import Key, Kind, Manifest
from interact_controller.store import Objects, key_of, references, trim

PIPELINE = Key(Kind.PIPELINE, "lab", "scan")
OPERATOR = Key(Kind.OPERATOR, "lab", "sum")
CHILD = Key(Kind.DEPLOYMENT, "lab", "scan-sum")


def thing(key: Key, version: int, uid: str = "1", **more: Any) -> Manifest:
    about = {
        "name": key.name, "namespace": key.namespace, "uid": uid, "resourceVersion": str(version),
        **more.pop("metadata", {}),
    }  # fmt: skip
    return {"apiVersion": "v1", "kind": str(key.kind), "metadata": about, **more}


def child(version: int, pipeline: str = "scan", uid: str = "1", **more: Any) -> Manifest:
    labelled = {"labels": {labels.PIPELINE: pipeline}} if pipeline else {}
    return thing(CHILD, version, uid, metadata=labelled, **more)


def pipeline(version: int, *operators: str, uid: str = "1") -> Manifest:
    placed = [{"name": one, "operatorRef": {"name": one}} for one in operators]
    return thing(PIPELINE, version, uid, spec={"operators": placed})


@dataclass
class Woken:
    """A queue that notes whom it is to wake."""

    now: list[Key] = field(default_factory=list)
    later: list[Key] = field(default_factory=list)

    def wake(self, key: Key) -> None:
        self.now.append(key)

    def wake_after(self, key: Key, seconds: float) -> None:
        assert seconds > 0
        self.later.append(key)

    def taken(self) -> list[Key]:
        found, self.now = self.now, []
        return found


def hearing() -> tuple[Hearing, Objects, Woken]:
    objects, woken = Objects(), Woken()
    return Hearing(objects, woken, lambda: None), objects, woken


def test_what_was_put_is_found_by_key_by_kind_and_by_pipeline() -> None:
    objects = Objects()

    objects.put(pipeline(1, "sum"))
    objects.put(child(2, spec={"replicas": 3}))

    assert objects.get(PIPELINE) == pipeline(1, "sum")
    assert objects.all(Kind.PIPELINE) == (pipeline(1, "sum"),)
    assert objects.of_pipeline(Kind.DEPLOYMENT, "lab", "scan") == (child(2, spec={"replicas": 3}),)
    assert objects.of_pipeline(Kind.DEPLOYMENT, "other", "scan") == ()
    assert objects.of_pipeline(Kind.POD, "lab", "scan") == ()


def test_who_uses_an_operator_is_known_while_they_are_there() -> None:
    objects, other = Objects(), PIPELINE._replace(name="other")
    second = thing(other, 2, "2", spec=pipeline(2, "sum")["spec"])

    objects.put(pipeline(1, "sum"))
    objects.put(second)
    assert (objects.uses(PIPELINE), set(objects.users(OPERATOR))) == ({OPERATOR}, {PIPELINE, other})

    objects.put(pipeline(3, "another"))
    objects.drop(other)
    assert objects.users(OPERATOR) == ()
    assert set(objects.users(OPERATOR._replace(name="another"))) == {PIPELINE}


def test_a_newer_version_wins_whatever_the_order() -> None:
    objects = Objects()

    assert objects.put(child(9, spec={"replicas": 9})) == CHILD
    assert objects.put(child(10, spec={"replicas": 10})) == CHILD
    assert objects.put(child(9, spec={"replicas": 9})) is None
    assert objects.put(child(10, spec={"replicas": 10})) is None

    assert objects.get(CHILD) == child(10, spec={"replicas": 10})


def test_a_child_whose_label_changes_is_found_under_the_new_one_alone() -> None:
    objects = Objects()
    objects.put(child(1))

    objects.put(child(2, "other"))

    assert objects.of_pipeline(Kind.DEPLOYMENT, "lab", "scan") == ()
    assert objects.of_pipeline(Kind.DEPLOYMENT, "lab", "other") == (child(2, "other"),)


def test_late_news_of_what_is_gone_do_not_bring_it_back_and_a_new_one_of_its_name_does() -> None:
    objects = Objects()
    objects.put(child(5))

    assert objects.drop(CHILD, uid="1", version=7)
    assert objects.put(child(6)) is None
    assert objects.put(child(8, uid="2")) == CHILD
    assert not objects.drop(CHILD, uid="1", version=9)

    assert objects.get(CHILD) == child(8, uid="2")


@given(
    st.lists(
        st.tuples(
            st.booleans(), st.integers(1, 6), st.sampled_from(["1", "2"]), st.sampled_from("ab")
        )
    )
)
def test_the_indexes_say_what_the_objects_say(steps: list[tuple[bool, int, str, str]]) -> None:
    objects = Objects()

    for gone, version, uid, label in steps:
        if gone:
            objects.drop(CHILD, uid=uid, version=version)
        else:
            objects.put(child(version, label, uid))

    found = objects.get(CHILD)
    listed = [one for label in "ab" for one in objects.of_pipeline(Kind.DEPLOYMENT, "lab", label)]
    assert listed == ([found] if found else [])
    assert objects.keys(Kind.DEPLOYMENT) == ((CHILD,) if found else ())
    assert len(objects._places) == len(listed)


def test_what_nobody_reads_is_not_kept() -> None:
    pod = thing(
        Key(Kind.POD, "lab", "p"), 1, spec={"containers": []},
        metadata={"managedFields": [{}], "deletionTimestamp": "soon"},
        status={"phase": "Running", "conditions": [], "podIPs": []},
    )  # fmt: skip
    applied = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "mine": "kept"}
    given_pipeline = thing(PIPELINE, 1, metadata={"annotations": applied}, spec={})

    small = trim(Kind.POD, pod)

    assert small == thing(
        Key(Kind.POD, "lab", "p"), 1, metadata={"deletionTimestamp": "soon"},
        status={"phase": "Running", "conditions": []},
    )  # fmt: skip
    assert trim(Kind.PIPELINE, given_pipeline) == thing(
        PIPELINE, 1, metadata={"annotations": {"mine": "kept"}}, spec={}
    )
    assert given_pipeline["metadata"]["annotations"] == applied  # type: ignore[index,call-overload]


# -- whom news wake -----------------------------------------------------------------------------


def test_a_pipeline_wakes_itself_and_later_the_operators_it_begins_to_use() -> None:
    heard, _, woken = hearing()
    heard.took(thing(OPERATOR, 1))

    heard.heard(pipeline(2, "sum", "absent"))

    assert woken.now == [PIPELINE]
    assert woken.later == [OPERATOR]


def test_the_answer_to_our_own_write_wakes_nobody_and_so_does_its_echo() -> None:
    heard, _, woken = hearing()

    heard.took(pipeline(2, "sum"))
    heard.heard(pipeline(2, "sum"))

    assert woken.now == []


def test_an_operator_wakes_the_pipelines_that_use_it_when_its_specification_changes() -> None:
    heard, _, woken = hearing()
    heard.heard(pipeline(1, "sum"))
    woken.taken()

    heard.heard(thing(OPERATOR, 2, metadata={"generation": 1}))
    assert woken.taken() == [OPERATOR, PIPELINE]

    heard.heard(thing(OPERATOR, 3, metadata={"generation": 1}, status={"usedBy": 1}))
    assert woken.taken() == [OPERATOR]

    heard.heard(thing(OPERATOR, 4, metadata={"generation": 2}))
    assert woken.taken() == [OPERATOR, PIPELINE]

    heard.gone(OPERATOR, "1", 5)
    assert woken.taken() == [OPERATOR, PIPELINE]


def test_an_operator_of_the_same_name_made_anew_wakes_who_uses_it() -> None:
    heard, _, woken = hearing()
    heard.heard(pipeline(1, "sum"))
    heard.heard(thing(OPERATOR, 2, "old", metadata={"generation": 1}))
    woken.taken()

    heard.heard(thing(OPERATOR, 3, "new", metadata={"generation": 1}))

    assert woken.taken() == [OPERATOR, PIPELINE]


def test_a_pipeline_that_uses_an_operator_no_more_is_not_woken_by_it() -> None:
    heard, _, woken = hearing()
    heard.heard(thing(OPERATOR, 1, metadata={"generation": 1}))
    heard.heard(pipeline(2, "sum"))
    heard.heard(pipeline(3, "other"))
    woken.taken()

    heard.heard(thing(OPERATOR, 4, metadata={"generation": 2}))

    assert woken.taken() == [OPERATOR]


def test_a_child_wakes_the_pipelines_of_its_old_and_its_new_label_and_its_owner() -> None:
    heard, _, woken = hearing()
    heard.heard(child(1))
    assert woken.later == [PIPELINE]

    moved = child(2, "other")
    moved["metadata"]["ownerReferences"] = [  # type: ignore[index,call-overload]
        {"kind": "Pipeline", "name": "owner", "controller": True}
    ]
    heard.heard(moved)

    named = {key.name for key in woken.later}
    assert named == {"scan", "other", "owner"}


def test_a_child_that_goes_wakes_its_pipeline_once_and_its_late_news_nobody() -> None:
    heard, objects, woken = hearing()
    heard.heard(child(1))
    woken.later.clear()

    heard.gone(CHILD, "1", 3)
    heard.gone(CHILD, "1", 3)
    heard.heard(child(2))

    assert woken.later == [PIPELINE]
    assert objects.get(CHILD) is None


def test_a_foreign_object_that_we_asked_for_is_not_kept() -> None:
    heard, objects, _ = hearing()

    heard.took(child(1, pipeline=""))

    assert objects.get(CHILD) is None


def test_everything_can_be_woken() -> None:
    heard, _, woken = hearing()
    for one in (pipeline(1, "sum"), thing(OPERATOR, 2), child(3)):
        heard.took(one)

    heard.all()

    assert woken.now == [PIPELINE, OPERATOR]


def test_references_are_to_the_pipelines_namespace_unless_they_name_one() -> None:
    given_pipeline = pipeline(1, "sum")
    given_pipeline["spec"]["operators"].append(  # type: ignore[index,call-overload,union-attr]
        {"name": "b", "operatorRef": {"name": "b", "namespace": "shared"}}
    )

    assert references(given_pipeline) == {OPERATOR, Key(Kind.OPERATOR, "shared", "b")}


def test_a_key_is_read_off_an_object() -> None:
    assert key_of(child(1)) == CHILD
