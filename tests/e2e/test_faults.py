"""The table of faults on a real cluster: processes are killed on the node, and the result is the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from chaos import page
from chaos.table import CLUSTER, Row
from e2e import faults
from e2e.faults import OnCluster
from e2e.real import Cluster, Images

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3000)]


@pytest.fixture(scope="module")
def place(release: Cluster, images: Images) -> Iterator[Cluster]:
    """A namespace for the operators under faults, and pods to look and to kill with."""
    release.namespace(faults.NAMESPACE)
    release.namespace(faults.NODE, "privileged")
    made = [faults.claim(), faults.code(), faults.eye(images)]
    release.apply(yaml.safe_dump_all(made), faults.NAMESPACE)
    release.apply(faults.killer(images), faults.NODE)
    for namespace, pod in ((faults.NAMESPACE, "eye"), (faults.NODE, "killer")):
        release.kubectl(
            "wait", "-n", namespace, "--for=condition=Ready", f"pod/{pod}", "--timeout=120s"
        )
    yield release
    release.kubectl(
        "delete", "namespace", faults.NAMESPACE, faults.NODE, "--timeout=120s", seconds=150
    )


@pytest.mark.parametrize(
    "row", [row for row in page.rows() if CLUSTER in row.on], ids=lambda row: row.name
)
async def test_the_row_holds_on_a_real_cluster(
    row: Row, place: Cluster, images: Images, tmp_path: Path
) -> None:
    on = OnCluster(tmp_path, place, images)
    await row.play(on)
    assert ("OOMKilled" in on.run.ends) == ("for memory" in row.fault)
