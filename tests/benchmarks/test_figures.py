"""Figures, their comparison run by run, and what is printed of them."""

import json

import pytest

import benchmarks.__main__ as program
from benchmarks.figures import Figure, Goal, Side, Table, interleaved

OURS, THEIRS = Side("ours", (4.0, 9.0, 20.0)), Side("theirs", (2.0, 3.0, 5.0))


@pytest.mark.parametrize(
    ("compare", "value"),
    [
        pytest.param("quotient", 3.0, id="the median of the quotients, not their quotient"),
        pytest.param("difference", 6.0, id="the median of the differences"),
        pytest.param("first", 9.0, id="the median of one side"),
    ],
)
def test_each_run_is_compared_with_itself(compare, value):
    assert Figure("speed", "frames/s", OURS, THEIRS, compare).value == value


@pytest.mark.parametrize(
    ("goal", "verdict"),
    [
        pytest.param(Goal(3.0), "reached", id="at the bound"),
        pytest.param(Goal(3.1), "falls short", id="below the least"),
        pytest.param(Goal(2.9, at_least=False), "falls short", id="above the most"),
        pytest.param(None, "", id="no goal"),
    ],
)
def test_a_goal_is_reached_or_not(goal, verdict):
    assert Figure("speed", "frames/s", OURS, THEIRS, "quotient", goal).verdict == verdict


def test_sides_are_measured_in_turns():
    order = []

    def side(name):
        return lambda: order.append(name) or float(len(order))

    found = interleaved(3, side("a"), side("b"))

    assert order == ["a", "b"] * 3
    assert found == [(1.0, 3.0, 5.0), (2.0, 4.0, 6.0)]


def test_a_table_says_both_sides_the_ratio_and_the_verdict():
    figure = Figure("speed", "frames/s", OURS, THEIRS, "quotient", Goal(4))

    text = str(Table("bench", "what it is", (figure,), ("a note",)))

    line = next(line for line in text.splitlines() if "speed" in line)
    words = " ".join(line.split())
    assert words == "speed, frames/s ours 9 (4–20) theirs 3 (2–5) 3× ≥ 4 falls short"
    assert text.splitlines()[-1] == "  a note"


def test_json_has_the_value_and_the_verdict():
    figure = Figure("speed", "frames/s", OURS, THEIRS, "quotient", Goal(4))

    plain = json.loads(json.dumps(Table("bench", "title", (figure,)).json()))

    assert plain["figures"][0]["value"] == 3.0
    assert plain["figures"][0]["verdict"] == "falls short"
    assert plain["figures"][0]["first"]["values"] == [4.0, 9.0, 20.0]


def test_an_unknown_bench_is_refused_with_those_there_are(capsys):
    with pytest.raises(SystemExit):
        program.main(["speed"])

    assert "no bench 'speed'; there are inline, header, kernels" in capsys.readouterr().err


def test_header_figures_are_printed_as_json(capsys):
    status = program.main(["header", "--output", "json"])

    table = json.loads(capsys.readouterr().out)
    assert status == 0
    assert [figure["verdict"] for figure in table["figures"]] == ["reached"] * 4
