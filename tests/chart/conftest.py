"""A control plane without CRDs, for the charts to be installed on."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from chart import chart
from cluster import kube, servers, waiting
from cluster.fixtures import RESTRICTED

_NUMBERS = itertools.count(1)


class Cluster:
    """An empty cluster, and helm on it.

    Attributes:
        plane: Its control plane.
        kube: A client of its administrator.
    """

    def __init__(self, plane: servers.OwnPlane, folder: Path) -> None:
        self.plane = plane
        self.kube = plane.kube()
        self._folder = folder

    def namespace(self) -> str:
        """A new namespace under Pod Security *restricted*."""
        name = f"system-{next(_NUMBERS)}"
        self.kube.create(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "labels": RESTRICTED},
            }
        )
        return name

    def helm(self, *arguments: str) -> str:
        """Helm on this cluster."""
        return chart.helm(*arguments, kubeconfig=self.plane.kubeconfig, folder=self._folder)

    def crds(self) -> list[str]:
        """Names of our CRDs that are there."""
        there = self.kube.list("customresourcedefinitions")
        return sorted(
            one["metadata"]["name"] for one in there if one["spec"]["group"] == "interact.science"
        )

    def serve(self) -> None:
        """Wait until our CRDs are served."""
        for name in self.crds():
            self.kube.wait("customresourcedefinitions", name, kube.has_condition("Established"))


@pytest.fixture(scope="module")
def plain_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.OwnPlane]:
    """A control plane without CRDs, for a module."""
    made = servers.OwnPlane(tmp_path_factory.mktemp("plane"), None)
    yield made
    made.close()


@pytest.fixture
def cluster(
    plain_plane: servers.OwnPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A cluster without anything of ours, before and after."""
    made = Cluster(plain_plane, tmp_path_factory.mktemp("helm"))
    yield made
    _forget_crds(made)
    _forget_roles(made.kube)


def _forget_crds(made: Cluster) -> None:
    """Delete our CRDs and what there is of their kinds.

    Each kind is listed before: its first reader makes the API server set up its store, and a
    deletion that finds it half set up ("storage is (re)initializing") can be left for minutes.
    """
    made.serve()
    for name in made.crds():
        kind = name.partition(".")[0]
        waiting.eventually(lambda kind=kind: _readable(made.kube, kind), f"{kind} can be listed")
        made.kube.delete("customresourcedefinitions", name)
        made.kube.wait_gone("customresourcedefinitions", name)


def _readable(asked: kube.Kube, kind: str) -> bool:
    try:
        asked.list(kind, "")
    except kube.KubeError as error:
        if error.status != 404:
            raise
        return False
    return True


def _forget_roles(asked: kube.Kube) -> None:
    for kind in ("clusterrolebindings", "clusterroles"):
        for one in asked.list(kind, labels="app.kubernetes.io/part-of=interact"):
            asked.delete(kind, one["metadata"]["name"])
