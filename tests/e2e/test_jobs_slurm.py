"""The controller's pod hands work to a real Slurm, over SSH out of its own image."""

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from e2e.real import SYSTEM, Cluster
from external.drivers import slurm_cluster
from external.drivers.slurm_cluster import SlurmCluster
from interact_api.external_slurm import SlurmSystem

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
NAMESPACE = "reductions"
NAME = "hpc"


def address(cluster: Cluster) -> str:
    """The address of this machine that the cluster is reached from."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    server = urlsplit(config["clusters"][0]["cluster"]["server"])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.connect((str(server.hostname), server.port or 443))
        return str(asked.getsockname()[0])


@pytest.fixture(scope="module")
def system(slurm: SlurmCluster, release: Cluster) -> Iterator[tuple[SlurmSystem, str]]:
    """Slurm behind an SSH server that pods reach, and the key that opens it."""
    host = address(release)
    if host.startswith("127."):
        pytest.skip("pods do not reach this machine: its cluster is behind loopback")
    with socket.socket() as free:
        free.bind((host, 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="login-") as name:
        folder = Path(name)
        with slurm_cluster.login(folder, host, port):
            yield slurm.over(folder, host, port), (folder / "client").read_text()


@pytest.fixture(scope="module")
def lab(release: Cluster, system: tuple[SlurmSystem, str]) -> Iterator[Cluster]:
    """The cluster with the system and a namespace that may use it."""
    said, key = system
    release.namespace(NAMESPACE)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME},
              "stringData": {"ssh-privatekey": key}}  # fmt: skip
    declared = {
        "apiVersion": "interact.science/v1alpha1", "kind": "ExternalSystem", "metadata": {"name": NAME},
        "spec": {"driver": "slurm", "slurm": said.to_object(), "secret": NAME,
                 "namespaces": [NAMESPACE]},
    }  # fmt: skip
    release.apply(yaml.safe_dump_all([secret, declared]), SYSTEM)
    yield release
    release.kubectl("delete", "namespace", NAMESPACE, "--timeout=120s", seconds=150)
    release.kubectl("delete", "externalsystem", NAME)
    release.kubectl("delete", "-n", SYSTEM, "secret", NAME)


def test_a_run_is_one_job_of_slurm_and_its_results_come_back(lab: Cluster, slurm: SlurmCluster):
    run = {
        "apiVersion": "interact.science/v1alpha1", "kind": "ExternalRun", "metadata": {"name": "one"},
        "spec": {"driver": "slurm", "system": NAME, "parameters": [{"name": "gain", "value": 2.5}],
                 "slurm": {"script": "cp parameters.json results.json",
                           "artifacts": ["results.json"]}},
    }  # fmt: skip
    lab.apply(yaml.safe_dump(run), NAMESPACE)

    lab.kubectl("wait", "-n", NAMESPACE, "--for=condition=Completed", "xrun/one",
                "--timeout=180s", seconds=200)  # fmt: skip

    status = lab.get("xrun", "one", "-n", NAMESPACE)["status"]
    assert status["results"] == {"gain": 2.5}
    assert [one["name"] for one in status["artifacts"]] == ["results.json"]
    assert slurm.numbers(status["idempotencyKey"]) == [status["externalId"]]
