"""What tests of external runs share: two namespaces of a module, and in them a rig for each test."""

import itertools
from collections.abc import Iterator

import pytest
from cluster.kube import Kube
from cluster.plane import Plane
from external.desk import Desk, maker
from external.rig import Rig

_NUMBERS = itertools.count(1)
Places = tuple[str, str]


@pytest.fixture(scope="module")
def places(plane: Plane, namespace_prefix: str) -> Iterator[Places]:
    """A namespace of runs, and one of the release."""
    number = next(_NUMBERS)
    names = f"{namespace_prefix}runs-{number}", f"{namespace_prefix}release-{number}"
    asked = plane.kube()
    for name in names:
        asked.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield names
    for name in names:
        asked.delete("namespaces", name)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def rig(plane: Plane, places: Places, desk: Desk) -> Iterator[Rig]:
    """Runs over a desk that can look keys up; nothing of the test before is left."""
    runs, release = places
    kube: Kube = plane.kube(runs)
    made = Rig(plane, kube, release, {"http": maker(desk)}, f"rig-{next(_NUMBERS)}")
    made.system()
    yield made
    made.clear()
