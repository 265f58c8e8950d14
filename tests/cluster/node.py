"""A node for tests: it binds pods and runs their containers as processes of this machine.

No image, no isolation, no Services: a pod has a loopback address of its own, and its processes are
told it in ``INTERACT_HTTP_HOST``. What the node does not support it refuses: the pod fails.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from cluster.api import MERGE, Api, within
from cluster.containers import now
from cluster.kube import KubeError, Object
from cluster.plane import Plane
from cluster.pods import PodLife

UNSCHEDULABLE = "test.interact.science/unschedulable"
"""An annotation of a pod: it is not bound, and its condition says this."""
CAPACITY = {"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "1000"}
HEARTBEAT_SECONDS = 10.0
_TICK_SECONDS = 0.2
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


class Node:
    """A node that runs the pods of some namespaces.

    Attributes:
        name: Its name.
        images: The entry point of each image. A pod whose image is not here and that names no
            command is told that the image cannot be pulled.
        environment: Added to the environment of every container.
        backoff: Seconds before a crashed container is started a third time, and the most.
        unschedulable: If set, pods are not bound, and their condition says this.
    """

    def __init__(
        self, plane: Plane, folder: Path, name: str, serves: Callable[[str], bool]
    ) -> None:
        self.name = name
        self.images: dict[str, Sequence[str]] = {}
        self.environment: dict[str, str] = {}
        self.backoff = (0.2, 2.0)
        self.unschedulable = ""
        self._plane, self._folder, self._serves = plane, folder, serves
        self._served: set[str] = set()
        self._pods: dict[str, PodLife] = {}
        self._waiting: dict[str, Object] = {}
        self._told: dict[str, str] = {}
        self._stop: asyncio.Event
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        # Processes of pods die with the thread that started them.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        """Register, and serve from now on."""
        self._thread.start()
        self._started.result()

    def stop(self) -> None:
        """End all pods at once, remove them, and leave the cluster."""
        self._started.result().call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def serve(self, namespace: str) -> None:
        """Run the pods of another namespace too."""
        self._served.add(namespace)

    def pids(self, pod: str) -> list[int]:
        """The main processes of a pod; of none if it does not run."""
        return [one.pid for one in self._of(pod).containers.values() if one.pid is not None]

    def logs(self, pod: str) -> str:
        """What a pod's containers printed, also before they were started again."""
        life = self._of(pod)
        return "".join(one.log.read_text(errors="replace") for one in life.containers.values())

    def address(self, pod: str) -> str:
        """The loopback address of a pod."""
        return self._of(pod).host

    def kill(self, pod: str, number: int = signal.SIGKILL, reason: str = "") -> None:
        """Send a signal to a pod's processes; ``reason`` is what its status is to say of the end."""
        for one in self._of(pod).containers.values():
            one.last_words = reason
            if one.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(one.pid, number)

    def _of(self, pod: str) -> PodLife:
        found = [one for one in list(self._pods.values()) if one.name == pod]
        if not found:
            raise KeyError(f"the node {self.name} runs no pod {pod}")
        return found[-1]

    def _work(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        async with Api(self._plane) as self._api:
            await self._register()
            self._started.set_result(asyncio.get_running_loop())
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._watch(group)), group.create_task(self._retry()),
                         group.create_task(self._beat())]  # fmt: skip
                await self._stop.wait()
                for one in tasks:
                    one.cancel()
                for life in self._pods.values():
                    life.terminate(0)
            await self._leave()

    async def _register(self) -> None:
        metadata = {"name": self.name, "labels": {"kubernetes.io/hostname": self.name}}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": metadata}
        await self._api.request("POST", "/api/v1/nodes", node)
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now(),
                 "lastTransitionTime": now(), "message": "the test node serves"}  # fmt: skip
        status = {"capacity": CAPACITY, "allocatable": CAPACITY, "conditions": [ready]}
        await self._api.request(
            "PATCH", f"/api/v1/nodes/{self.name}/status", {"status": status}, MERGE
        )
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": self.name},
                 "spec": {"holderIdentity": self.name, "leaseDurationSeconds": 40}}  # fmt: skip
        await self._api.request("POST", _LEASES, lease)

    async def _beat(self) -> None:
        while True:
            spec = {"renewTime": now().replace("Z", ".000000Z")}
            with suppress(KubeError):
                await self._api.request("PATCH", f"{_LEASES}/{self.name}", {"spec": spec}, MERGE)
            await within(asyncio.Event(), HEARTBEAT_SECONDS)

    async def _leave(self) -> None:
        for path in (f"{_LEASES}/{self.name}", f"/api/v1/nodes/{self.name}"):
            with suppress(KubeError):
                await self._api.request("DELETE", path)

    async def _watch(self, group: asyncio.TaskGroup) -> None:
        async for event, pod in self._api.events("/api/v1/pods"):
            uid, placed = pod["metadata"]["uid"], pod["spec"].get("nodeName")
            self._waiting.pop(uid, None)
            if event == "DELETED":
                if uid in self._pods:
                    self._pods[uid].terminate(0)
            elif placed == self.name:
                self._run(group, pod)
            elif not placed and self._is_mine(pod) and "deletionTimestamp" not in pod["metadata"]:
                self._waiting[uid] = pod
                await self._bind(pod)

    def _is_mine(self, pod: Object) -> bool:
        namespace = pod["metadata"]["namespace"]
        return namespace in self._served or self._serves(namespace)

    async def _retry(self) -> None:
        while True:
            for pod in list(self._waiting.values()):
                await self._bind(pod)
            await within(asyncio.Event(), _TICK_SECONDS)

    async def _bind(self, pod: Object) -> None:
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        why = (
            metadata.get("annotations", {}).get(UNSCHEDULABLE) or self.unschedulable or misfit(pod)
        )
        with suppress(KubeError):
            if not why:
                target = {"apiVersion": "v1", "kind": "Node", "name": self.name}
                body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": metadata["name"]},
                        "target": target}  # fmt: skip
                await self._api.request("POST", f"{path}/binding", body)
                self._waiting.pop(metadata["uid"], None)
            elif self._told.get(metadata["uid"]) != why:
                self._told[metadata["uid"]] = why
                said = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                        "message": why, "lastTransitionTime": now()}  # fmt: skip
                await self._api.request("PATCH", f"{path}/status", {"status": {"conditions": [said]}}, MERGE)  # fmt: skip

    def _run(self, group: asyncio.TaskGroup, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        ended = pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}
        if uid not in self._pods and not (ended and "deletionTimestamp" not in pod["metadata"]):
            self._pods[uid] = PodLife(self._api, self, pod, self._folder / uid)
            group.create_task(self._pods[uid].run())
        if "deletionTimestamp" in pod["metadata"] and uid in self._pods:
            self._pods[uid].terminate(float(pod["metadata"].get("deletionGracePeriodSeconds") or 0))


def misfit(pod: Object) -> str:
    """Why no node could take a pod, in the scheduler's words; empty if one can."""
    short = {
        name
        for container in pod["spec"]["containers"]
        for name in container.get("resources", {}).get("requests", {})
        if name not in CAPACITY
    }
    if short:
        return "0/1 nodes are available: " + ", ".join(f"1 Insufficient {one}" for one in sorted(short)) + "."  # fmt: skip
    if pod["spec"].get("nodeSelector"):
        return "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
    return ""
