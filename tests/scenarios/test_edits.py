"""Edits of a running pipeline: only what changed is touched, and no frame is lost."""

import pytest
from cluster.kube import has_condition
from cluster.waiting import eventually

from scenarios import stage as stages
from scenarios.stage import ENDLESS, MOMENTS, moments, operators

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def kube(plane, namespace):
    return plane.kube(namespace)


@pytest.fixture(autouse=True)
def _images(node):
    node.images.update(stages.commands())
    node.images["other/center-of-mass-partial:2"] = node.images[
        "interact/center-of-mass-partial:latest"
    ]


def uids(kube):
    return {
        pod["metadata"]["labels"]["interact.science/operator"]: pod["metadata"]["uid"]
        for pod in kube.list("pods")
        if not pod["metadata"].get("deletionTimestamp")
    }


def test_a_change_of_image_rolls_one_deployment(stage, kube):
    stage.controller()
    kube.apply(operators(*MOMENTS))
    kube.apply(moments("moment", parameters=ENDLESS))
    kube.wait("pipelines", "moment", has_condition("Ready"), within=90)
    before = uids(kube)

    kube.apply(operators(*MOMENTS, center_of_mass_partial="other/center-of-mass-partial:2"))

    after = eventually(
        lambda: (found := uids(kube))["moments"] != before["moments"] and len(found) == 4 and found,
        "the pod of moments is another",
        60,
    )
    assert {name for name in before if before[name] != after[name]} == {"moments"}

    def told(pipeline):
        states = {one["name"]: one for one in pipeline["status"]["operators"]}
        return states["moments"]["image"] == "other/center-of-mass-partial:2"

    kube.wait("pipelines", "moment", told, within=60)
    kube.wait("pipelines", "moment", has_condition("Ready"), within=60)


def test_scaling_touches_one_deployment_s_replicas(stage, kube):
    stage.controller()
    kube.apply(operators(*MOMENTS))
    pipeline = moments("moment", parameters=ENDLESS)
    kube.apply(pipeline)
    kube.wait("pipelines", "moment", has_condition("Ready"), within=90)
    pods = uids(kube)

    pipeline["spec"]["operators"][1]["replicas"] = 3
    kube.apply(pipeline)

    kube.wait("deployments", "moment--moments", lambda d: d["status"].get("readyReplicas") == 3)
    assert set(pods.values()) <= {pod["metadata"]["uid"] for pod in kube.list("pods")}


def test_an_operator_put_between_two_others_loses_no_frame(stage, kube):
    stage.controller()
    kube.apply(operators(*MOMENTS, "bin-sparse-partial"))
    rows, columns = 40, 150
    parameters = {
        "rate": 600.0,
        "frames_per_message": 10,
        "scan_rows": rows,
        "scan_columns": columns,
    }
    pipeline = moments("moment", parameters=parameters)
    kube.apply(pipeline)
    kube.wait("pipelines", "moment", stages.flows, within=90)

    spec = pipeline["spec"]
    spec["operators"].append({"name": "bin", "operatorRef": {"name": "bin-sparse-partial"}})
    spec["edges"][0] = {"from": "scan.out", "to": "bin.frames"}
    spec["edges"].insert(1, {"from": "bin.out", "to": "moments.frames"})
    kube.apply(pipeline)

    done = kube.wait("pipelines", "moment", has_condition("Completed"), within=150)
    [scan] = done["status"]["scans"]
    assert scan["frames"] == rows * columns
    assert scan.get("missing", 0) == 0
    assert scan["state"] == "Complete"
    assert "moment--bin" in {one["metadata"]["name"] for one in kube.list("deployments")}
