"""The table of faults, on this machine: every row is played and its result looked at."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from chaos import page
from chaos.local import LocalRun, running
from chaos.pipeline import Setup
from chaos.table import LOCAL, Row

pytestmark = [pytest.mark.nats, pytest.mark.slow]


class Local:
    """Runs in a folder of this test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folder(self, name: str) -> Path:
        """A folder beside those of runs."""
        return self._folder / name

    def running(
        self, setup: Setup, name: str = "run", **more: Any
    ) -> AbstractAsyncContextManager[LocalRun]:
        """Run the pipeline in a folder of its own; ``more`` is what `chaos.local.running` takes."""
        return running(setup, self._folder / name, **more)


@pytest.mark.parametrize(
    "row", [row for row in page.rows() if LOCAL in row.on], ids=lambda row: row.name
)
async def test_every_row_of_the_table_holds(row: Row, tmp_path: Path) -> None:
    await row.play(Local(tmp_path))
