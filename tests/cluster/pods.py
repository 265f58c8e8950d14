"""One pod of the test node: a thread that starts, probes and ends its process and tells of it."""

import base64
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import urllib3

from cluster import processes
from cluster.kube import Kube, KubeError, Object

UNPULLABLE = "test.interact.science/unpullable"
"""An annotation of a pod: its image cannot be pulled, and its status says the value."""
REFUSED = {"initContainers", "ephemeralContainers", "hostNetwork", "hostPID", "hostIPC", "hostAliases",
           "nodeSelector", "lifecycle", "startupProbe", "envFrom", "subPath"}  # fmt: skip
"""What a pod, its container or a mount must not ask of the test node."""
REFUSALS = (KubeError, urllib3.exceptions.HTTPError)
_TICK_SECONDS = 0.1
_REFERENCE = re.compile(r"\$(?:\$|\(([A-Za-z_][A-Za-z0-9_.-]*)\))")


class MissingError(Exception):
    """What the pod names is not there, but may come: the kubelet's word for it, and a message."""


class UnsupportedError(Exception):
    """The test node cannot do what the pod asks."""


def now() -> str:
    """The time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Pod(threading.Thread):
    """A pod from its binding to its removal; ``last_words`` is the reason of its next end."""

    def __init__(self, kube: Kube, pod: Object, folder: Path, images: Mapping[str, Sequence[str]],
                 backoff: tuple[float, float]) -> None:  # fmt: skip
        super().__init__(name=pod["metadata"]["name"], daemon=True)
        self._kube, self.pod, self._folder = kube.within(pod["metadata"]["namespace"]), pod, folder
        self._images, self._backoff, self._container = images, backoff, pod["spec"]["containers"][0]
        self._address = processes.Address()
        (folder / "volumes").mkdir(parents=True)
        self.host, self.log, self.last_words = self._address.host, folder / "log", ""
        self.process: processes.Process | None = None
        self._grace, self._stopping = 30.0, threading.Event()
        self._began = self._turned = now()
        self._phase, self._failure, self._ready, self._restarts = "Pending", "", False, 0
        self._state: Object = {"waiting": {"reason": "ContainerCreating"}}
        self._before, self._told = Object(), Object()

    def terminate(self, seconds: float) -> None:
        """End it: SIGTERM, so many seconds later SIGKILL; then it is removed."""
        self._grace = min(self._grace, seconds)
        self._stopping.set()

    def run(self) -> None:
        """Live until deleted; the process dies with this thread."""
        try:
            self._live()
        except UnsupportedError as error:
            self._phase, self._failure = "Failed", f"the test node does not support {error}"
        self._tell()
        while not self._stopping.wait(_TICK_SECONDS):
            self._tell()
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.pod["metadata"]["uid"]}}
        with suppress(*REFUSALS):
            self._kube.request("DELETE", self._kube.path("pods", self.name), options)
        self._address.close()

    def _live(self) -> None:
        pause, longest = self._backoff
        while not self._stopping.is_set():
            try:
                words, environment = self._prepare()
            except MissingError as error:
                self._wait(*error.args)
                continue
            code = self._once(words, environment)
            policy = self.pod["spec"]["restartPolicy"]
            if self._stopping.is_set() or policy == "Never" or (policy == "OnFailure" and not code):
                self._phase = "Failed" if code else "Succeeded"
                return
            self._before, self._restarts = self._state, self._restarts + 1
            if self._restarts > 1:
                told = f"back-off {pause:g}s restarting failed container={self._container['name']}"
                self._wait("CrashLoopBackOff", told, pause)
                pause = min(2 * pause, longest)

    def _wait(self, reason: str, message: str, seconds: float = 2 * _TICK_SECONDS) -> None:
        self._state = {"waiting": {"reason": reason, "message": message}}
        self._tell()
        self._stopping.wait(seconds)

    def _once(self, words: list[str], environment: dict[str, str]) -> int:
        """Run the container once; gives its exit code as a shell tells it."""
        alive = Probe(self._container, "livenessProbe", self.host)
        ready = Probe(self._container, "readinessProbe", self.host)
        process = processes.start(words, self.log, environment, self._folder)
        self.process, began = process, now()
        self._phase, self._state = "Running", {"running": {"startedAt": began}}
        while process.poll() is None and not self._stopping.is_set() and alive.holds(before=True):
            self._tell(ready=ready.holds(before=self._ready))
            self._stopping.wait(_TICK_SECONDS)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(self._grace)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        code, self.process = process.wait(), None
        reason, self.last_words = self.last_words or ("Error" if code else "Completed"), ""
        code = code if code >= 0 else 128 - code
        self._state = {"terminated": {"exitCode": code, "reason": reason, "startedAt": began,
                                      "finishedAt": now()}}  # fmt: skip
        return code

    def _tell(self, *, ready: bool = False) -> None:
        """Report the status if it is another than the one that was reported last."""
        if ready != self._ready:
            self._ready, self._turned = ready, now()
        status = self._status()
        if status != self._told:
            body = {"metadata": {"uid": self.pod["metadata"]["uid"]}, "status": status}
            with suppress(*REFUSALS):  # the next tick tries again
                self._kube.patch("pods", f"{self.name}/status", body)
                self._told = status

    def _status(self) -> Object:
        name, image = self._container["name"], self._container["image"]
        unready = {"reason": "ContainersNotReady", "message": f"containers with unready status: [{name}]"}  # fmt: skip
        ready = {"status": str(self._ready), "lastTransitionTime": self._turned} | ({} if self._ready else unready)  # fmt: skip
        bound = {"type": "PodScheduled", "status": "True", "lastTransitionTime": self._began}
        container = {"name": name, "image": image, "imageID": image, "ready": self._ready,
                     "started": self.process is not None, "restartCount": self._restarts,
                     "state": self._state, "lastState": self._before}  # fmt: skip
        failed = {"reason": "NotSupported", "message": self._failure} if self._failure else {}
        return {"phase": self._phase, "startTime": self._began, "hostIP": self.host, "podIP": self.host,
                "podIPs": [{"ip": self.host}], "containerStatuses": [container], **failed,
                "conditions": [bound, {"type": "ContainersReady", **ready}, {"type": "Ready", **ready}]}  # fmt: skip

    def _prepare(self) -> tuple[list[str], dict[str, str]]:
        """Words and environment to start the container with; its volumes are made.

        Volumes are folders, and processes have no mounts: words and values that begin with a
        mountPath are rewritten to the folder.
        """
        spec, container, image = self.pod["spec"], self._container, self._container["image"]
        mounts, parts = container.get("volumeMounts", ()), [spec, *spec["containers"]]
        asked = [name for part in (*parts, *mounts) for name in part if name in REFUSED]
        if asked or len(parts) > 2:
            raise UnsupportedError(", ".join(asked) or "several containers")
        entry = [] if "command" in container else self._images.get(image, ())
        away = self.pod["metadata"].get("annotations", {}).get(UNPULLABLE)
        if away or not (entry or "command" in container):
            raise MissingError("ImagePullBackOff", away or f'Back-off pulling image "{image}"')
        folders = {one["name"]: str(self._volume(one)) for one in spec.get("volumes", ())}
        mounted = {one["mountPath"].rstrip("/"): folders[one["name"]] for one in mounts}
        given = {"TMPDIR": str(self._folder), "INTERACT_HTTP_HOST": self.host}
        for one in container.get("env", ()):
            source = one.get("valueFrom")
            value = self._value(source) if source else _expanded(one.get("value", ""), given)
            given |= {} if value is None else {one["name"]: _rewritten(value, mounted)}
        said = [*container.get("command", ()), *container.get("args", ())]
        return [*entry, *(_rewritten(_expanded(one, given), mounted) for one in said)], given

    def _value(self, source: Mapping[str, Any]) -> str | None:
        ((word, said),) = source.items()
        kind, metadata = word.removesuffix("KeyRef"), self.pod["metadata"]
        if kind in {"configMap", "secret"}:
            return self._entries(kind, said).get(said["key"])
        fields = {f"metadata.{key}": metadata[key] for key in ("name", "namespace", "uid")}
        fields["status.podIP"] = self.host
        if said.get("fieldPath") not in fields:
            raise UnsupportedError(f"the environment value {said}")
        return str(fields[said["fieldPath"]])

    def _entries(self, kind: str, said: Mapping[str, Any]) -> dict[str, str]:
        """What a ConfigMap or Secret holds; if that is optional it may be missing."""
        try:
            found = self._kube.find(f"{kind.lower()}s", said["name"])
        except REFUSALS as error:
            raise MissingError("CreateContainerConfigError", str(error)) from error
        data: dict[str, str] = (found or {}).get("data") or {}
        there = found is not None and ("key" not in said or said["key"] in data)
        if not there and not said.get("optional"):
            raise MissingError("CreateContainerConfigError", f"{kind} {said['name']} or its key is not there")  # fmt: skip
        if kind == "secret":
            return {key: base64.b64decode(value).decode() for key, value in data.items()}
        return data

    def _volume(self, volume: Object) -> Path:
        path = self._folder / "volumes" / str(volume["name"])
        path.mkdir(exist_ok=True)
        if said := volume.get("secret"):
            chosen = {one["key"]: one["path"] for one in said.get("items", ())}
            for key, value in self._entries("secret", said | {"name": said["secretName"]}).items():
                if key in chosen or not chosen:
                    (path / chosen.get(key, key)).write_text(value)
        elif "emptyDir" not in volume and not path.name.startswith("kube-api-access-"):
            raise UnsupportedError(f"the volume {path.name}")
        return path


class Probe:
    """What the thresholds of a container's probe make of its answers."""

    def __init__(self, container: Object, name: str, host: str) -> None:
        self._spec: Object = container.get(name) or {}
        asked: Object = self._spec.get("httpGet") or {}
        if self._spec and not asked:
            raise UnsupportedError("probes other than httpGet")
        ports = {one.get("name"): one["containerPort"] for one in container.get("ports", ())}
        port = ports.get(asked.get("port"), asked.get("port"))
        self._url = f"http://{host}:{port}{asked.get('path', '/')}"
        self._due, self._streak = time.monotonic() + self._spec.get("initialDelaySeconds", 0), 0

    def holds(self, *, before: bool) -> bool:
        """Whether it holds; as ``before`` if the answers do not say yet."""
        if self._spec and time.monotonic() >= self._due:
            well = self._answers()
            self._streak = max(self._streak, 0) + 1 if well else min(self._streak, 0) - 1
            # What does not hold is asked at each look: nobody waits for nothing.
            self._due = time.monotonic() + (self._spec.get("periodSeconds", 10) if before else 0)
        if not self._spec or self._streak >= self._spec.get("successThreshold", 1):
            return True
        return before and -self._streak < self._spec.get("failureThreshold", 3)

    def _answers(self) -> bool:
        with suppress(urllib3.exceptions.HTTPError):
            answer = urllib3.request("GET", self._url, timeout=self._spec.get("timeoutSeconds", 1), retries=False)  # fmt: skip
            return 200 <= answer.status < 400
        return False


def _rewritten(text: str, mounted: Mapping[str, str]) -> str:
    for mount in sorted(mounted, key=len, reverse=True):
        if text == mount or text.startswith(f"{mount}/"):
            return mounted[mount] + text[len(mount) :]
    return text


def _expanded(text: str, known: Mapping[str, str]) -> str:
    """The text with ``$(NAME)`` replaced; names that are not known stay, ``$$`` is ``$``."""
    return _REFERENCE.sub(lambda one: known.get(one[1], one[0]) if one[1] else "$", text)
