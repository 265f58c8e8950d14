"""Runs on a real cluster: what rows of the table of faults do there, and what they see."""

import base64
import io
import json
import tarfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from chaos import pipeline
from chaos.node import PIPELINE, rolled
from chaos.pipeline import OPERATORS, Setup
from chaos.runs import Run
from cluster.waiting import eventually, pause
from e2e.real import SYSTEM, Cluster, Images, Object, ProgramError
from interact import Batch, _codec, _spec
from interact_api import names
from interact_api.wire import Header

NAMESPACE, NODE = "faults", "faults-node"
DATA, CODE = "/data", "/chaos"
MEMORY_MIB = 256
"""Limit of an operator's container; one needs about a third of it."""
LOOK_SECONDS = 0.3
PATIENCE = 180.0
"""Longest wait for anything: a container that was killed twice is started after ten seconds."""
KILL = """
import os, pathlib, signal, sys
killed = []
for one in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        if sys.argv[1] in (one / "cgroup").read_text():
            os.kill(int(one.name), signal.SIGKILL)
            killed.append(one.name)
    except (FileNotFoundError, ProcessLookupError):
        pass
print(*killed)
"""
LETTERS = """
import asyncio, base64, json, nats, os, sys
async def main():
    client = await nats.connect(os.environ["INTERACT_NATS_URL"])
    stream = client.jetstream()
    state = (await stream.stream_info(sys.argv[1])).state
    numbers = range(state.first_seq, state.last_seq + 1) if state.messages else ()
    kept = [(await stream.get_msg(sys.argv[1], one)).data for one in numbers]
    print(json.dumps([base64.b64encode(one).decode() for one in kept]))
    await client.close()
asyncio.run(main())
"""


class ClusterRun(Run):
    """A run as a Pipeline object; its source and sink write to a volume, which is copied here.

    Attributes:
        ends: Why containers ended before the last time they were started, as Kubernetes says it.
    """

    def __init__(self, setup: Setup, folder: Path, cluster: Cluster) -> None:
        super().__init__(setup, folder)
        self._cluster = cluster
        self.ends: set[str] = set()
        self._there = f"{DATA}/{folder.name}"

    # -- what a row does ----------------------------------------------------------------------------

    async def kill(self, operator: str, *replicas: int) -> None:
        """kill -9 of the processes of as many pods, or of all; a pod's second time ends the pod.

        The first is a crash, after which the kubelet starts the container again at once; the
        second is a machine that is gone: the pod is deleted without grace, and another one comes.
        """
        pods = self._running(f"interact.science/operator={operator}")
        assert len(pods) >= max(1, len(replicas)), f"{operator} has no pods that run"
        for one in pods[: len(replicas) or None]:
            name = one["metadata"]["name"]
            eventually(partial(self._end, name), f"pod {name} ends", PATIENCE)

    def _end(self, name: str) -> bool:
        """Kill a pod's container or, where it was killed before, delete the pod."""
        pod = self._cluster.get("pod", name, "-n", NAMESPACE)
        if not pod["status"]["containerStatuses"][0]["restartCount"]:
            return self.strike(pod)
        self._kubectl("delete", "pod", name, "--grace-period=0", "--force")
        return True

    async def kill_nats(self) -> None:
        """kill -9; the kubelet starts it again with the same volume."""
        self._strike_all("nats")

    async def kill_controller(self) -> None:
        """kill -9 of all of them; the kubelet starts them again."""
        self._strike_all("controller")

    async def update(self, operator: str) -> None:
        """Give its pods another annotation, and wait until those with it have taken over."""
        code, name = self.setup.graph.code[operator], names.workload(PIPELINE, operator)
        said = {"spec": {"template": {"annotations": {"update": operator}}}}
        self._kubectl("patch", "interactoperator", code, "--type=merge", "-p", json.dumps(said))
        await self.until(
            lambda: rolled(self._cluster.get("deployment", name, "-n", NAMESPACE), operator),
            f"{operator} is rolled",
        )

    def open(self) -> None:
        """Let the source on."""
        self.see("touch", f"{self._there}/open")

    def strike(self, pod: Object) -> bool:
        """kill -9 of what runs in a pod's container; whether anything did."""
        _, _, container = pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")
        killed = self._cluster.kubectl(
            "exec", "-n", NODE, "killer", "--", "python", "-c", KILL, container
        )
        return bool(killed.split())

    def end(self) -> None:
        """Delete the pipeline, and wait until its pods are gone."""
        self._kubectl("delete", "pipeline", PIPELINE, "--timeout=60s")
        eventually(lambda: not self._pods("interact.science/pipeline"), "no pods", PATIENCE)

    # -- what a row sees ----------------------------------------------------------------------------

    async def look_after(self) -> None:
        """Copy what source and sink have written."""
        pause(LOOK_SECONDS)
        with suppress(ProgramError):  # the folder is being written to, or not there yet
            said = self.see(
                "sh", "-c", f"cd {self._there} && tar cf - --ignore-failed-read . | base64"
            )
            with tarfile.open(fileobj=io.BytesIO(base64.b64decode(said))) as archive:
                archive.extractall(self.folder, filter="data")

    async def finished(self, *more: str) -> None:
        """Let the source on, and wait until the controller says that all, and so ``more``, is done."""
        del more
        self.open()
        await self.until(self._completed, "the pipeline is completed")
        await self.look_after()

    async def until(self, holds: Any, what: str, within: float = PATIENCE) -> None:
        """The same with more patience."""
        await super().until(holds, what, within)

    async def letters(self) -> list[tuple[Header, Batch]]:
        """The dead letters that are kept, in their order."""
        stream = names.dead_letter_stream(NAMESPACE, PIPELINE)
        said = self._cluster.kubectl(
            "exec", "-n", SYSTEM, "deployment/interact-controller", "--", "python", "-c", LETTERS, stream,
        )  # fmt: skip
        return [_codec.decode(base64.b64decode(one)) for one in json.loads(said)]

    def see(self, *command: str) -> str:
        """What a command prints in the pod that has the volume."""
        return self._kubectl("exec", "eye", "--", *command)

    def words(self) -> str:
        """The state and the last lines of each pod."""
        lines = [f"{len(self.sent)} frames sent, {self.done:.0%} of the first scan kept"]
        lines.append(self._kubectl("get", "pipelines,pods", "-o", "wide"))
        for one in self._pods("interact.science/pipeline"):
            with suppress(ProgramError):
                name = one["metadata"]["name"]
                lines.append(f"{name}:\n{self._kubectl('logs', name, '--tail=8')}")
        return "\n".join(lines)

    def _completed(self) -> bool:
        for one in self._pods("interact.science/pipeline"):
            for container in one["status"].get("containerStatuses", ()):
                ended = container.get("lastState", {}).get("terminated", {})
                self.ends.add(str(ended.get("reason", "")))
        found = self._cluster.get("pipeline", PIPELINE, "-n", NAMESPACE)
        return any(
            one["type"] == "Completed" and one["status"] == "True"
            for one in found.get("status", {}).get("conditions", ())
        )

    def _running(self, labels: str) -> list[Object]:
        """Pods whose containers all run; those that start are waited for."""

        def found() -> list[Object]:
            pods = [one for one in self._pods(labels) if "deletionTimestamp" not in one["metadata"]]
            states = [one["status"].get("containerStatuses", [{}])[0] for one in pods]
            return pods if all("running" in one.get("state", {}) for one in states) else []

        return eventually(found, f"pods of {labels} run", PATIENCE)

    def _pods(self, labels: str, namespace: str = NAMESPACE) -> list[Object]:
        return self._cluster.items("pods", "-n", namespace, "-l", labels)

    def _strike_all(self, component: str) -> None:
        pods = self._pods(f"app.kubernetes.io/component={component}", SYSTEM)
        struck = [self.strike(one) for one in pods]
        assert all(struck), f"not every {component} ran"

    def _kubectl(self, *arguments: str) -> str:
        return self._cluster.kubectl(*arguments[:1], "-n", NAMESPACE, *arguments[1:])


class OnCluster:
    """Plays rows on a real cluster, under Pod Security *restricted*."""

    def __init__(self, folder: Path, cluster: Cluster, images: Images) -> None:
        self._folder, self._cluster, self._images = folder, cluster, images
        self.run: ClusterRun

    @asynccontextmanager
    async def running(self, setup: Setup) -> AsyncIterator[ClusterRun]:
        """Run the pipeline; everything is under way on entry, and deleted on exit."""
        folder = self._folder / f"run-{time.time_ns()}"
        folder.mkdir()
        self.run = run = ClusterRun(setup, folder, self._cluster)
        there = f"{DATA}/{folder.name}"
        run.see("mkdir", "-m", "777", there)
        for name, operator in pipeline.operators().items():
            made = yaml.safe_load(
                _spec.document(operator, image=self._images.name("image-display"))
            )
            made["spec"] |= {
                "command": ["python", "-m", "interact", f"{CODE}/{name}.py"],
                "template": template(),
            }
            self._cluster.apply(made, NAMESPACE)
        made = pipeline.document(setup, folder, PIPELINE)
        for one in made["spec"]["operators"]:
            if "folder" in one["parameters"]:
                one["parameters"]["folder"] = there
            if one["operatorRef"]["name"] == "sums":
                one["parameters"]["memory"] = 4 * MEMORY_MIB
        self._cluster.apply(made, NAMESPACE)
        try:
            yield run
        finally:
            run.end()


def template() -> Object:
    """What pods of operators need: their code, the volume, and a limit of memory."""
    return {
        "resources": {"limits": {"memory": f"{MEMORY_MIB}Mi"}},
        "terminationGracePeriodSeconds": 10,
        "securityContext": {"runAsUser": 65532, "fsGroup": 65532},
        "volumes": [
            {"name": "code", "configMap": {"name": "chaos"}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
        ],
        "volumeMounts": [
            {"name": "code", "mountPath": CODE, "readOnly": True},
            {"name": "data", "mountPath": DATA},
        ],
    }


def eye(images: Images) -> Object:
    """A pod that has the volume, to look at what operators write."""
    made = _idle("eye", images)
    made["spec"] |= {
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532,
                            "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    }  # fmt: skip
    made["spec"]["containers"][0] |= {
        "volumeMounts": [{"name": "data", "mountPath": DATA}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return made


def killer(images: Images) -> Object:
    """A pod that sees the node's processes and may kill them."""
    made = _idle("killer", images)
    made["spec"] |= {"hostPID": True, "securityContext": {"runAsUser": 0}}
    return made


def _idle(name: str, images: Images) -> Object:
    sleep = "import signal; signal.sigwait([signal.SIGTERM])"
    container = {"name": name, "image": images.name("base"), "imagePullPolicy": images.pull_policy,
                 "command": ["python", "-c", sleep]}  # fmt: skip
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def claim() -> Object:
    """The volume operators write to."""
    return {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }  # fmt: skip


def code() -> Object:
    """The operators' code."""
    files = {one.name: one.read_text(encoding="utf-8") for one in OPERATORS.glob("*.py")}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "chaos"}, "data": files}
