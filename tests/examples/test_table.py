"""The table of `make run`: a row fails when it should, and columns line up."""

import math

import pytest

from examples._table import Row, exit_code, table, verdict

GOOD = Row("centre of mass", "numpy", 5e-5, 1e-4, "px")
EXACT = Row("bright field", "numpy", 0.0, 0)


@pytest.mark.parametrize(
    ("error", "tolerance", "passed"),
    [
        pytest.param(0.0, 0, True, id="equal where equality is asked for"),
        pytest.param(1e-4, 1e-4, True, id="at the tolerance"),
        pytest.param(1.0001e-4, 1e-4, False, id="beyond it"),
        pytest.param(1e-300, 0, False, id="nearly equal is not equal"),
        pytest.param(math.nan, 1.0, False, id="no number at all"),
        pytest.param(math.inf, math.inf, False, id="no finite number"),
        pytest.param(-1.0, 1.0, False, id="an error below zero is none"),
    ],
)
def test_a_row_passes_within_its_tolerance_only(error, tolerance, passed):
    assert Row("a", "b", error, tolerance).passed is passed


def test_one_failed_row_fails_the_run_and_is_named():
    bad = Row("dark field", "numpy", 1.0, 0, "e⁻")

    assert exit_code([GOOD, EXACT]) == 0
    assert exit_code([GOOD, bad, EXACT]) == 1
    assert verdict([GOOD, bad, EXACT]) == "1 of 3 comparisons FAILED: dark field"
    assert "FAIL" in table([bad])


def test_comparing_nothing_is_no_success():
    assert exit_code([]) == 1
    assert verdict([]) == "nothing was compared"


def test_columns_line_up():
    long = Row("a much longer quantity than the others", "r", 0.123456, 0.5, "px")

    lines = table([GOOD, EXACT, long]).splitlines()

    assert len({line.rindex("pass") for line in lines[2:]}) == 1
    right = lines[0].index("tolerance") + len("tolerance")
    assert [line[:right].split()[-1] for line in lines[2:]] == ["px", "exact", "px"]
    assert all(line[right] == " " for line in lines[2:])
    assert "exact" in lines[3]
    assert "0.123 px" in lines[4]
