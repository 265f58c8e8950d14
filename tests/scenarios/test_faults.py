"""The controller, its node or NATS go away, and what is right afterwards."""

import pytest
from cluster.kube import condition, has_condition
from cluster.waiting import eventually
from interact_controller.election import LOST

from scenarios import stage as stages
from scenarios.stage import AGENT, ENDLESS, MOMENTS, moments, operators

pytestmark = pytest.mark.timeout(240)

MUTATING = ("create", "update", "patch", "delete", "deletecollection")


@pytest.fixture
def kube(plane, namespace):
    return plane.kube(namespace)


@pytest.fixture(autouse=True)
def _images(node):
    node.images.update(stages.commands())


def generations(kube):
    return {
        one["metadata"]["name"]: (one["metadata"]["uid"], one["metadata"]["generation"])
        for one in kube.list("deployments")
    }


def managed(kube):
    """The fields each of our managers owns, and when it last wrote them."""
    return {
        (one["metadata"]["name"], entry["manager"]): (entry["fieldsV1"], entry["time"])
        for one in kube.list("deployments")
        for entry in one["metadata"]["managedFields"]
        if entry["manager"].startswith("interact-")
    }


def frames(kube, name="moment"):
    return sum(scan["frames"] for scan in kube.get("pipelines", name)["status"].get("scans", []))


def test_a_killed_controller_changes_nothing_and_frames_flow_on(stage, kube, plane, namespace):
    first = stage.controller()
    kube.apply(operators(*MOMENTS))
    kube.apply(moments("moment", replicas=2, parameters=ENDLESS))
    kube.wait("pipelines", "moment", stages.flows, within=90)
    before = generations(kube), managed(kube)
    scans = {scan["id"] for scan in kube.get("pipelines", "moment")["status"]["scans"]}

    first.kill()
    asked = len(plane.audit(AGENT, namespace=namespace, verbs=MUTATING))
    away = stages.scan_of(stage, namespace, "moment")
    eventually(
        lambda: stages.scan_of(stage, namespace, "moment") > away + 2,
        "scans go on without a controller",
        60,
    )
    assert len(plane.audit(AGENT, namespace=namespace, verbs=MUTATING)) == asked
    with stages.broker_advisories(stage) as advisories:
        stage.controller("b")
        kube.wait(
            "pipelines",
            "moment",
            lambda p: {scan["id"] for scan in p["status"].get("scans", [])} - scans,
            within=60,
        )

    assert (generations(kube), managed(kube)) == before
    assert not [one for one in advisories if ".STREAM.UPDATE." in one or ".STREAM.CREATE." in one]


def test_an_idle_pipeline_causes_no_writes(stage, kube, plane, namespace):
    stage.controller()
    kube.apply(operators(*MOMENTS))
    kube.apply(moments("moment"))
    kube.wait("pipelines", "moment", has_condition("Completed"), within=120)
    eventually(lambda: not kube.list("pods"), "the pods are gone", 60)
    stages.settled(plane, namespace)
    before = plane.audit(AGENT, namespace=namespace, verbs=MUTATING)

    renewals = len(plane.audit(AGENT, namespace=stage.system, verbs=MUTATING))
    with stages.broker_advisories(stage) as advisories:
        eventually(
            lambda: len(plane.audit(AGENT, namespace=stage.system, verbs=MUTATING)) > renewals + 12,
            "twelve renewals of the lease, and as many looks as there are seconds",
            120,
        )

    assert plane.audit(AGENT, namespace=namespace, verbs=MUTATING) == before
    changing = ("CREATE", "UPDATE", "DELETE", "PURGE")
    assert not [one for one in advisories if one.rsplit(".", 2)[-2] in changing]


def test_a_namespace_goes_while_the_controller_is_away(stage, kube, plane, namespace):
    first = stage.controller()
    kube.apply(operators(*MOMENTS))
    kube.apply(moments("moment", parameters=ENDLESS))
    kube.wait("pipelines", "moment", has_condition("Ready"), within=90)
    ours = stages.streams(stage, namespace)
    assert ours
    first.kill()
    stages.foreign_streams(stage)
    others = {name for name in stages.streams(stage) if name.startswith("foreign")}

    kube.delete("namespaces", namespace)
    kube.wait_gone("namespaces", namespace, within=120)
    assert stages.streams(stage, namespace) == ours

    stage.controller("b")
    eventually(lambda: not stages.streams(stage, namespace), "the streams are swept", 60)
    assert {name for name in stages.streams(stage) if name.startswith("foreign")} == others


def test_what_is_wrong_with_a_pod_is_said_in_words(stage, kube, node):
    node.images.pop("interact/center-of-mass-partial:latest", None)
    stage.controller()
    kube.apply(operators(*MOMENTS))
    kube.apply(moments("moment", parameters=ENDLESS))

    broken = kube.wait(
        "pipelines",
        "moment",
        lambda p: condition(p, "Ready").get("reason") == "ImageNotPulled",
        within=90,
    )

    assert condition(broken, "Ready")["status"] == "False"
    assert "interact/center-of-mass-partial:latest" in condition(broken, "Ready")["message"]


def test_a_deployment_of_the_same_name_that_is_not_ours_is_left_alone(stage, kube):
    stage.controller()
    labels = {"app": "somebody"}
    kube.create({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "moment--scan"},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels},
                 "template": {"metadata": {"labels": labels},
                              "spec": {"containers": [{"name": "c", "image": "i"}]}}},
    })  # fmt: skip
    theirs = kube.get("deployments", "moment--scan")
    kube.apply(operators(*MOMENTS))
    kube.apply(moments("moment"))

    stalled = kube.wait(
        "pipelines", "moment", lambda p: condition(p, "Ready").get("reason") == "NameTaken"
    )

    assert "moment--scan" in condition(stalled, "Ready")["message"]
    assert kube.get("deployments", "moment--scan")["spec"] == theirs["spec"]


def test_a_frozen_leader_is_followed_and_writes_no_more(stage, kube, plane, namespace):
    leader = stage.controller("first")
    kube.apply(operators(*MOMENTS))
    pipeline = moments("moment", parameters=ENDLESS)
    kube.apply(pipeline)
    kube.wait("pipelines", "moment", has_condition("Ready"), within=90)
    stage.controller("second")

    leader.freeze()
    pipeline["spec"]["operators"][1]["replicas"] = 2
    kube.apply(pipeline)
    kube.wait("deployments", "moment--moments", lambda one: one["spec"]["replicas"] == 2, within=60)
    told = kube.wait(
        "pipelines", "moment", lambda p: p["status"]["observedGeneration"] == 2, within=60
    )
    leader.thaw()

    assert leader.process.wait(30) == LOST
    kube.wait("pipelines", "moment", has_condition("Ready"), within=60)
    now = kube.get("pipelines", "moment")
    assert now["status"]["observedGeneration"] >= told["status"]["observedGeneration"]
    writers = [
        "second" if "(second_" in one["userAgent"] else "first"
        for one in plane.audit(AGENT, namespace=namespace, verbs=MUTATING)
    ]
    handed_over = writers.index("second")
    assert set(writers[:handed_over]) == {"first"}
    assert set(writers[handed_over:]) == {"second"}
