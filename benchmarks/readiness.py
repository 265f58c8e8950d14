"""How soon ``kubectl wait --for=condition=Ready`` returns once the last pod of a pipeline is ready."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cluster.kube import Kube
    from scenarios.stage import Stage

PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 0.02


def delays(
    stage: "Stage", namespace: str, rounds: int, pipeline: Callable[[str], dict[str, Any]]
) -> tuple[float, ...]:
    """Seconds from the last pod's readiness to the end of ``kubectl wait``, of each round.

    Pods run a program that answers their probes; ``pipeline`` gives the manifest of a name.
    """
    from cluster import programs
    from cluster.node import Node

    folder = stage.folder / "node"
    folder.mkdir()
    node = Node(stage.plane, folder, "bench-node", namespace)
    kube = stage.plane.kube(namespace)
    for one in kube.list("interactoperators", stage.system):
        image = one["spec"]["image"]
        node.images[image] = [sys.executable, "-I", str(Path(programs.__file__)), "serve"]
    node.start()
    try:
        return tuple(_delay(stage, kube, pipeline(f"r{number}")) for number in range(rounds))
    finally:
        node.stop()


def _delay(stage: "Stage", kube: "Kube", pipeline: dict[str, Any]) -> float:
    from cluster import binaries

    name, wanted = pipeline["metadata"]["name"], len(pipeline["spec"]["operators"])
    kube.create(pipeline)
    waiting = subprocess.Popen(
        [str(binaries.find("kubectl")), "--kubeconfig", str(stage.plane.kubeconfig), "wait",
         "--for=condition=Ready", f"pipeline/{name}", "--namespace", kube.namespace,
         f"--timeout={PATIENCE_SECONDS:g}s"],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    at = 0.0
    while waiting.poll() is None:
        if not at and _ready(kube, name) == wanted:
            at = time.monotonic()
        time.sleep(LOOK_SECONDS)
    if waiting.returncode:
        raise RuntimeError(f"kubectl wait ended with {waiting.returncode}")
    done = time.monotonic()
    kube.delete("pipelines", name)
    return done - (at or done)


def _ready(kube: "Kube", pipeline: str) -> int:
    """How many pods of a pipeline are ready."""
    pods = kube.list("pods", labels=f"interact.science/pipeline={pipeline}")
    told = [one.get("status", {}).get("conditions", ()) for one in pods]
    return sum(any(c["type"] == "Ready" and c["status"] == "True" for c in one) for one in told)
