"""The table of faults, on this machine: every row is played and its result looked at."""

from pathlib import Path

import pytest

from chaos import page
from chaos.local import Local
from chaos.table import LOCAL, Row

pytestmark = [pytest.mark.nats, pytest.mark.slow]


@pytest.mark.parametrize(
    "row", [row for row in page.rows() if LOCAL in row.on], ids=lambda row: row.name
)
async def test_every_row_of_the_table_holds(row: Row, tmp_path: Path) -> None:
    await row.play(Local(tmp_path))
