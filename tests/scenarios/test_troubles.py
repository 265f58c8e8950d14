"""What keeps real pods and streams from being there, each with its own reason and what to do."""

import sys

import pytest
from cluster.kube import condition

from scenarios import stage as stages
from scenarios.stage import ENDLESS, MOMENTS, moments, operators

pytestmark = pytest.mark.timeout(240)

CRASHES = [sys.executable, "-c", "raise SystemExit('the detector is switched off')"]


@pytest.fixture
def kube(plane, namespace):
    return plane.kube(namespace)


@pytest.fixture(autouse=True)
def _images(node):
    node.images.update(stages.commands())


def told(kube, reason, within=120):
    """The words of Ready once it has a reason."""
    found = kube.wait(
        "pipelines",
        "moment",
        lambda p: condition(p, "Ready").get("reason") == reason,
        within=within,
    )
    assert condition(found, "Ready")["status"] == "False"
    return condition(found, "Ready")["message"]


def test_an_operator_that_crashes_is_named_with_its_exit_code_and_where_to_look(stage, kube, node):
    node.images["interact/center-of-mass-partial:latest"] = CRASHES
    stage.controller()
    kube.apply(operators(*MOMENTS))
    kube.apply(moments("moment", parameters=ENDLESS))

    words = told(kube, "Crashing")

    assert words.startswith("moments: pod moment--moments-")
    assert "exit code 1" in words
    assert "kubectl logs moment--moments-" in words


def test_a_quota_that_refuses_pods_is_named_and_left_once_it_is_raised(stage, kube):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    kube.apply({**quota, "spec": {"hard": {"pods": "0"}}})
    kube.wait("resourcequotas", "none", lambda q: q.get("status", {}).get("hard"))
    stage.controller()
    kube.apply(operators(*MOMENTS))
    kube.apply(moments("moment", parameters=ENDLESS))

    words = told(kube, "QuotaExceeded")

    kube.apply({**quota, "spec": {"hard": {"pods": "8"}}})

    assert "exceeded quota: none" in words
    assert "raise the quota or lower resources" in words
    kube.wait("pipelines", "moment", stages.flows, within=120)


def test_a_stream_over_the_store_is_named_and_made_once_it_is_smaller(stage, kube):
    stage.controller()
    kube.apply(operators(*MOMENTS))
    large = moments("moment", parameters=ENDLESS)
    output = {"name": "out", "delivery": {"maxBytes": "2Ti"}}
    large["spec"]["operators"][0]["outputs"] = [output]
    kube.apply(large)

    words = told(kube, "OverBudget")
    output["delivery"]["maxBytes"] = "16Mi"
    kube.apply(large)

    assert "scan_out" in words
    assert "lower maxBytes" in words
    kube.wait("pipelines", "moment", stages.flows, within=90)
