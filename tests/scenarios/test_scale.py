"""Replicas that follow what is pending, with real pods that are slow."""

import subprocess
import sys

import pytest
from cluster.kube import has_condition

from scenarios import stage as stages
from scenarios.stage import ENDLESS, MOMENTS, moments, operators

pytestmark = pytest.mark.timeout(240)

SLOW = '''
"""An operator that takes its time."""
import threading

from interact import DenseFrames, SparseFrames, operator


@operator(name="slow", parallel=True)
def slow(frames: DenseFrames | SparseFrames) -> DenseFrames | SparseFrames:
    """Passes frames on, late."""
    threading.Event().wait(0.1)
    return frames


if __name__ == "__main__":
    slow.main()
'''
IMAGE = "test/slow:1"


@pytest.fixture
def kube(plane, namespace):
    return plane.kube(namespace)


@pytest.fixture
def slow(node, tmp_path):
    """The InteractOperator of a slow kernel, which the node can run."""
    file = tmp_path / "run.py"
    file.write_text(SLOW)
    node.images.update(stages.commands())
    node.images[IMAGE] = [sys.executable, "-m", "interact", str(file)]
    described = subprocess.run(
        [sys.executable, str(file), "--describe", "--image", IMAGE],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return described.stdout


def scaled(**scale):
    """The centre of mass of an endless scan, behind an operator that cannot keep up alone."""
    pipeline = moments("moment", parameters={**ENDLESS, "rate": 200.0})
    spec = pipeline["spec"]
    spec["operators"].append({"name": "slow", "operatorRef": {"name": "slow"}, "scale": scale})
    spec["edges"][0] = {"from": "scan.out", "to": "slow.frames"}
    spec["edges"].append({"from": "slow.out", "to": "moments.frames"})
    return pipeline


def state(pipeline):
    return next(o for o in pipeline["status"]["operators"] if o["name"] == "slow")


def replicas(number):
    """Whether so many replicas of the slow operator are wanted, ready and told of."""
    return lambda one: (
        one.get("status", {}).get("operators")
        and state(one).get("replicas") == state(one).get("ready") == number
    )


def test_a_slow_operator_gets_replicas_and_gives_them_back(stage, kube, slow):
    stage.controller(INTERACT_SCALE_DOWN_SECONDS="5")
    kube.apply(operators(*MOMENTS))
    kube.apply(slow)
    pipeline = scaled(min=1, max=3, targetPendingFrames=64)
    kube.apply(pipeline)

    busy = kube.wait("pipelines", "moment", replicas(3), within=90)
    deployment = kube.get("deployments", "moment--slow")
    pipeline["spec"]["operators"][0]["parameters"]["rate"] = 8.0
    kube.apply(pipeline)
    calm = kube.wait("pipelines", "moment", replicas(1), within=90)

    assert "frames waited, 64 are aimed at for each" in state(busy)["scaleMessage"]
    owners = {
        one["manager"]
        for one in deployment["metadata"]["managedFields"]
        if "f:replicas" in one["fieldsV1"].get("f:spec", {})
    }
    assert owners == {"interact-replicas"}
    assert state(calm)["scaleMessage"].endswith("would have done for 5 s")
    assert has_condition("Ready")(calm)
