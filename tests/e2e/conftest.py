"""A real cluster with our images and charts on it."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from cluster.processes import Address
from e2e.real import ROOT, SYSTEM, TOOLS, Cluster, Images, run
from external.drivers import slurm_cluster
from external.drivers.slurm_cluster import SlurmCluster

WORK = "stem"
DATA = "/data"
SLURM_PORTS = range(17817, 17822)


@pytest.fixture(scope="session")
def slurm() -> Iterator[SlurmCluster]:
    """Slurm with an SSH server on an address nobody else has."""
    if reason := slurm_cluster.missing():
        pytest.skip(f"no Slurm: {reason}")
    address = Address()
    with tempfile.TemporaryDirectory(prefix="slurm-") as name:  # pytest's own are closed to others
        Path(name).chmod(0o711)
        with slurm_cluster.running(Path(name), address.host, SLURM_PORTS) as made:
            yield made
    address.close()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster that KUBECONFIG names, or one that is started for these tests."""
    named = os.environ.get("KUBECONFIG")
    if named:
        yield Cluster(Path(named))
        return
    if not (TOOLS / "up.sh").is_file():
        pytest.skip("no cluster: name one in KUBECONFIG")
    yield Cluster(Path(run(str(TOOLS / "up.sh"), seconds=900).split()[-1]))
    run(str(TOOLS / "down.sh"))


@pytest.fixture(scope="session")
def images(cluster: Cluster) -> Images:
    """Our images, built and on the nodes."""
    return Images()


@pytest.fixture(scope="session")
def release(cluster: Cluster, images: Images) -> Iterator[Cluster]:
    """The cluster with the chart installed; what is left of it after the tests is removed."""
    cluster.namespace(SYSTEM)
    cluster.helm(
        "install",
        "interact",
        "helm/interact",
        "-n",
        SYSTEM,
        "--wait",
        "--timeout",
        "240s",
        *values(images),
    )
    yield cluster
    cluster.kubectl(
        "delete", "namespace", WORK, SYSTEM, "--ignore-not-found", "--timeout=240s", seconds=300
    )
    cluster.kubectl("delete", "crd", "-l", "app.kubernetes.io/part-of=interact", "--timeout=60s")


def values(images: Images) -> list[str]:
    """What the chart is told of where images are."""
    told = {
        "image.prefix": images.prefix, "image.tag": images.tag, "image.pullPolicy": images.pull_policy,
        "operators.imagePullPolicy": images.pull_policy, "controller.statusSeconds": 1, "controller.sweepSeconds": 5,
        "nats.image.repository": f"{images.prefix}/nats", "nats.image.tag": images.tag,
    }  # fmt: skip
    return [word for name, value in told.items() for word in ("--set", f"{name}={value}")]


@pytest.fixture(scope="session")
def work(release: Cluster, images: Images) -> Cluster:
    """The cluster with a namespace for pipelines and the example's scan on a volume there."""
    release.namespace(WORK)
    release.apply(yaml.safe_dump_all([claim(), helper(images)]), WORK)
    release.kubectl("wait", "-n", WORK, "--for=condition=Ready", "pod/copier", "--timeout=120s")
    scan = ROOT / "examples" / "srtio3" / "simulated.h5"
    release.kubectl("cp", "-n", WORK, str(scan), f"copier:{DATA}/simulated.h5")
    release.kubectl("delete", "-n", WORK, "pod", "copier", "--wait=true", "--grace-period=1")
    return release


def claim() -> dict[str, object]:
    """A volume for data."""
    return {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "scans"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }  # fmt: skip


def helper(images: Images) -> dict[str, object]:
    """A pod through which data is copied."""
    container = {
        "name": "copier", "image": f"{images.prefix}/base:{images.tag}", "imagePullPolicy": images.pull_policy,
        "command": ["python", "-c", "import signal; signal.sigwait([signal.SIGTERM])"],
        "volumeMounts": [{"name": "data", "mountPath": DATA}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }  # fmt: skip
    pod = {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "fsGroup": 65532,
                            "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "scans"}}],
    }  # fmt: skip
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "copier"}, "spec": pod}
