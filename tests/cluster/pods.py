"""One pod of the test node, from its binding to its removal."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cluster import surroundings
from cluster.api import AWAY, MERGE, Api, within
from cluster.containers import BlockedError, Container, Start, now
from cluster.kube import KubeError, Object
from cluster.processes import Address

REFUSED = (
    "initContainers",
    "ephemeralContainers",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "hostAliases",
)
"""What a pod must not ask of the test node."""


_AGAIN_SECONDS = 0.2


class Settings(Protocol):
    """What the node decides for all its pods; see `cluster.node.Node`."""

    images: dict[str, Sequence[str]]
    environment: dict[str, str]
    backoff: tuple[float, float]


class PodLife:
    """A pod's containers and the status they add up to.

    Args:
        api: The API server.
        settings: What the node decides.
        pod: The pod as it was bound.
        folder: For its logs and volumes.
    """

    def __init__(self, api: Api, settings: Settings, pod: Object, folder: Path) -> None:
        self._api, self._settings, self._pod = api, settings, pod
        self._folder = folder
        folder.mkdir(parents=True)
        self._address = Address()
        self._stop = asyncio.Event()
        self._grace = 30.0
        self._dirty = asyncio.Event()
        self._began = now()
        self._conditions: dict[str, Object] = {}
        self._failure = ""
        self._pulled: set[str] = set()
        self.containers: dict[str, Container] = {}

    @property
    def name(self) -> str:
        """The pod's name."""
        return str(self._pod["metadata"]["name"])

    @property
    def host(self) -> str:
        """The pod's address."""
        return self._address.host

    def terminate(self, seconds: float) -> None:
        """End it: SIGTERM, so many seconds later SIGKILL; then it is removed."""
        self._grace = min(self._grace, seconds)
        self._stop.set()

    async def run(self) -> None:
        """Live: until the pod is deleted, or forever if it is not."""
        try:
            async with asyncio.TaskGroup() as group:
                reporting = group.create_task(self._report())
                await self._run_containers()
                await self._stop.wait()
                reporting.cancel()
            await self._remove()
        finally:
            self._address.close()

    async def _run_containers(self) -> None:
        self._failure = _refusal(self._pod["spec"])
        if self._failure:
            self._dirty.set()
            return
        spec = self._pod["spec"]
        for one in spec["containers"]:
            log = self._folder / f"{one['name']}.log"
            log.touch()
            self.containers[one["name"]] = Container(
                self._api, one, self.host, log, self._dirty.set
            )
        self._dirty.set()
        try:
            async with asyncio.TaskGroup() as group:
                for one in spec["containers"]:
                    group.create_task(self._run_container(one, spec.get("restartPolicy", "Always")))
        except* surroundings.UnsupportedError as errors:
            self._failure = f"the test node does not support {errors.exceptions[0]}"
        self._dirty.set()

    async def _run_container(self, spec: Object, policy: str) -> None:
        async def prepare() -> Start:
            return await self._prepare(spec)

        container = self.containers[spec["name"]]
        backoff = self._settings.backoff
        await container.run(prepare, policy, backoff, self._stop, lambda: self._grace)

    async def _prepare(self, spec: Object) -> Start:
        # An entry point is a program of this machine, whatever is mounted in the pod.
        entry = [] if spec.get("command") else list(self._settings.images.get(spec["image"], ()))
        if not entry and not spec.get("command"):
            again = spec["image"] in self._pulled
            self._pulled.add(spec["image"])
            raise BlockedError(
                "ImagePullBackOff" if again else "ErrImagePull",
                f'Back-off pulling image "{spec["image"]}"' if again
                else f'failed to pull image "{spec["image"]}": not found',
            )  # fmt: skip
        try:
            folders = await surroundings.volumes(self._api, self._pod, self._folder)
        except surroundings.MissingError as error:
            raise BlockedError("ContainerCreating", str(error)) from error
        try:
            given = await surroundings.environment(self._api, self._pod, spec, self.host)
        except surroundings.MissingError as error:
            raise BlockedError("CreateContainerConfigError", str(error)) from error
        mounted = surroundings.mounts(spec, folders)
        asked = [*spec.get("command", ()), *spec.get("args", ())]
        words = [surroundings.expanded(one, given) for one in asked]
        temporary = self._folder / "temporary"
        temporary.mkdir(exist_ok=True)
        return Start(
            [*entry, *(surroundings.rewritten(one, mounted) for one in words)],
            surroundings.inherited()
            | {"TMPDIR": str(temporary), "HOSTNAME": self.name, "INTERACT_HTTP_HOST": self.host}
            | {name: surroundings.rewritten(value, mounted) for name, value in given.items()}
            | self._settings.environment,
            self._folder,
        )

    async def _report(self) -> None:
        last: Object = {}
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            status = self._status()
            if status != last and await self._patch(status):
                last = status

    async def _patch(self, status: Object) -> bool:
        """Report a status; whether that is done, and else to be done again."""
        body = {"metadata": {"uid": self._pod["metadata"]["uid"]}, "status": status}
        try:
            await self._api.request("PATCH", f"{self._path}/status", body, MERGE)
        except KubeError as error:
            if error.status == AWAY:
                await within(asyncio.Event(), _AGAIN_SECONDS)
                self._dirty.set()
                return False
        return True

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self._pod['metadata']['namespace']}/pods/{self.name}"

    async def _remove(self) -> None:
        await self._patch(self._status())
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": self._pod["metadata"]["uid"]}}
        with suppress(KubeError):
            await self._api.request("DELETE", self._path, options)

    def _status(self) -> Object:
        containers = list(self.containers.values())
        unready = [name for name, one in self.containers.items() if not one.ready]
        ready = bool(containers) and not unready and not self._failure
        why = {} if ready else {"reason": "ContainersNotReady", "message": f"containers with unready status: {unready}"}  # fmt: skip
        said = {"Initialized": {"status": "True"}, "ContainersReady": {"status": str(ready), **why},
                "Ready": {"status": str(ready), **why}, "PodScheduled": {"status": "True"}}  # fmt: skip
        for kind, condition in said.items():
            before = self._conditions.get(kind, {})
            same = before.get("status") == condition["status"]
            moved = before["lastTransitionTime"] if same else now()
            self._conditions[kind] = {"type": kind, "lastTransitionTime": moved} | condition
        status: Object = {
            "phase": self._phase(containers),
            "startTime": self._began,
            "hostIP": self.host,
            "podIP": self.host,
            "podIPs": [{"ip": self.host}],
            "conditions": list(self._conditions.values()),
            "containerStatuses": [one.status() for one in containers],
        }
        return status | ({"reason": "NotSupported", "message": self._failure} if self._failure else {})  # fmt: skip

    def _phase(self, containers: Sequence[Container]) -> str:
        if self._failure:
            return "Failed"
        codes = [one.exit_code for one in containers]
        if containers and None not in codes:
            return "Failed" if any(codes) else "Succeeded"
        return "Running" if any(one.begun for one in containers) else "Pending"


def _refusal(spec: Mapping[str, object]) -> str:
    asked = [name for name in REFUSED if spec.get(name)]
    containers = spec["containers"]
    assert isinstance(containers, list)
    asked += ["lifecycle" for one in containers if one.get("lifecycle")]
    asked += ["subPath" for one in containers for mount in one.get("volumeMounts", ()) if mount.get("subPath")]  # fmt: skip
    return f"the test node does not support {', '.join(asked)}" if asked else ""
