"""Fixtures: a control plane for the session, a namespace for each test, a node for a module."""

import itertools
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster import kube as client
from cluster import servers, shared
from cluster.node import Node
from cluster.plane import Plane

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
_HOST = pytest.StashKey[shared.Host]()
_NUMBERS = itertools.count(1)
MakePlane = Callable[..., servers.OwnPlane]


def pytest_configure(config: pytest.Config) -> None:
    """Begin a run in the controlling process."""
    if not hasattr(config, "workerinput"):
        config.stash[_HOST] = shared.Host(lambda line: _say(config, line))


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Fail the run if its tests left processes behind."""
    yield
    host = session.config.stash.get(_HOST, None)
    if host is not None:
        del session.config.stash[_HOST]
        left = host.close()
        for line in left:
            _say(session.config, f"ERROR left running by the tests: {line}")
        if left:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_unconfigure(config: pytest.Config) -> None:
    """End a run that had no session."""
    host = config.stash.get(_HOST, None)
    if host is not None:
        host.close()


def _say(config: pytest.Config, line: str) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(line)


@pytest.fixture(scope="session")
def plane() -> Plane:
    """A running control plane with our CRDs, one for all workers."""
    return shared.plane()


@pytest.fixture
def separate_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakePlane]:
    """Makes control planes of the test's own; ``crds`` names another folder of CRDs, or none."""
    made: list[servers.OwnPlane] = []

    def make(crds: Path | None = servers.CRDS) -> servers.OwnPlane:
        made.append(servers.OwnPlane(tmp_path_factory.mktemp("plane"), crds))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def namespace_prefix(request: pytest.FixtureRequest) -> str:
    """What the names of this module's namespaces begin with, in this worker."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    return f"t-{worker}-{zlib.crc32(request.node.nodeid.encode()):08x}-"


@pytest.fixture
def make_namespace(plane: Plane, namespace_prefix: str) -> Iterator[Callable[..., str]]:
    """Makes namespaces that pods can start in, and deletes them without waiting."""
    made: list[str] = []
    asked = plane.kube()

    def make(labels: dict[str, str] = RESTRICTED) -> str:
        name = f"{namespace_prefix}{next(_NUMBERS)}"
        metadata = {"name": name, "labels": labels}
        asked.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        made.append(name)
        asked.wait("serviceaccounts", "default", namespace=name)  # pods are refused before
        return name

    yield make
    for name in made:
        if asked.find("namespaces", name) is not None:
            asked.delete("namespaces", name)


@pytest.fixture
def namespace(make_namespace: Callable[..., str]) -> str:
    """A fresh namespace under Pod Security *restricted*."""
    return make_namespace()


@pytest.fixture
def kube(plane: Plane, namespace: str) -> client.Kube:
    """A cluster administrator's client, in the test's namespace."""
    return plane.kube(namespace)


@pytest.fixture(scope="module")
def node(
    plane: Plane, namespace_prefix: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Node]:
    """A node that runs the pods of this module's namespaces as processes."""
    made = Node(
        plane,
        tmp_path_factory.mktemp("node"),
        f"{namespace_prefix}node",
        namespace_prefix,
    )
    made.start()
    yield made
    made.stop()
