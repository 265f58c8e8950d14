"""A node for tests: it binds pods and runs each as one process of this machine.

No image, no isolation, no Services: a pod has a loopback address of its own, and its process is
told it in ``INTERACT_HTTP_HOST``. What the node does not support it refuses: the pod fails.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cluster.kube import Object
from cluster.plane import Plane
from cluster.pods import REFUSALS, Pod, now

UNSCHEDULABLE = "test.interact.science/unschedulable"
"""An annotation of a pod: it is not bound while it has this, and its condition says the value."""
_LOOK_SECONDS = 0.2


class Node:
    """A node that runs the pods of some namespaces, until it is stopped.

    Attributes:
        namespaces: How the names of the namespaces begin whose pods it runs.
        images: The entry point of each image; others cannot be pulled.
        backoff: Seconds before a crashed container is started a third time, and the most.
    """

    def __init__(self, plane: Plane, folder: Path, name: str, *namespaces: str) -> None:
        self.name = name
        self.namespaces = list(namespaces)
        self.images: dict[str, Sequence[str]] = {}
        self.backoff = (0.2, 2.0)
        self._kube, self._folder = plane.kube(agent="interact-test-node"), folder
        self._pods: dict[str, Pod] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        """Register, and serve from now on."""
        self._kube.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name}})
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        self._kube.patch_status("nodes", self.name, {"conditions": [ready]})
        self._thread.start()

    def stop(self) -> None:
        """End all pods at once, remove them, and leave the cluster."""
        self._stop.set()
        self._thread.join()
        for pod in self._pods.values():
            pod.terminate(0)
        for pod in self._pods.values():
            pod.join()
        self._kube.delete("nodes", self.name)

    def pod(self, name: str) -> Pod:
        """The pod of a name that it runs; the last one if there were several."""
        return [one for one in list(self._pods.values()) if one.name == name][-1]

    def _work(self) -> None:
        path = self._kube.path("pods", namespace="")
        while not self._stop.wait(_LOOK_SECONDS):
            with suppress(*REFUSALS):
                self._look(self._kube.request("GET", path, resourceVersion="0")["items"])

    def _look(self, pods: list[Object]) -> None:
        for pod in pods:
            metadata, placed = pod["metadata"], pod["spec"].get("nodeName")
            uid, ending = metadata["uid"], "deletionTimestamp" in metadata
            if placed == self.name:
                if uid not in self._pods:
                    folder = self._folder / uid
                    self._pods[uid] = Pod(self._kube, pod, folder, self.images, self.backoff)
                    self._pods[uid].start()
                self._pods[uid].pod = pod
                if ending:
                    self._pods[uid].terminate(metadata.get("deletionGracePeriodSeconds") or 0)
            elif not placed and not ending and metadata["namespace"].startswith(tuple(self.namespaces)):  # fmt: skip
                with suppress(*REFUSALS):
                    self._bind(pod, metadata["name"], metadata["namespace"])
        for uid in self._pods.keys() - {pod["metadata"]["uid"] for pod in pods}:
            self._pods[uid].terminate(0)

    def _bind(self, pod: Object, name: str, namespace: str) -> None:
        asked = [one.get("resources", {}).get("requests", {}) for one in pod["spec"]["containers"]]
        short = [f"1 Insufficient {key}" for one in asked for key in one.keys() - {"cpu", "memory"}]
        why = pod["metadata"].get("annotations", {}).get(UNSCHEDULABLE) or ", ".join(short)
        if not why:
            body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
                    "target": {"apiVersion": "v1", "kind": "Node", "name": self.name}}  # fmt: skip
            self._kube.request("POST", self._kube.path("pods", f"{name}/binding", namespace), body)
        elif why not in str(pod["status"]):
            said = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                    "message": f"0/1 nodes are available: {why}.", "lastTransitionTime": now()}  # fmt: skip
            self._kube.patch_status("pods", name, {"conditions": [said]}, namespace)
