"""The stage of a module of scenarios: one nats-server, one control plane, one node."""

import secrets
from collections.abc import Iterator

import pytest
from cluster.plane import Plane
from interact import _server

from scenarios import stage as stages


@pytest.fixture(scope="module")
def theatre(plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[stages.Stage]:
    """A stage without a controller yet, for a module."""
    folder = tmp_path_factory.mktemp("stage")
    system = f"system-{secrets.token_hex(3)}"
    kube = plane.kube()
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": system}})
    stages.grant(plane, system)
    account = plane.user(stages.AGENT, system)
    with _server.nats_server(folder / "nats", max_file=1 << 40) as nats:
        one = stages.Stage(plane, nats, system, account, folder, f"test-{system}")
        yield one
        one.stop()
    kube.delete("namespaces", system)


@pytest.fixture
def stage(theatre: stages.Stage, namespace: str) -> Iterator[stages.Stage]:
    """The stage with nobody on it; the test's namespace may reach NATS."""
    theatre.open(namespace)
    yield theatre
    theatre.stop()
