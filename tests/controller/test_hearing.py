"""Which news about Deployments and pods are worth a look."""

import copy

import pytest
from interact_controller import labels
from interact_controller.hearing import CHILD_SECONDS, Hearing
from interact_controller.seen import Key, Kind
from interact_controller.store import Objects

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "run-sum", "namespace": "lab", "uid": "d", "resourceVersion": "1", "generation": 1,
        "labels": {labels.PIPELINE: "run", labels.OPERATOR: "sum"},
        "annotations": {labels.HASH: "h"},
    },
    "spec": {"replicas": 1},
    "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1},
}  # fmt: skip
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "run-sum-x", "namespace": "lab", "uid": "p", "resourceVersion": "1",
        "labels": {labels.PIPELINE: "run", labels.OPERATOR: "sum"},
    },
    "status": {"phase": "Running", "containerStatuses": [{"name": "operator", "restartCount": 0}]},
}  # fmt: skip
PIPELINE = Key(Kind.PIPELINE, "lab", "run")


class Woken:
    """A queue that remembers."""

    def __init__(self):
        self.keys = []

    def wake(self, key):
        self.keys.append((key, 0.0))

    def wake_after(self, key, seconds):
        self.keys.append((key, seconds))


def changed(manifest, **parts):
    newer = copy.deepcopy(manifest)
    newer["metadata"]["resourceVersion"] = "2"
    for path, value in parts.items():
        part, _, field = path.partition("_")
        newer[part] = {**newer[part], field: value}
    return newer


def heard(*manifests):
    queue = Woken()
    hearing = Hearing(Objects(), queue, lambda: None)
    for one in manifests:
        hearing.heard(one)
    return queue.keys


@pytest.mark.parametrize("manifest", [DEPLOYMENT, POD], ids=["a Deployment", "a pod"])
def test_a_new_child_wakes_its_pipeline_after_a_moment(manifest):
    assert heard(manifest) == [(PIPELINE, CHILD_SECONDS)]


@pytest.mark.parametrize(
    "newer",
    [
        pytest.param(changed(DEPLOYMENT, status_conditions=[{"type": "Progressing", "status": "True"}]),
                     id="Kubernetes notes that it goes on"),
        pytest.param(changed(DEPLOYMENT, metadata_annotations={labels.HASH: "h", "deployment.kubernetes.io/revision": "2"}),
                     id="Kubernetes counts its revisions"),
        pytest.param(changed(POD, status_conditions=[{"type": "Initialized", "status": "True"}]),
                     id="a pod on its way"),
    ],
)  # fmt: skip
def test_news_that_a_look_would_not_notice_wake_nobody(newer):
    before = DEPLOYMENT if newer["kind"] == "Deployment" else POD

    assert heard(before, newer) == heard(before)


@pytest.mark.parametrize(
    "newer",
    [
        pytest.param(changed(DEPLOYMENT, metadata_generation=2), id="another specification"),
        pytest.param(changed(DEPLOYMENT, metadata_annotations={}), id="an annotation taken away"),
        pytest.param(changed(DEPLOYMENT, metadata_labels={labels.PIPELINE: "run"}), id="a label taken away"),
        pytest.param(changed(DEPLOYMENT, metadata_ownerReferences=[{"uid": "u"}]), id="another owner"),
        pytest.param(changed(DEPLOYMENT, metadata_deletionTimestamp="now"), id="about to go"),
        pytest.param(changed(DEPLOYMENT, status_readyReplicas=1), id="a pod that is ready"),
        pytest.param(changed(DEPLOYMENT, status_conditions=[{"type": "ReplicaFailure", "status": "True", "message": "quota"}]),
                     id="pods that cannot be made"),
        pytest.param(changed(POD, status_phase="Failed"), id="a pod that ended"),
        pytest.param(changed(POD, metadata_deletionTimestamp="now"), id="a pod that ends"),
        pytest.param(changed(POD, status_containerStatuses=[{"name": "operator", "restartCount": 1}]),
                     id="a pod started again"),
    ],
)  # fmt: skip
def test_news_that_a_look_would_notice_wake_the_pipeline(newer):
    before = DEPLOYMENT if newer["kind"] == "Deployment" else POD

    assert len(heard(before, newer)) > len(heard(before))
