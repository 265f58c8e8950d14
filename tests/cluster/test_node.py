"""The test node: Deployments roll, scale, crash and end as they do on a kubelet."""

import os
import signal
import sys
from pathlib import Path

import pytest

from cluster import programs
from cluster.kube import condition
from cluster.node import UNSCHEDULABLE
from cluster.pods import UNPULLABLE
from cluster.waiting import eventually

SAFE = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
PROBE = {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1, "failureThreshold": 1}
LABELS = {"app": "a"}
FIRST = {"name": "first", "image": "serve", "securityContext": SAFE}


@pytest.fixture(autouse=True)
def images(node):
    program = str(Path(programs.__file__))
    for name in ("serve", "ignore", "show", "fail"):
        node.images[name] = [sys.executable, "-I", program, name]
    return node.images


def pod_spec(image, **more):
    container = {"name": "main", "image": image, "securityContext": SAFE,
                 "ports": [{"name": "http", "containerPort": 9090}]} | more  # fmt: skip
    return {"containers": [container], "automountServiceAccountToken": False}


def a_pod(image, annotations=None, spec=None, **more):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one", "annotations": annotations or {}},
            "spec": pod_spec(image, **more) | (spec or {})}  # fmt: skip


def deployment(image, replicas, **more):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": LABELS},
                     "template": {"metadata": {"labels": LABELS}, "spec": pod_spec(image, **more)}}}  # fmt: skip


def available(count):
    def holds(one):
        status = one.get("status", {})
        return (
            status.get("availableReplicas", 0) == status.get("updatedReplicas", 0) == count
            and status.get("replicas", 0) == count
            and status.get("observedGeneration") == one["metadata"]["generation"]
        )

    return holds


def waiting_reason(reason):
    def holds(pod):
        found = pod.get("status", {}).get("containerStatuses", [])
        return any(one["state"].get("waiting", {}).get("reason") == reason for one in found)

    return holds


def ready(pod):
    conditions = {one["type"]: one["status"] for one in pod.get("status", {}).get("conditions", [])}
    return conditions.get("Ready") == "True"


def printed_by(node):
    return node.pod("one").log.read_text().splitlines()


def names(kube):
    return {pod["metadata"]["name"] for pod in kube.list("pods")}


def test_a_deployment_rolls_scales_and_ends(kube, node):
    kube.apply(deployment("serve", 3, readinessProbe=PROBE))
    kube.wait("deployments", "d", available(3))
    first = {one: node.pod(one).process.pid for one in names(kube)}

    kube.apply(deployment("serve", 3, readinessProbe=PROBE, env=[{"name": "ROUND", "value": "2"}]))
    kube.wait("deployments", "d", available(3))
    eventually(lambda: len(kube.list("pods")) == 3, "the old pods gone")
    assert len(first) == 3
    assert not first.keys() & names(kube)
    assert not any(Path("/proc", str(pid)).exists() for pid in first.values())

    kube.patch("deployments", "d", {"spec": {"replicas": 1}})
    kube.wait("deployments", "d", available(1))
    eventually(lambda: len(kube.list("pods")) == 1, "two pods fewer")

    kube.delete("deployments", "d")
    eventually(lambda: not kube.list("pods"), "no pods")


def test_a_crash_loop_says_so_and_counts(kube, node):
    kube.apply(a_pod("fail"))

    pod = kube.wait("pods", "one", waiting_reason("CrashLoopBackOff"))

    (status,) = pod["status"]["containerStatuses"]
    assert status["restartCount"] >= 2
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert status["lastState"]["terminated"]["reason"] == "Error"
    assert pod["status"]["phase"] == "Running"
    assert not ready(pod)


def test_a_killed_process_is_started_again(kube, node):
    kube.apply(a_pod("serve", readinessProbe=PROBE))
    kube.wait("pods", "one", ready)
    before = node.pod("one").process.pid

    node.pod("one").last_words = "OOMKilled"
    os.kill(before, signal.SIGKILL)

    pod = kube.wait(
        "pods",
        "one",
        lambda pod: ready(pod) and pod["status"]["containerStatuses"][0]["restartCount"],
    )
    ended = pod["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")
    assert node.pod("one").process.pid != before
    assert node.pod("one").log.read_text().count("serving") == 2


def test_an_unknown_image_cannot_be_pulled_until_it_is_there(kube, node, images):
    kube.apply(a_pod("late", readinessProbe=PROBE))
    pod = kube.wait("pods", "one", waiting_reason("ImagePullBackOff"))
    assert pod["status"]["phase"] == "Pending"

    images["late"] = images["serve"]

    kube.wait("pods", "one", ready)


@pytest.mark.parametrize(
    ("annotations", "more", "message"),
    [
        pytest.param({UNSCHEDULABLE: "no room"}, {}, "0/1 nodes are available: no room.", id="an annotation"),
        pytest.param({}, {"resources": {"requests": {"example.com/gpu": "1"}, "limits": {"example.com/gpu": "1"}}},
                     "0/1 nodes are available: 1 Insufficient example.com/gpu.", id="a resource"),
    ],
)  # fmt: skip
def test_a_pod_that_does_not_fit_is_unschedulable(kube, node, annotations, more, message):
    kube.apply(a_pod("serve", annotations, **more))

    def told(pod):
        return [one for one in pod["status"].get("conditions", []) if one["type"] == "PodScheduled"]

    pod = kube.wait("pods", "one", told)
    (condition,) = told(pod)
    assert (condition["status"], condition["reason"], condition["message"]) == (
        "False",
        "Unschedulable",
        message,
    )
    assert "nodeName" not in pod["spec"]


def test_a_pod_is_bound_and_its_image_pulled_once_nothing_speaks_against_it(kube, node):
    kube.apply(a_pod("serve", {UNSCHEDULABLE: "no room", UNPULLABLE: "no such host"}))
    kube.wait("pods", "one", lambda pod: pod["status"].get("conditions"))

    kube.patch("pods", "one", {"metadata": {"annotations": {UNSCHEDULABLE: None}}})
    pod = kube.wait("pods", "one", waiting_reason("ImagePullBackOff"))
    (status,) = pod["status"]["containerStatuses"]
    assert status["state"]["waiting"]["message"] == "no such host"

    kube.patch("pods", "one", {"metadata": {"annotations": {UNPULLABLE: None}}})
    kube.wait("pods", "one", ready)


def test_readiness_follows_its_probe_and_a_failed_liveness_starts_again(kube, node):
    alive = {"httpGet": {"path": "/healthz", "port": 9090}, "periodSeconds": 1}
    kube.apply(a_pod("serve", readinessProbe=PROBE, livenessProbe=alive))
    kube.wait("pods", "one", ready)
    pid = node.pod("one").process.pid
    folder = Path("/proc", str(pid), "cwd").resolve()

    (folder / "no-readyz").touch()
    kube.wait("pods", "one", lambda pod: not ready(pod))
    assert node.pod("one").process.pid == pid
    (folder / "no-readyz").unlink()
    kube.wait("pods", "one", ready)

    (folder / "no-healthz").touch()
    kube.wait("pods", "one", lambda pod: pod["status"]["containerStatuses"][0]["restartCount"])
    (folder / "no-healthz").unlink()
    pod = kube.wait("pods", "one", ready)
    assert pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"] == 0


def test_the_environment_and_the_volumes_are_what_the_pod_says(kube, node, namespace):
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "c"},
            "data": {"k": "from a map"},
        }
    )
    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s"},
            "stringData": {"token": "hidden"},
        }
    )
    env = [
        {"name": "PLAIN", "value": "p"},
        {"name": "BOTH", "value": "$(PLAIN)-$(ABSENT)-$$(PLAIN)"},
        {"name": "KEY", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}},
        {
            "name": "NONE",
            "valueFrom": {"secretKeyRef": {"name": "z", "key": "z", "optional": True}},
        },
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "WHERE", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "SPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
    ]
    asked = [
        "$PLAIN",
        "$BOTH",
        "$KEY",
        "$SECRET",
        "$NONE",
        "$POD",
        "$WHERE",
        "$SPACE",
        "/etc/secret/other",
    ]
    secret = {"secretName": "s", "items": [{"key": "token", "path": "other"}]}
    volumes = [{"name": "s", "secret": secret}, {"name": "e", "emptyDir": {}}]
    mounts = [{"name": "s", "mountPath": "/etc/secret"}, {"name": "e", "mountPath": "/empty"}]
    kube.apply(a_pod("show", spec={"volumes": volumes}, env=env, args=asked, volumeMounts=mounts))
    kube.wait("pods", "one", ready)

    printed = eventually(
        lambda: len(found := printed_by(node)) >= len(asked) and found, "all lines"
    )

    assert printed == ["p", "p-$(ABSENT)-$(PLAIN)", "from a map", "hidden", "None", "one",
                       node.pod("one").host, namespace, "hidden"]  # fmt: skip


def test_a_pod_waits_for_the_configuration_it_names(kube, node):
    source = {"valueFrom": {"configMapKeyRef": {"name": "late", "key": "k"}}}
    kube.apply(a_pod("show", args=["$KEY"], env=[{"name": "KEY", **source}]))
    kube.wait("pods", "one", waiting_reason("CreateContainerConfigError"))

    kube.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "late"},
            "data": {"k": "there"},
        }
    )

    kube.wait("pods", "one", ready)
    eventually(lambda: printed_by(node) == ["there"], "the value")


def test_a_pod_that_ignores_the_signal_is_killed_after_its_grace(kube, node):
    kube.apply(a_pod("ignore", spec={"terminationGracePeriodSeconds": 1}))
    kube.wait("pods", "one", ready)
    eventually(lambda: "ignoring" in printed_by(node), "the signal ignored")
    pid = node.pod("one").process.pid

    kube.delete("pods", "one")

    assert kube.get("pods", "one")["metadata"]["deletionTimestamp"]
    kube.wait_gone("pods", "one")
    assert not Path("/proc", str(pid)).exists()


def test_a_job_s_pod_ends_for_good(kube, node):
    kube.apply(a_pod("fail", spec={"restartPolicy": "Never"}))

    pod = kube.wait("pods", "one", lambda pod: pod["status"]["phase"] == "Failed")

    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3


@pytest.mark.parametrize(
    ("more", "spec", "what"),
    [
        pytest.param({}, {"initContainers": [FIRST]}, "initContainers", id="a container before"),
        pytest.param({}, {"containers": [FIRST, FIRST | {"name": "second"}]}, "several containers", id="two containers"),
        pytest.param({"envFrom": [{"configMapRef": {"name": "c"}}]}, {}, "envFrom", id="a whole map"),
        pytest.param({"livenessProbe": {"tcpSocket": {"port": 1}}}, {}, "probes other than httpGet", id="a socket"),
        pytest.param({}, {"volumes": [{"name": "c", "configMap": {"name": "c"}}]}, "the volume c", id="a volume"),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_refused(kube, node, more, spec, what):
    kube.apply(a_pod("serve", spec=spec, **more))

    pod = kube.wait("pods", "one", lambda pod: pod["status"]["phase"] == "Failed")

    assert pod["status"]["message"] == f"the test node does not support {what}"


def test_the_node_is_there_and_ready(kube, node):
    assert condition(kube.get("nodes", node.name), "Ready")["status"] == "True"
