"""What tests of external runs share."""

from collections.abc import Callable

import pytest
from cluster.kube import Kube
from cluster.plane import Plane
from external.desk import Desk, maker
from external.rig import Rig


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def rig(plane: Plane, kube: Kube, make_namespace: Callable[..., str], desk: Desk) -> Rig:
    """Runs over a desk that can look keys up."""
    made = Rig(plane, kube, make_namespace(), {"http": maker(desk)})
    made.system()
    return made
