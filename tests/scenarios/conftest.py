"""The stage of a module of scenarios: one nats-server, one control plane, one node."""

from collections.abc import Iterator

import pytest
from cluster.plane import Plane

from scenarios import stage as stages


@pytest.fixture(scope="module")
def theatre(plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[stages.Stage]:
    """A stage without a controller yet, for a module."""
    with stages.opened(plane, tmp_path_factory.mktemp("stage")) as one:
        yield one


@pytest.fixture
def stage(theatre: stages.Stage, namespace: str) -> Iterator[stages.Stage]:
    """The stage with nobody on it; the test's namespace may reach NATS."""
    theatre.open(namespace)
    yield theatre
    theatre.stop()
