"""An author's class in a pod of its own on a real cluster: asked over NATS, ended, begun again, stopped.

The tests of this file are one story and run in their order.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.waiting import eventually
from e2e.real import SYSTEM, Cluster, Images, Object

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
NAMESPACE = "facility"
OPERATOR = "facility"
CONTROLLER = "app.kubernetes.io/component=controller"
WITHIN_SECONDS = 180


@pytest.fixture(scope="module")
def lab(release: Cluster, images: Images) -> Iterator[Cluster]:
    """The cluster with a namespace that has the operator, its class, and the facility's volume."""
    release.namespace(NAMESPACE)
    release.apply(yaml.safe_dump_all([volume(), code(), operator(images)]), NAMESPACE)
    yield release
    release.kubectl("delete", "namespace", NAMESPACE, "--timeout=120s", seconds=150)


def volume() -> Object:
    return {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": OPERATOR},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }  # fmt: skip


def code() -> Object:
    """The class, where an image of its own would have it."""
    text = Path(__file__).with_name("facility.py").read_text()
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": OPERATOR},
            "data": {"run.py": text}}  # fmt: skip


def operator(images: Images) -> Object:
    template = {
        "volumes": [{"name": "jobs", "persistentVolumeClaim": {"claimName": OPERATOR}},
                    {"name": "code", "configMap": {"name": OPERATOR}}],
        "volumeMounts": [{"name": "jobs", "mountPath": "/facility"},
                         {"name": "code", "mountPath": "/code", "readOnly": True}],
    }  # fmt: skip
    return {
        "apiVersion": "interact.science/v1alpha1", "kind": "InteractOperator",
        "metadata": {"name": OPERATOR},
        "spec": {
            "image": images.name("image-display"), "command": ["python", "/code/run.py"],
            "template": template,
            "parameters": [{"name": "seconds", "type": "float", "default": 0}],
            "execution": {"mode": "external", "driver": "custom", "custom": {"repeat": "Lookup"}},
        },
    }  # fmt: skip


def begin(lab: Cluster, name: str, seconds: float) -> None:
    run: dict[str, Any] = {
        "apiVersion": "interact.science/v1alpha1", "kind": "ExternalRun", "metadata": {"name": name},
        "spec": {"operator": {"name": OPERATOR},
                 "parameters": [{"name": "seconds", "value": seconds}]},
    }  # fmt: skip
    lab.apply(yaml.safe_dump(run), NAMESPACE)


def wait(lab: Cluster, name: str, condition: str) -> Object:
    """The status of a run once a condition of it is True."""
    lab.kubectl("wait", "-n", NAMESPACE, f"--for=condition={condition}", f"xrun/{name}",
                f"--timeout={WITHIN_SECONDS}s", seconds=WITHIN_SECONDS + 20)  # fmt: skip
    found: Object = lab.get("xrun", name, "-n", NAMESPACE)["status"]
    return found


def pods(lab: Cluster, status: Object) -> list[str]:
    """The pods of a run that are not on their way out."""
    label = f"interact.science/run-key={status['idempotencyKey']}"
    found = lab.items("pods", "-n", NAMESPACE, "-l", label)
    return [one["metadata"]["name"] for one in found if "deletionTimestamp" not in one["metadata"]]


def test_the_controller_s_image_has_ssh_and_a_name_for_its_user(release: Cluster):
    said = release.kubectl("exec", "-n", SYSTEM, "deployment/interact-controller", "--", "sh", "-c",
                           "ssh -V 2>&1; ssh -F none -G host | grep '^user '")  # fmt: skip

    assert "OpenSSH" in said
    assert "user interact" in said


def test_a_class_does_its_work_once_in_a_pod_of_its_own(lab: Cluster):
    begin(lab, "one", 0)

    status = wait(lab, "one", "Completed")

    key = status["idempotencyKey"]
    assert status["externalId"] == key
    assert status["results"] == {"begun": {key: 1}, "stopped": [], "pods": 1}


def test_its_pod_and_the_controllers_end_and_the_work_goes_on_once(lab: Cluster):
    begin(lab, "two", 20)
    running = wait(lab, "two", "Running")
    [former] = pods(lab, running)

    lab.kubectl("delete", "pod", "-n", NAMESPACE, former, "--grace-period=0", "--force")
    lab.kubectl("delete", "pods", "-n", SYSTEM, "-l", CONTROLLER, "--grace-period=0", "--force")
    status = wait(lab, "two", "Completed")

    assert status["results"]["begun"][status["idempotencyKey"]] == 1
    assert status["results"]["pods"] == 2
    assert len(status["attempts"]) == 1


def test_work_that_is_cancelled_is_stopped_by_the_class_and_its_pod_is_gone(lab: Cluster):
    begin(lab, "three", 3600)
    running = wait(lab, "three", "Running")

    lab.kubectl("patch", "-n", NAMESPACE, "xrun", "three", "--type=merge",
                "-p", json.dumps({"spec": {"cancel": True}}))  # fmt: skip
    wait(lab, "three", "Cancelled")

    eventually(lambda: not pods(lab, running), "its pod is gone", within=WITHIN_SECONDS)
    begin(lab, "four", 0)
    told = wait(lab, "four", "Completed")["results"]
    assert told["stopped"] == [running["idempotencyKey"]]


def test_work_of_a_run_that_is_deleted_is_stopped_and_nothing_is_left(lab: Cluster):
    begin(lab, "five", 3600)
    running = wait(lab, "five", "Running")

    lab.kubectl("delete", "-n", NAMESPACE, "xrun", "five", "--timeout=30s")

    eventually(lambda: not pods(lab, running), "its pod is gone", within=WITHIN_SECONDS)
    claims = ("configmaps", "-n", SYSTEM, "-l", "interact.science/claim")
    eventually(lambda: not lab.items(*claims), "no claim is left", within=WITHIN_SECONDS)
    begin(lab, "six", 0)
    told = wait(lab, "six", "Completed")["results"]
    assert running["idempotencyKey"] in told["stopped"]
    assert set(told["begun"].values()) == {1}
