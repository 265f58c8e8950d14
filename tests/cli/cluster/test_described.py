"""What `interact describe`, `top` and tables show, as text."""

from datetime import UTC, datetime, timedelta

import pytest
from cli.cluster import stored
from cli.cluster.stored import condition, operator_state
from interact.cli.cluster import columns, described, loads, printed

NOW = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)

STATUS = {
    "phase": "Degraded",
    "conditions": [
        condition("Ready", "False", "Crashing", "sum ends with exit code 3; see its logs"),
        condition("Accepted", reason="Accepted"),
    ],
    "operators": [
        operator_state("reader", framesPerSecond=12500.4, image="example.org/a@sha256:1"),
        operator_state(
            "sum",
            ready=0,
            replicas=2,
            parameterRevision=2,
            message="exit code 3",
            refusedParameters=[{"name": "gain", "message": "it is at most 100"}],
        ),
    ],
    "edges": [
        {"from": "reader.out", "to": "sum.in", "pendingMessages": 1200, "pendingBytes": 2500000}
    ],
    "scans": [{"id": "s-1", "state": "Running", "completeness": 0.25, "frames": 4096}],
}
FOUND = stored.pipeline(
    "reader",
    {"name": "sum", "operatorRef": {"name": "adding"}, "parameters": {"gain": 7, "mode": "fast"}},
    status=STATUS,
    edges=[{"from": "reader.out", "to": "sum.in"}],
    drain=True,
)
EVENTS = [
    {
        "type": "Warning", "reason": "Crashing", "message": "sum ended", "count": 3,
        "lastTimestamp": "2026-01-01T00:04:30Z",
    },
    {
        "type": "Normal", "reason": "Accepted", "message": "2 operators",
        "eventTime": "2026-01-01T00:01:00.000000Z",
    },
]  # fmt: skip


def test_a_pipeline_is_described_from_its_conditions_to_its_events():
    lines = described.pipeline(FOUND, EVENTS, NOW)

    assert (
        "\n".join(lines)
        == """\
Name:          demo
Namespace:     lab
Age:           5m
Generation:    3
Phase:         Degraded
Switched on:   drain
On deletion:   Delete

Conditions:
  TYPE       STATUS   REASON     SINCE   MESSAGE
  Ready      False    Crashing   1m      sum ends with exit code 3; see its logs
  Accepted   True     Accepted   1m

Operators:
  NAME     OPERATOR   READY   FRAMES/S   REVISION   IMAGE
  reader   a-reader   1/1     12,500     0          example.org/a@sha256:1
  sum      adding     0/2     0          2
  sum: gain=7, mode="fast"
  sum: exit code 3
  sum: gain is refused: it is at most 100

Edges:
  FROM         TO       PENDING   HELD   BYTES       REDELIVERED   DEAD
  reader.out   sum.in   1,200     0      2,500,000   0             0

Scans:
  ID    STATE     ACCOUNTED FOR   FRAMES   MISSING
  s-1   Running   25.0 %          4,096    0

Events:
  AGE   TYPE      REASON     MESSAGE
  4m    Normal    Accepted   2 operators
  30s   Warning   Crashing   (3 times) sum ended"""
    )


def test_a_pipeline_nobody_has_looked_at_is_described_too():
    lines = described.pipeline(stored.pipeline("reader"), "events are forbidden", NOW)

    text = "\n".join(lines)
    assert "Phase:         not seen by a controller yet" in lines
    assert "Generation:    3 (the controller has seen 0)" in lines
    assert "reader   a-reader   -       0" in text
    assert [line for line in lines if line.endswith("none") or "not known" in line] == [
        "Conditions: none",
        "Edges: none",
        "Scans: none",
        "Events: not known: events are forbidden",
    ]


def test_an_operator_is_described_with_what_its_parameters_take():
    found = stored.operator(
        "adding",
        {"name": "gain", "type": "int", "default": 7, "minimum": 1, "maximum": 100, "unit": "px"},
        {"name": "mode", "type": "str-enum", "options": ["fast", "exact"], "description": "How."},
        {"name": "on", "type": "bool", "default": False},
        inputs=[{"name": "in", "type": "frames"}],
        outputs=[{"name": "out", "description": "Sums."}],
    )

    text = "\n".join(described.operator(found, [], NOW))

    assert (
        """
Ports:
  WAY   NAME   TYPE     DESCRIPTION
  in    in     frames
  out   out    any      Sums.

Parameters:
  NAME   TYPE       DEFAULT   TAKES                 DESCRIPTION
  gain   int        7         from 1 px to 100 px
  mode   str-enum   -         fast|exact            How.
  on     bool       false     any
"""
        in text
    )
    assert "Image:        example.org/a:1" in text


def test_the_load_of_an_operator_counts_what_waits_before_it():
    rows = loads.rows([FOUND], now=NOW)

    assert rows == [
        ("demo", *[""] * 12, "Degraded"),
        ("  reader", "1/1", "12,500", "-", "-", "-", "-", "0", "0", "0.0", "-", "0", "0", ""),
        (
            "  sum",
            "0/2",
            "0",
            "-",
            "-",
            "-",
            "-",
            "1,200",
            "0",
            "2.5",
            "-",
            "0",
            "0",
            "exit code 3",
        ),
    ]


def test_times_ages_and_what_is_stuck_are_shown_with_what_is_abnormal():
    oldest = (NOW - timedelta(seconds=75)).isoformat()
    state = operator_state(
        "sum", kernelSecondsPerMessage=0.0123, delayP50Seconds=0.5, delayP99Seconds=2, deadLetters=3,
    )  # fmt: skip
    edge = {
        "from": "reader.out", "to": "sum.in", "pendingMessages": 7, "ackPendingMessages": 2,
        "pendingBytes": 4_000_000, "redelivered": 1, "oldestMessageTime": oldest, "stuck": True,
    }  # fmt: skip
    told = [
        {"type": "Stuck", "status": "True", "message": "sum.in has acknowledged nothing"},
        {"type": "Ready", "status": "True", "message": "every operator is ready"},
    ]
    status = {"operators": [state], "edges": [edge], "conditions": told, "phase": "Running"}

    found = loads.rows([stored.pipeline("sum", status=status)], now=NOW)

    assert found[1][4:] == ("12.30", "500", "2,000", "7", "2", "4.0", "75", "1", "3", "STUCK")
    assert found[2][-1] == "Stuck: sum.in has acknowledged nothing"
    assert len(found) == 3


def test_the_live_table_shows_the_same_and_takes_no_markup_from_a_message():
    from rich.console import Console

    states = [operator_state("reader", message="[red]no[/red] [nonsense")]
    console = Console(width=200, record=True, file=open_null())
    console.print(loads.table([stored.pipeline("reader", status={"operators": states})]))

    assert "[red]no[/red] [nonsense" in console.export_text()


@pytest.mark.parametrize(
    ("width", "titles"),
    [
        (200, list(loads.TITLES)),
        (80, ["operator", "ready", "frames/s", "MB/s", "work ms", "p99 ms", "pending", "age s", "dead", ""]),
        (40, ["operator", "ready", "frames/s", "pending", "dead", ""]),
    ],
)  # fmt: skip
def test_a_narrow_terminal_goes_without_what_is_needed_least(width, titles):
    drawn = loads.table([FOUND], width=width)

    assert [column.header for column in drawn.columns] == titles


def open_null():
    import io

    return io.StringIO()


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        ("2026-01-01T00:05:00Z", "0s"),
        ("2026-01-01T00:04:01Z", "59s"),
        ("2026-01-01T00:03:59+00:00", "1m"),
        ("2025-12-31T22:05:00Z", "2h"),
        ("2025-12-01T00:00:00Z", "31d"),
        ("2026-01-01T00:09:00Z", "0s"),
        ("yesterday", "?"),
        ("", "?"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(time, shown):
    assert columns.age(time, NOW) == shown


def test_rows_line_up_and_keep_the_widths_of_rows_before_them():
    assert columns.aligned([("a", "bbb", "c")], [3, 1, 9]) == ["a     bbb   c"]
    assert columns.aligned([]) == []


def test_wide_tables_have_more_columns_and_all_namespaces_one_before():
    table = {
        "columnDefinitions": [{"name": "Name"}, {"name": "Reason", "priority": 1}, {"name": "FPS"}],
        "rows": [
            {"cells": ["demo", None, 2.0], "object": {"metadata": {"namespace": "lab"}}},
        ],
    }
    shown = printed.columns(table, wide=False)

    assert (shown, printed.columns(table, wide=True)) == ([0, 2], [0, 1, 2])
    assert printed.titles(table, shown, namespaced=True) == ("NAMESPACE", "NAME", "FPS")
    assert printed.rows(table["rows"], [0, 1, 2], namespaced=True) == [("lab", "demo", "-", "2")]


def test_who_changed_a_pipeline_last_is_told():
    fields = {"f:spec": {"f:operators": {}}}
    managed = [
        {"manager": "flux", "time": "2026-01-01T00:01:00Z", "fieldsV1": fields},
        {"manager": "interact-cli", "time": "2026-01-01T00:03:00Z", "fieldsV1": fields},
        {
            "manager": "controller", "time": "2026-01-01T00:04:00Z", "subresource": "status",
            "fieldsV1": {"f:status": {}},
        },
    ]  # fmt: skip
    found = {**FOUND, "metadata": {**FOUND["metadata"], "managedFields": managed}}

    assert "Last changed:   by interact-cli, 2m ago" in described.pipeline(found, EVENTS, NOW)


def test_the_triggers_of_an_operator_are_described_with_their_arguments():
    spec = {
        "image": "example.org/a",
        "triggers": [
            {
                "name": "retrain", "mode": "single", "audience": "one", "description": "Learn.",
                "parameters": [{"name": "epochs", "type": "int", "default": 3, "minimum": 1}],
            }
        ],
    }  # fmt: skip
    found = {"metadata": {"name": "denoise"}, "spec": spec}

    lines = described.operator(found, [], NOW)

    at = lines.index("Triggers:")
    assert [line.split() for line in lines[at + 2 : at + 4]] == [
        ["retrain", "one,", "single", "Learn."],
        ["epochs", "int", "3", "from", "1"],
    ]
