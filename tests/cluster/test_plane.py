"""The control plane serves, forgets nothing it is asked, and follows owners."""

import json

import pytest

from cluster import servers
from cluster.kube import KubeError


def config_map(name, owner=None):
    metadata = {"name": name}
    if owner:
        metadata["ownerReferences"] = [
            {"apiVersion": owner["apiVersion"], "kind": owner["kind"],
             "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
        ]  # fmt: skip
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}}


PIPELINE = {"apiVersion": "interact.science/v1alpha1", "kind": "Pipeline", "metadata": {"name": "scan"},
            "spec": {"operators": [{"name": "a", "operatorRef": {"name": "a"}}]}}  # fmt: skip


def test_our_kinds_are_served(plane, kube, namespace):
    kube.apply(PIPELINE)

    assert "scan" in plane.kubectl("get", "ipl", "-n", namespace)
    assert kube.get("pipelines", "scan")["metadata"]["generation"] == 1


def test_the_garbage_collector_follows_the_owners_of_our_kinds(kube):
    owner = kube.apply(PIPELINE)
    kube.apply(config_map("child", owner))

    kube.delete("pipelines", "scan")

    kube.wait_gone("configmaps", "child")


def test_who_asked_for_what_is_recorded(plane, kube, namespace):
    kube.within(namespace, "somebody/1").apply(config_map("one"))
    kube.get("configmaps", "one")

    (event,) = plane.audit("somebody/1", namespace=namespace)
    assert (event["verb"], event["objectRef"]["name"], event["responseStatus"]["code"]) == (
        "patch",
        "one",
        201,
    )
    assert not plane.audit(namespace=namespace, verbs=["get"])


def test_a_service_account_may_do_nothing_by_itself(plane, namespace):
    kubeconfig = plane.user("nobody", namespace)

    answer = plane.kubectl("auth", "whoami", "-o", "json", kubeconfig=kubeconfig)
    allowed = plane.kubectl("auth", "can-i", "--list", "-n", namespace, kubeconfig=kubeconfig)

    assert (
        json.loads(answer)["status"]["userInfo"]["username"]
        == f"system:serviceaccount:{namespace}:nobody"
    )
    assert "pods" not in allowed


def test_the_restricted_namespace_refuses_privileged_pods(kube):
    with pytest.raises(KubeError, match="violates PodSecurity"):
        kube.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root"},
                     "spec": {"containers": [{"name": "a", "image": "a"}]}})  # fmt: skip


def test_the_api_server_comes_back_with_what_it_stored(separate_plane):
    own = separate_plane(crds=None)
    own.kube().apply(config_map("kept"))

    own.stop_api()
    own.start_api()

    assert own.kube().get("configmaps", "kept")["data"] == {"a": "b"}
    assert own.kube().find("customresourcedefinitions", "pipelines.interact.science") is None
    assert servers.CRDS.is_dir()


def test_a_watch_from_before_the_forgotten_history_has_expired(separate_plane):
    own = separate_plane(crds=None)
    asked = own.kube()
    before = asked.apply(config_map("first"))["metadata"]["resourceVersion"]
    asked.apply(config_map("second"))

    own.forget_history()

    path = asked.path("configmaps")
    event = asked.request("GET", path, watch="1", resourceVersion=before, timeoutSeconds="5")
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
