"""The example whose messages become jobs of a real Slurm, and whose picture is made of their results."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from cluster.waiting import eventually
from external.drivers.slurm_cluster import SlurmCluster
from interact_stem.planted import Planted
from scenarios import stage as stages
from scenarios.stage import Stage

from examples._saved import saved

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
EXAMPLE = stages.ROOT / "examples" / "slurm"
SHIPPED = ("scan-generator", "scan-image", "image-display")
JOBS = 8


@pytest.fixture
def stage(plane: Any, namespace: str, tmp_path: Path) -> Iterator[Stage]:
    with stages.opened(plane, tmp_path) as one:
        one.open(namespace)
        yield one


def example(kind: str) -> dict[str, Any]:
    """A file of the example, as it is but for the place of Python."""
    made: dict[str, Any] = yaml.safe_load((EXAMPLE / f"{kind}.yaml").read_text())
    if kind == "operator":
        slurm = made["spec"]["execution"]["slurm"]
        assert "exec python3 -" in slurm["script"]
        slurm["script"] = slurm["script"].replace("exec python3", f"exec {sys.executable}")
    return made


def test_the_example_s_messages_become_jobs_and_their_numbers_a_picture(
    stage: Stage, kube: Any, node: Any, slurm: SlurmCluster, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    node.images.update(stages.commands())
    stage.plane.kube(stage.system).create({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hpc"},
        "stringData": {"ssh-privatekey": slurm.private_key},
    })  # fmt: skip
    kube.apply({
        "apiVersion": "interact.science/v1alpha1", "kind": "ExternalSystem", "metadata": {"name": "hpc"},
        "spec": {"driver": "slurm", "slurm": slurm.system.to_object(), "secret": "hpc",
                 "namespaces": [kube.namespace]},
    })  # fmt: skip
    for one in yaml.safe_load_all(stages.operators(*SHIPPED)):
        kube.apply(one)
    stage.controller()

    kube.apply(example("operator"))
    kube.apply(example("pipeline"))

    def ended() -> bool:
        found = kube.get("pipelines", "slurm").get("status", {})
        return found.get("externalRuns") == {"COMPLETED": JOBS} and found["phase"] == "Completed"

    eventually(ended, lambda: str(kube.get("pipelines", "slurm")["status"]), within=300)
    runs = [one["status"] for one in kube.list("externalruns")]
    assert len(runs) == JOBS
    for one in runs:
        assert slurm.numbers(one["idempotencyKey"]) == [one["externalId"]]
    _picture(stage, kube.namespace, tmp_path / "pictures")
    kube.delete("pipelines", "slurm")
    eventually(lambda: not kube.list("externalruns"), "its runs go with the pipeline", within=60)
    kube.delete("externalsystems", "hpc")


def _picture(stage: Stage, namespace: str, folder: Path) -> None:
    """What people see is the field that was planted."""
    subprocess.run(
        [str(Path(sys.executable).with_name("interact")), "images", "slurm", "-n", namespace,
         "--nats", stage.nats.url, "--nats-token-file", str(stage.nats.token_file),
         "--out", str(folder)],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    planted = Planted(
        scan_shape=(32, 32), detector_shape=(32, 32), dose=1000, sparse=False, per_message=128,
        empty_every=0, seed=0,
    )  # fmt: skip
    total, y, x = planted.moments(np.arange(32 * 32)).T
    found = saved(folder, "map")
    assert found.completeness == 1.0
    np.testing.assert_allclose(found.channels["com_y"].ravel(), y / total, atol=1e-9)
    np.testing.assert_allclose(found.channels["com_x"].ravel(), x / total, atol=1e-9)
