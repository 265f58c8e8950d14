"""Pipelines from kubectl apply to their result, with real pods."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from cluster.kube import condition, has_condition
from cluster.waiting import eventually

from scenarios import stage as stages
from scenarios.stage import ENDLESS, MOMENTS, ROOT, moments, operators

pytestmark = pytest.mark.timeout(240)

DEPLOYMENTS = ["moment--com", "moment--display", "moment--moments", "moment--scan"]


@pytest.fixture
def kube(plane, namespace):
    return plane.kube(namespace)


@pytest.fixture(autouse=True)
def _images(node):
    node.images.update(stages.commands())


def test_a_finite_pipeline_completes_and_its_source_does_not_start_again(
    stage, kube, plane, node, namespace
):
    stage.controller()
    kube.apply(operators(*MOMENTS))
    kube.apply(moments("moment"))

    plane.kubectl(
        "-n", namespace, "wait", "--for=condition=Completed", "pipeline/moment", "--timeout=50s"
    )
    done = kube.get("pipelines", "moment")
    kube.patch("pipelines", "moment", {"metadata": {"labels": {"touched": "yes"}}})
    pods = eventually(lambda: kube.list("pods") == [] or None, "no pods are left")

    assert done["status"]["phase"] == "Completed"
    assert condition(done, "Ready")["status"] == "True"
    [scan] = done["status"]["scans"]
    assert (scan["state"], scan["frames"], scan["completeness"]) == ("Complete", 24 * 36, 1)
    assert pods
    assert all(one["spec"]["replicas"] == 0 for one in kube.list("deployments"))


def test_operators_may_come_after_the_pipeline(stage, kube, plane, namespace):
    stage.controller()
    kube.apply(moments("moment", parameters=ENDLESS))

    pending = kube.wait("pipelines", "moment", has_condition("Accepted", "False"))
    assert pending["status"]["phase"] == "Pending"
    assert condition(pending, "Accepted")["reason"] == "OperatorsNotFound"
    assert "scan-generator" in condition(pending, "Accepted")["message"]
    assert kube.list("deployments") == []

    kube.apply(operators(*MOMENTS))
    plane.kubectl(
        "-n", namespace, "wait", "--for=condition=Ready", "pipeline/moment", "--timeout=50s"
    )

    ready = kube.get("pipelines", "moment")
    assert ready["status"]["readyOperators"] == "4/4"
    assert sorted(one["metadata"]["name"] for one in kube.list("deployments")) == DEPLOYMENTS
    used = kube.wait(
        "interactoperators", "scan-generator", lambda one: one.get("status", {}).get("usedBy") == 1
    )
    assert condition(used, "Ready")["status"] == "True"


def test_the_result_on_the_cluster_equals_that_of_a_local_run(
    stage, kube, plane, namespace, tmp_path
):
    pipeline = moments("moment", replicas=2, parameters={"dose": 300})
    (tmp_path / "p.yaml").write_text(yaml.safe_dump(pipeline))
    interact = str(Path(sys.executable).parent / "interact")
    subprocess.run(
        [interact, "run", "p.yaml", "--operators", str(ROOT / "operators"), "--images", "local",
         "--plain"],
        cwd=tmp_path, check=True, capture_output=True, timeout=110,
    )  # fmt: skip
    stage.controller()
    kube.apply(operators(*MOMENTS))
    kube.apply(pipeline)
    plane.kubectl(
        "-n", namespace, "wait", "--for=condition=Completed", "pipeline/moment", "--timeout=50s"
    )

    subprocess.run(
        [interact, "images", "moment", "-n", namespace, "--nats", stage.nats.url,
         "--nats-token-file", str(stage.nats.token_file), "-o", "remote"],
        cwd=tmp_path, check=True, capture_output=True, timeout=60,
        env={**os.environ, "KUBECONFIG": str(plane.kubeconfig)},
    )  # fmt: skip

    local, remote = (np.load(tmp_path / side / "com.npz") for side in ("local", "remote"))
    assert set(local.files) == set(remote.files)
    for name in local.files:
        np.testing.assert_array_equal(local[name], remote[name])
    facts = json.loads((tmp_path / "remote" / "com.json").read_text())
    assert facts["parameters"]["scan"]["dose"] == 300


def test_suspend_stops_the_pods_and_resume_goes_on(stage, kube, plane, namespace):
    stage.controller()
    kube.apply(operators(*MOMENTS))
    kube.apply(moments("moment", parameters=ENDLESS))
    kube.wait("pipelines", "moment", has_condition("Ready"), within=90)

    kube.patch("pipelines", "moment", {"spec": {"suspend": True}})
    suspended = kube.wait("pipelines", "moment", lambda p: stages.phase(p) == "Suspended")
    assert condition(suspended, "Ready")["status"] == "True"
    assert condition(suspended, "Ready")["reason"] == "Suspended"
    eventually(lambda: not kube.list("pods"), "all pods are gone")

    kube.patch("pipelines", "moment", {"spec": {"suspend": False}})
    kube.wait(
        "pipelines",
        "moment",
        lambda p: stages.phase(p) == "Running" and stages.flows(p),
        within=90,
    )


def test_drain_finishes_what_is_under_way(stage, kube):
    stage.controller()
    kube.apply(operators(*MOMENTS))
    kube.apply(moments("moment", parameters=ENDLESS))
    kube.wait("pipelines", "moment", stages.flows, within=90)

    kube.patch("pipelines", "moment", {"spec": {"drain": True}})

    kube.wait("pipelines", "moment", lambda p: stages.phase(p) == "Suspended", within=90)
    drained = kube.get("pipelines", "moment")
    assert all(edge.get("pendingMessages", 0) == 0 for edge in drained["status"]["edges"])
    assert all(one["spec"]["replicas"] == 0 for one in kube.list("deployments"))


def test_parameters_reach_running_pods_without_a_restart(stage, kube):
    stage.controller()
    kube.apply(operators(*MOMENTS))
    pipeline = moments("moment", parameters=ENDLESS)
    kube.apply(pipeline)
    kube.wait("pipelines", "moment", has_condition("Ready"), within=90)
    before = {pod["metadata"]["uid"] for pod in kube.list("pods")}

    pipeline["spec"]["operators"][0]["parameters"]["dose"] = 321
    applied = kube.apply(pipeline)
    revision = applied["metadata"]["generation"]

    def taken(one):
        [scan] = [o for o in one["status"]["operators"] if o["name"] == "scan"]
        return scan.get("parameterRevision") == revision

    kube.wait("pipelines", "moment", taken, within=60)
    assert {pod["metadata"]["uid"] for pod in kube.list("pods")} == before


def test_bad_objects_do_not_hold_up_the_good_ones(stage, kube):
    stage.controller()
    kube.apply(operators(*MOMENTS))
    for number in range(100):
        bad = moments(f"bad-{number}")
        match number % 5:
            case 0:
                bad["spec"]["operators"][0]["parameters"]["nonsense"] = 1
            case 1:
                bad["spec"]["edges"][0]["from"] = "scan.nowhere"
            case 2:
                bad["spec"]["operators"][0]["parameters"]["scan_rows"] = -1
            case 3:
                bad["spec"]["operators"][1]["operatorRef"]["namespace"] = "elsewhere"
            case 4:
                bad["spec"]["edges"][0]["to"] = "display.image"
        kube.apply(bad)
    kube.apply(moments("good", parameters=ENDLESS))

    kube.wait("pipelines", "good", has_condition("Ready"), within=120)

    def all_refused():
        found = [p for p in kube.list("pipelines") if p["metadata"]["name"].startswith("bad-")]
        return all(condition(one, "Accepted").get("status") == "False" for one in found)

    eventually(all_refused, "every bad pipeline says why", 60)
    reasons = {
        condition(one, "Accepted")["reason"]
        for one in kube.list("pipelines")
        if one["metadata"]["name"].startswith("bad-")
    }
    assert reasons == {"UnknownParameter", "UnknownPort", "InvalidParameter", "NamespaceNotAllowed", "TypeMismatch"}  # fmt: skip
