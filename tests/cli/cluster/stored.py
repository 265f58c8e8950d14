"""Objects as an API server gives them, an API server that has only these, and kubeconfigs."""

import copy
import json
import socket

from interact.cli.cluster.api import ApiError
from interact.cli.cluster.objects import Place

MADE = "2026-01-01T00:00:00Z"
PATHS = {
    "Pipeline": "/apis/interact.science/v1alpha1/namespaces/lab/pipelines/",
    "InteractOperator": "/apis/interact.science/v1alpha1/namespaces/lab/interactoperators/",
}


def condition(kind, status="True", reason="Running", message=""):
    return {
        "type": kind, "status": status, "reason": reason, "message": message,
        "observedGeneration": 3, "lastTransitionTime": "2026-01-01T00:04:00Z",
    }  # fmt: skip


def operator_state(name, **fields):
    return {"name": name, "ready": 1, "replicas": 1, **fields}


def pipeline(*operators, status=None, generation=3, **spec):
    """A pipeline of operators that are given by name, or as they are."""
    entries = [
        {"name": one, "operatorRef": {"name": f"a-{one}"}} if isinstance(one, str) else one
        for one in operators or ("reader", "sum")
    ]
    return {
        "apiVersion": "interact.science/v1alpha1",
        "kind": "Pipeline",
        "metadata": {
            "name": "demo", "namespace": "lab", "uid": "u-1", "generation": generation,
            "resourceVersion": "7", "creationTimestamp": MADE,
        },
        "spec": {"operators": entries, **spec},
        **({} if status is None else {"status": {"observedGeneration": generation, **status}}),
    }  # fmt: skip


def operator(name, *parameters, **spec):
    return {
        "apiVersion": "interact.science/v1alpha1",
        "kind": "InteractOperator",
        "metadata": {
            "name": name, "namespace": "lab", "uid": f"u-{name}", "generation": 1,
            "creationTimestamp": MADE,
        },
        "spec": {"image": "example.org/a:1", "parameters": list(parameters), **spec},
    }  # fmt: skip


class Shelf:
    """Reads only: objects by path, lists by the path they lie below."""

    def __init__(self, *objects, paths=None):
        self.kept = dict(paths or {})
        for one in objects:
            self.kept[PATHS[one["kind"]] + one["metadata"]["name"]] = one
        self.refused: dict[str, ApiError] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def request(self, method, path, *, query=None, body=None, content_type="", accept=""):
        assert method == "GET", "this server only reads"
        self.asked.append((path, dict(query or {})))
        if path in self.refused:
            raise self.refused[path]
        if path in self.kept:
            return copy.deepcopy(self.kept[path])
        below = [one for at, one in self.kept.items() if at.rpartition("/")[0] == path]
        if not below and path.rpartition("/")[2] not in {"pipelines", "interactoperators"}:
            raise ApiError(404, "not found", {"details": {"kind": "pipelines"}})
        return {"metadata": {"resourceVersion": "9"}, "items": copy.deepcopy(below)}

    def lines(self, path, *, query=None, accept=""):
        raise AssertionError("this server has no watches")

    def tunnel(self, namespace, pod, port) -> socket.socket:
        raise AssertionError("this server has no pods")


def place(*objects, **more):
    """The namespace ``lab`` of a server that has these objects."""
    return Place(Shelf(*objects, **more), "lab")


def kubeconfig(path, *, server="https://127.0.0.1:1", namespace="lab", contexts=("here", "there")):
    """A kubeconfig whose contexts lead to one server; the first is the current one."""
    said = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": contexts[0],
        "contexts": [
            {"name": name, "context": {"cluster": "c", "user": "u", "namespace": namespace}}
            for name in contexts
        ],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path.write_text(json.dumps(said))
    return path
