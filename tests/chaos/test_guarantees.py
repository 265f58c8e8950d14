"""The page about guarantees holds the table that is tested, and nothing else."""

from chaos import page
from chaos.table import LOCAL, NODE

MOST_ROWS = 40


def test_the_page_holds_the_table_that_is_tested() -> None:
    text = page.PAGE.read_text(encoding="utf-8")

    assert page.written(text) == text, "PYTHONPATH=tests python -m chaos.page writes it anew"


def test_the_table_stays_readable_and_every_row_is_played_somewhere() -> None:
    rows = page.rows()

    assert 20 <= len([row for row in rows if LOCAL in row.on]) <= MOST_ROWS
    assert len({row.name for row in rows}) == len(rows)
    assert all({LOCAL, NODE} & set(row.on) for row in rows)
    assert all("|" not in cell for row in rows for cell in (row.fault, row.result, row.settings))


def test_every_file_of_rows_is_in_the_table() -> None:
    files = {one.stem.removeprefix("rows_") for one in page.HERE.glob("rows_*.py")}

    assert files == set(page.TOPICS)
