"""Everything the charts render, as a real API server takes it: dry runs, Pod Security restricted."""

import subprocess
import sys

import pytest
import yaml
from chart.chart import CATALOGUE, ROOT, pod_templates, rendered
from cluster import binaries
from cluster.kube import Kube, KubeError

VARIANTS = {
    "the defaults": {},
    "an emptyDir": {"nats.storage.type": "emptyDir"},
    "a volume of a class": {"nats.storage.storageClassName": "fast", "nats.storage.type": "auto"},
    "NATS of one's own": {"nats.url": "nats://nats.lab:4222", "nats.auth.existingSecret": "token"},
    "a token for the bundled server": {"nats.auth.existingSecret": "token", "nats.auth.podSecret": "token"},
    "one replica, no policies": {"controller.replicas": 1, "networkPolicy.enabled": False},
    "every decoration": {
        "imagePullSecrets": [{"name": "registry"}],
        "controller.podAnnotations": {"a.example/b": "1"},
        "controller.podLabels": {"team": "stem"},
        "controller.nodeSelector": {"disk": "ssd"},
        "controller.tolerations": [{"key": "gpu", "operator": "Exists"}],
        "controller.affinity": {"nodeAffinity": {}},
        "controller.priorityClassName": "system-cluster-critical",
        "nats.podAnnotations": {"a.example/b": "1"},
        "nats.nodeSelector": {"disk": "ssd"},
        "nats.tolerations": [{"key": "gpu", "operator": "Exists"}],
        "nats.affinity": {"nodeAffinity": {}},
        "serviceAccount.annotations": {"a.example/b": "1"},
        "networkPolicy.monitoringNamespace": {"team": "metrics"},
    },
}  # fmt: skip


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS.keys())
def manifests(request, kube: Kube) -> list[dict]:
    return rendered(request.param, namespace=kube.namespace)


def test_the_api_server_takes_every_manifest(kube: Kube, manifests):
    for one in manifests:
        taken = kube.apply(one, namespace=kube.namespace, dry_run=True)

        assert taken["metadata"]["name"] == one["metadata"]["name"]


def test_every_pod_passes_pod_security_restricted(kube: Kube, manifests):
    templates = pod_templates(manifests)

    for name, template in templates.items():
        spec = {**template["spec"], "serviceAccountName": "default"}
        spec.pop("priorityClassName", None)  # that one belongs to kube-system
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{name}-pod"}, "spec": spec}
        kube.apply(pod, dry_run=True)
    assert {"interact-controller", "interact-test"} <= templates.keys()


def test_pod_security_would_say_so_if_it_did_not(kube: Kube):
    pod = pod_templates(rendered())["interact-nats"]["spec"]
    pod["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    pod.pop("serviceAccountName", None)

    with pytest.raises(KubeError, match="violates PodSecurity"):
        kube.apply(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "loose"}, "spec": pod},
            dry_run=True,
        )


def test_the_api_server_takes_every_operator_of_the_catalogue(kube: Kube):
    made = rendered(chart=CATALOGUE)

    for one in made:
        kube.apply(one, namespace=kube.namespace, dry_run=True)
    assert len(made) == 13


def test_roles_in_named_namespaces_are_taken(kube: Kube, make_namespace):
    watched = [make_namespace(), make_namespace()]

    made = rendered({"watchNamespaces": watched}, namespace=kube.namespace)

    for one in made:
        kube.apply(one, namespace=one["metadata"].get("namespace", kube.namespace), dry_run=True)
    places = {one["metadata"].get("namespace") for one in made if one["kind"] == "Role"}
    assert places == {*watched, kube.namespace}


def test_plain_manifests_are_taken_in_one_go(plane, kube: Kube, tmp_path):
    out = tmp_path / "manifests"
    command = [sys.executable, "helm/manifests.py", "--helm", str(binaries.find("helm")),
               "--out", str(out), "--namespace", kube.namespace]  # fmt: skip
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)

    said = plane.kubectl(
        "apply", "--server-side", "--dry-run=server", "--force-conflicts", "-k", str(out)
    )
    operators = plane.kubectl(
        "apply",
        "--server-side",
        "--dry-run=server",
        "-n",
        kube.namespace,
        "-k",
        str(out / "operators"),
    )

    assert "deployment.apps/interact-controller serverside-applied" in said
    assert "customresourcedefinition.apiextensions.k8s.io/pipelines.interact.science" in said
    assert operators.count("serverside-applied") == 13
    assert "helm" not in (out / "interact.yaml").read_text().lower()


def test_without_helm_the_manifests_name_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    done = subprocess.run(
        [sys.executable, "helm/manifests.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert "helm is not on PATH" in done.stderr


def test_the_examples_run_with_the_catalogue_as_it_is(kube: Kube):
    known = {one["metadata"]["name"] for one in rendered(chart=CATALOGUE)}

    for path in (ROOT / "examples").glob("*/pipeline.yaml"):
        pipeline = yaml.safe_load(path.read_text())
        kube.apply(pipeline, dry_run=True)
        wanted = {one["operatorRef"]["name"] for one in pipeline["spec"]["operators"]}
        beside = path.with_name("operator.yaml")
        if beside.exists():
            own = yaml.safe_load(beside.read_text())
            kube.apply(own, dry_run=True)
            wanted.discard(own["metadata"]["name"])
        assert wanted <= known
