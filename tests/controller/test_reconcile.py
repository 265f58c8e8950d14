"""The way of a reconcile, from a specification to what is there, and nothing twice."""

import pytest
from controller.building import KEY, NAMESPACE, UID, Lab, catalogue, chain, operator, pipeline
from interact_controller.seen import Key, Kind


async def test_a_pipeline_becomes_streams_and_then_deployments():
    lab = Lab()

    await lab.look()

    assert lab.replicas() == {"c": 2, "r": 1, "s": 1, "t": 1}
    assert sorted(lab.streams.there) == [
        "KV_interact-state_lab_scan",
        "interact-chunks_lab_scan_file",
        "interact-dead_lab_scan",
        "interact-images_lab_scan",
        "interact_lab_scan_c_moments",
        "interact_lab_scan_r_frames",
        "interact_lab_scan_t_image",
    ]
    assert lab.parameters["c"] == {"revision": 1, "values": {"radius": 20.0}}
    assert [one["to"] for one in lab.status["edges"]] == ["c.frames", "t.parts", "s.image"]


async def test_what_one_look_made_leaves_the_next_one_nothing_to_tell():
    lab = Lab()
    await lab.look()
    lab.forget_writes()

    await lab.look()

    assert lab.writes == []


async def test_a_pipeline_is_ready_when_its_last_pod_is():
    lab = Lab()
    await lab.look()
    starting = lab.condition("Ready"), lab.condition("Reconciling"), lab.status["phase"]

    await lab.run()

    assert starting == (("False", "Starting"), ("True", "Starting"), "Progressing")
    assert lab.condition("Ready") == ("True", "Running")
    assert lab.condition("Reconciling") == ("", "")
    assert (lab.status["phase"], lab.status["readyOperators"]) == ("Running", "4/4")


async def test_a_second_look_writes_nothing():
    lab = Lab()
    await lab.run()
    lab.forget_writes()

    waits = [await lab.look() for _ in range(60)]

    assert lab.writes == []
    assert set(waits) == {None}


async def test_another_controller_that_knows_nothing_writes_nothing():
    lab = Lab()
    await lab.run()
    lab.forget_writes()
    lab.boards.forget(NAMESPACE, "scan")
    lab.world.told.clear()

    await lab.look(times=3)

    assert lab.writes == []


async def test_operators_may_come_after_the_pipeline():
    lab = Lab(chain())
    await lab.look()
    before = lab.status["phase"], lab.condition("Ready"), lab.message()

    for one in catalogue():
        lab.memory.put(one)
    await lab.run()

    assert before[:2] == ("Pending", ("False", "OperatorsNotFound"))
    assert "there is no InteractOperator 'reader' in 'lab'" in before[2]
    assert lab.condition("Ready") == ("True", "Running")


async def test_an_image_rolls_one_deployment():
    lab = Lab()
    await lab.run()
    lab.forget_writes()

    lab.memory.edit(Key(Kind.OPERATOR, NAMESPACE, "total"), image="example/total:2")
    await lab.look()

    assert [what for what in lab.writes if what[0] != "status"] == [
        ("apply", "scan--t"),
        ("apply", "scan--t"),
    ]  # the second is that of the replicas, which came with the making
    (container,) = lab.deployment("t")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "example/total:2"
    assert lab.replicas()["t"] == 1


async def test_a_pinned_operator_keeps_its_image():
    lab = Lab(*catalogue(), chain(t={"ref": "total", "updatePolicy": "Pinned"}))
    await lab.run()

    lab.memory.edit(Key(Kind.OPERATOR, NAMESPACE, "total"), image="example/total:2")
    await lab.run()

    (container,) = lab.deployment("t")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "example/total:1"


async def test_parameters_change_without_touching_a_deployment():
    lab = Lab()
    await lab.run()
    lab.forget_writes()

    changed = {"ref": "centre", "replicas": 2, "parameters": {"radius": 7}}
    lab.memory.replace(chain(c=changed))
    await lab.look()

    assert [what for what in lab.writes if what[0] != "status"] == [("put", "parameters")]
    assert lab.parameters["c"] == {"revision": 2, "values": {"radius": 7.0}}
    assert lab.parameters["r"] == {"revision": 1, "values": {"rows": 8}}


async def test_what_somebody_changed_is_healed_and_told():
    lab = Lab()
    await lab.run()
    found = lab.deployment("s")
    found["spec"]["template"]["spec"]["containers"][0]["image"] = "example/evil:1"
    lab.streams.there.pop("interact_lab_scan_t_image")
    lab.memory.events.clear()

    await lab.look()

    (container,) = lab.deployment("s")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "example/show:1"
    assert "interact_lab_scan_t_image" in lab.streams.there
    told = [message for reason, message in lab.memory.events if reason == "Healed"]
    assert told == [
        "stream interact_lab_scan_t_image was missing; it is made anew",
        (
            "spec.template.spec.containers[operator].image of Deployment scan--s was changed by "
            "somebody; it is set again"
        ),
    ]


async def test_a_deleted_deployment_is_made_again():
    lab = Lab()
    await lab.run()

    del lab.memory.objects[Key(Kind.DEPLOYMENT, NAMESPACE, "scan--t")]
    lab.memory.applied.clear()
    await lab.look()

    assert lab.replicas()["t"] == 1


async def test_fields_of_others_are_left_alone():
    lab = Lab()
    await lab.run()
    found = lab.deployment("s")
    found["metadata"]["annotations"]["mesh.example/inject"] = "true"
    found["spec"]["template"]["spec"]["containers"].append({"name": "proxy", "image": "x"})
    lab.forget_writes()

    await lab.look(times=2)

    assert lab.writes == []


@pytest.mark.parametrize("labelled", [True, False], ids=["with our labels", "without"])
async def test_a_deployment_of_somebody_else_is_never_taken_over(labelled):
    lab = Lab()
    labels = {"interact.science/pipeline": "scan", "interact.science/operator": "t"}
    foreign = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "scan--t",
            "namespace": NAMESPACE,
            "uid": "other",
            "labels": labels if labelled else {},
        },
        "spec": {"replicas": 3, "selector": {}, "template": {}},
    }
    lab.memory.put(foreign)

    await lab.look()

    assert lab.condition("Stalled") == ("True", "NameTaken")
    assert lab.deployment("t")["spec"] == foreign["spec"]
    assert "'scan--t' is there and does not belong" in lab.message()


async def test_streams_of_another_installation_are_never_taken_over():
    lab, other = Lab(), Lab()
    await other.look()
    seen = other.streams.there["interact_lab_scan_r_frames"]
    seen.metadata["interact.science/installation"] = "there"
    lab.streams.there[seen.name] = seen

    await lab.look()

    assert lab.condition("Ready") == ("False", "NameTaken")
    assert lab.streams.writes == []


async def test_a_pipeline_made_anew_waits_for_the_old_pods_and_takes_new_streams():
    lab = Lab()
    await lab.run()
    old = lab.streams.there["interact_lab_scan_r_frames"].metadata
    lab.memory.objects[KEY]["metadata"]["uid"] = "22222222-2222-4222-8222-222222222222"
    lab.memory.objects[KEY].pop("status")

    await lab.look()
    waiting = lab.condition("Ready")
    for key in list(lab.memory.objects):
        if key.kind in {Kind.DEPLOYMENT, Kind.POD}:
            del lab.memory.objects[key]
    lab.memory.applied.clear()
    await lab.run()

    new = lab.streams.there["interact_lab_scan_r_frames"].metadata
    assert waiting == ("False", "FormerPods")
    assert old["interact.science/pipeline-uid"] == UID
    assert old != new
    assert lab.condition("Ready") == ("True", "Running")
    assert {
        one.metadata["interact.science/pipeline-uid"][0] for one in lab.streams.there.values()
    } == {"2"}


async def test_nats_away_is_a_reason_and_changes_nothing():
    lab = Lab()
    await lab.run()
    lab.forget_writes()
    lab.streams.away = True

    wait = await lab.look(times=2)

    assert lab.condition("Ready") == ("False", "BrokerUnreachable")
    assert lab.condition("StreamsReady") == ("Unknown", "BrokerUnreachable")
    assert lab.condition("Accepted") == ("True", "Accepted")
    assert (lab.status["phase"], lab.writes) == ("Degraded", [("status", "scan")])
    assert wait is not None


async def test_a_pipeline_over_the_budget_is_pending_with_what_to_do():
    lab = Lab()
    lab.streams.store_bytes = 300 * 2**20

    await lab.look()

    assert (lab.status["phase"], lab.condition("StreamsReady")) == (
        "Pending",
        ("False", "OverBudget"),
    )
    assert "lower delivery.maxBytes" in lab.message()
    assert lab.replicas() == {}


async def test_operators_of_a_namespace_that_is_not_allowed_are_refused():
    ref = {"name": "r", "operatorRef": {"name": "reader", "namespace": "private"}}
    lab = Lab(operator("reader", "private"), pipeline(spec={"operators": [ref]}))

    await lab.look()

    assert lab.condition("Accepted") == ("False", "NamespaceNotAllowed")
    assert (lab.status["phase"], lab.replicas()) == ("Failed", {})


async def test_operators_of_one_name_in_two_namespaces_are_two():
    refs = [
        {"name": "a", "operatorRef": {"name": "reader", "namespace": "shared"}},
        {"name": "b", "operatorRef": {"name": "reader"}},
    ]
    foreign = operator("reader", "shared", image="shared/reader:9")
    lab = Lab(foreign, operator("reader"), pipeline(spec={"operators": refs}))

    await lab.look()

    images = [
        lab.deployment(name)["spec"]["template"]["spec"]["containers"][0]["image"]
        for name in ("a", "b")
    ]
    assert images == ["shared/reader:9", "example/reader:1"]


async def test_what_the_models_refuse_is_told_and_stops_nobody():
    bad = chain()
    bad["spec"]["operators"][0]["surprise"] = 1
    lab = Lab(*catalogue(), bad)

    await lab.look(times=2)

    assert lab.condition("Accepted") == ("False", "InvalidSpec")
    assert lab.condition("Stalled") == ("True", "InvalidSpec")
    assert "spec.operators[0].surprise" in lab.message()
    assert lab.memory.writes == [("status", "scan")]


async def test_an_object_that_changed_meanwhile_is_looked_at_again():
    lab = Lab()
    stale = lab.memory.get(KEY)
    lab.memory.objects[KEY]["metadata"]["resourceVersion"] = "999"
    lab.memory.get = lambda key: stale if key == KEY else None  # type: ignore[method-assign]

    wait = await lab.look()

    assert wait is not None
    assert wait < 1
    assert lab.status == {}


async def test_a_pipeline_that_is_gone_or_going_is_left_alone():
    lab = Lab()
    lab.memory.objects[KEY]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    await lab.look()
    del lab.memory.objects[KEY]

    await lab.look()

    assert lab.writes == []
