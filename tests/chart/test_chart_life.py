"""The life of a release on a real API server: first, again, over what is there, and away."""

import io
import tarfile
from pathlib import Path

import pytest
import yaml
from chart.chart import CATALOGUE, CHART, ROOT, HelmError, settings
from chart.conftest import Cluster
from cluster.kube import KubeError

CRDS = [
    f"{kind}.interact.science"
    for kind in ("externalruns", "externalsystems", "interactoperators", "pipelines")
]
RELEASED = sorted((ROOT / "helm" / "released").glob("interact-*.tgz"))
PIPELINE = """
apiVersion: interact.science/v1alpha1
kind: Pipeline
metadata: {name: first}
spec:
  label: mine
  operators:
  - {name: scan, operatorRef: {name: scan-generator}}
  - {name: display, operatorRef: {name: image-display}}
  edges:
  - {from: scan.out, to: display.image}
"""


def install(cluster: Cluster, namespace: str, chart: Path | str = CHART, *more: str) -> str:
    return cluster.helm("install", "interact", str(chart), "--namespace", namespace, *more)


def upgrade(cluster: Cluster, namespace: str, *more: str) -> str:
    return cluster.helm("upgrade", "interact", str(CHART), "--namespace", namespace, *more)


def without_label(folder: Path) -> Path:
    """The chart as an older release may have been: pipelines had no ``spec.label``."""
    older = folder / "interact-older.tgz"
    with tarfile.open(RELEASED[0]) as archive, tarfile.open(older, "w:gz") as written:
        for member in archive.getmembers():
            data = archive.extractfile(member)
            text = data.read().decode() if data else ""
            if member.name.endswith("pipelines.interact.science.yaml"):
                text = drop_spec_label(text)
            member.size = len(text.encode())
            written.addfile(member, io.BytesIO(text.encode()))
    return older


def drop_spec_label(text: str) -> str:
    lines = text.splitlines()
    spec = lines.index("          spec:")
    at = next(i for i in range(spec, len(lines)) if lines[i] == "              label:")
    end = next(i for i in range(at + 1, len(lines)) if not lines[i].startswith("                "))
    return "\n".join(lines[:at] + lines[end:]) + "\n"


def test_a_first_install_brings_crds_controller_and_nats(cluster: Cluster):
    namespace = cluster.namespace()

    said = install(cluster, namespace)

    assert cluster.crds() == CRDS
    assert (
        cluster.kube.get("deployments", "interact-controller", namespace)["spec"]["replicas"] == 2
    )
    assert cluster.kube.get("poddisruptionbudgets", "interact-controller", namespace)
    assert f"helm test interact -n {namespace}" in said
    cluster.serve()
    cluster.helm("install", "operators", str(CATALOGUE), "--namespace", namespace)
    assert len(cluster.kube.list("interactoperators", namespace)) == 13


def test_the_same_again_changes_nothing(cluster: Cluster):
    namespace = cluster.namespace()
    install(cluster, namespace)
    cluster.serve()
    before = {
        name: cluster.kube.get("customresourcedefinitions", name)["metadata"]["generation"]
        for name in CRDS
    }

    upgrade(cluster, namespace)

    after = {
        name: cluster.kube.get("customresourcedefinitions", name)["metadata"]["generation"]
        for name in CRDS
    }
    assert after == before
    assert (
        cluster.kube.get("deployments", "interact-controller", namespace)["metadata"]["generation"]
        == 1
    )
    assert (
        cluster.kube.get("statefulsets", "interact-nats", namespace)["metadata"]["generation"] == 1
    )


@pytest.mark.parametrize("released", RELEASED, ids=lambda path: path.stem)
def test_objects_of_a_released_chart_survive_the_upgrade(cluster: Cluster, released):
    namespace = cluster.namespace()
    install(cluster, namespace, released)
    cluster.serve()
    made = cluster.kube.apply(PIPELINE, namespace=namespace)

    upgrade(cluster, namespace)

    kept = cluster.kube.get("pipelines", "first", namespace)
    assert kept["metadata"]["uid"] == made["metadata"]["uid"]
    assert kept["spec"] == made["spec"]


def test_an_upgrade_brings_new_fields_without_a_step_by_hand(cluster: Cluster, tmp_path):
    namespace = cluster.namespace()
    install(cluster, namespace, without_label(tmp_path))
    cluster.serve()
    older = {**yaml.safe_load(PIPELINE)}
    with pytest.raises(KubeError, match=r"spec\.label"):
        cluster.kube.apply(PIPELINE, namespace=namespace)
    del older["spec"]["label"]
    made = cluster.kube.apply(older, namespace=namespace)

    upgrade(cluster, namespace)

    cluster.serve()
    kept = cluster.kube.apply(PIPELINE, namespace=namespace)
    assert kept["metadata"]["uid"] == made["metadata"]["uid"]
    assert kept["spec"]["label"] == "mine"


def test_crds_that_kubectl_applied_are_taken_over_when_asked(cluster: Cluster):
    namespace = cluster.namespace()
    cluster.plane.install(ROOT / "crds")
    made = cluster.kube.apply(PIPELINE, namespace=namespace)

    with pytest.raises(HelmError, match="cannot be imported into the current release"):
        install(cluster, namespace)
    install(cluster, namespace, CHART, "--take-ownership")

    assert (
        cluster.kube.get("pipelines", "first", namespace)["metadata"]["uid"]
        == made["metadata"]["uid"]
    )
    crd = cluster.kube.get("customresourcedefinitions", CRDS[0])
    assert crd["metadata"]["annotations"]["meta.helm.sh/release-name"] == "interact"


def test_crds_that_kubectl_applied_can_stay_apart(cluster: Cluster):
    namespace = cluster.namespace()
    cluster.plane.install(ROOT / "crds")

    said = install(cluster, namespace, CHART, *settings({"crds.enabled": False}))

    assert "kubectl apply --server-side -f crds/" in said
    crd = cluster.kube.get("customresourcedefinitions", CRDS[0])
    assert "meta.helm.sh/release-name" not in crd["metadata"].get("annotations", {})


def test_uninstalling_keeps_the_pipelines_of_people(cluster: Cluster):
    namespace = cluster.namespace()
    install(cluster, namespace)
    cluster.serve()
    cluster.kube.apply(PIPELINE, namespace=namespace)

    cluster.helm("uninstall", "interact", "--namespace", namespace)

    assert cluster.crds() == CRDS
    assert cluster.kube.get("pipelines", "first", namespace)
    assert left(cluster, namespace) == []
    install(cluster, namespace)  # and what was kept is this release's again


def test_uninstalling_removes_everything_when_nothing_is_to_be_kept(cluster: Cluster):
    namespace = cluster.namespace()
    install(cluster, namespace, CHART, *settings({"crds.keep": False}))
    cluster.serve()
    cluster.kube.apply(PIPELINE, namespace=namespace)

    cluster.helm("uninstall", "interact", "--namespace", namespace)

    for name in CRDS:
        cluster.kube.wait_gone("customresourcedefinitions", name)
    assert left(cluster, namespace) == []


def left(cluster: Cluster, namespace: str) -> list[str]:
    """What a release left in its namespace and outside of all."""
    kinds = ["deployments", "statefulsets", "services", "configmaps", "roles", "rolebindings", "serviceaccounts",
             "networkpolicies", "poddisruptionbudgets"]  # fmt: skip
    selector = "app.kubernetes.io/part-of=interact"
    found = [
        (kind, one) for kind in kinds for one in cluster.kube.list(kind, namespace, labels=selector)
    ]
    found += [(kind, one) for kind in ("clusterroles", "clusterrolebindings")
              for one in cluster.kube.list(kind, labels=selector)]  # fmt: skip
    return [f"{kind}/{one['metadata']['name']}" for kind, one in found
            if "deletionTimestamp" not in one["metadata"]]  # fmt: skip


def test_storage_is_a_volume_only_where_claims_are_served(cluster: Cluster):
    without, with_class = cluster.namespace(), cluster.namespace()
    said = install(cluster, without)
    storage_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "disks",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": "example.com/disks",
    }
    cluster.kube.create(storage_class)
    try:
        cluster.helm("install", "second", str(CHART), "--namespace", with_class,
                     *settings({"crds.enabled": False}))  # fmt: skip
        upgrade(
            cluster, without
        )  # a class came since: what is there stays, its claims cannot change
    finally:
        cluster.kube.delete("storageclasses", "disks")

    assert "gone when its pod is" in said
    assert (
        "volumeClaimTemplates"
        not in cluster.kube.get("statefulsets", "interact-nats", without)["spec"]
    )
    claimed = cluster.kube.get("statefulsets", "second-interact-nats", with_class)["spec"]
    assert claimed["volumeClaimTemplates"][0]["spec"]["resources"]["requests"] == {
        "storage": "20Gi"
    }
    cluster.helm("upgrade", "second", str(CHART), "--namespace", with_class,
                 *settings({"crds.enabled": False}))  # fmt: skip
    kept = cluster.kube.get("statefulsets", "second-interact-nats", with_class)["spec"]
    assert len(kept["volumeClaimTemplates"]) == 1


MAY = [
    ("list", "interact.science", "pipelines", "", True),
    ("update", "interact.science", "pipelines/status", "", True),
    ("create", "apps", "deployments", "", True),
    ("create", "", "events", "", True),
    ("update", "coordination.k8s.io", "leases/interact-controller", "own", True),
    ("update", "coordination.k8s.io", "leases/other", "own", False),
    ("create", "coordination.k8s.io", "leases", "", False),
    ("get", "", "configmaps/interact-installation", "own", True),
    ("list", "", "configmaps", "own", True),
    ("get", "", "secrets", "", False),
    ("get", "", "secrets", "own", True),
    ("list", "", "secrets", "own", False),
    ("update", "interact.science", "pipelines", "", False),
    ("create", "", "pods", "", False),
    ("create", "", "pods/exec", "", False),
    ("delete", "", "pods", "", False),
    ("create", "rbac.authorization.k8s.io", "rolebindings", "own", False),
]


def test_the_controller_may_do_its_work_and_nothing_else(cluster: Cluster):
    namespace = cluster.namespace()
    install(cluster, namespace)

    for verb, group, what, where, allowed in MAY:
        answer = review(cluster, f"system:serviceaccount:{namespace}:interact-controller", verb, group, what,
                        namespace if where == "own" else "")  # fmt: skip
        assert answer is allowed, f"{verb} {what} in {where or 'all namespaces'}"


def review(cluster: Cluster, user: str, verb: str, group: str, what: str, namespace: str) -> bool:
    resource, _, rest = what.partition("/")
    about = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
    about |= {"subresource": rest} if rest in {"status", "exec"} else {"name": rest}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": ["system:serviceaccounts"], "resourceAttributes": about},
    }
    made = cluster.kube.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)
    return bool(made["status"]["allowed"])


def test_people_who_may_edit_a_namespace_may_edit_its_pipelines(cluster: Cluster):
    namespace = cluster.namespace()
    install(cluster, namespace)

    for role, verb, allowed in (
        ("edit", "patch", True),
        ("view", "get", True),
        ("view", "patch", False),
    ):
        user = f"person-{role}"
        cluster.kube.apply(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": user, "namespace": namespace},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": role,
                },
                "subjects": [
                    {"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}
                ],
            }
        )
        expect(cluster, user, verb, namespace, allowed)


def expect(cluster: Cluster, user: str, verb: str, namespace: str, allowed: bool) -> None:
    from cluster.waiting import eventually

    def so() -> bool:
        return review(cluster, user, verb, "interact.science", "pipelines", namespace) is allowed

    eventually(so, f"{user} may {verb}: {allowed}")
