"""The table of faults, for pods: rows that name the node are played under the controller."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from chaos import page
from chaos.node import OnNode
from chaos.table import NODE, Row
from cluster.kube import Kube
from cluster.node import Node

from scenarios.stage import Stage

pytestmark = [pytest.mark.nats, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def life() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize(
    "row", [row for row in page.rows() if NODE in row.on], ids=lambda row: row.name
)
async def test_the_row_holds_for_pods(
    row: Row, stage: Stage, kube: Kube, node: Node, life: ExitStack, tmp_path: Path
) -> None:
    await row.play(OnNode(tmp_path, stage, kube, node, life))
