"""`interact describe`: everything about one object, as text."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from interact_api.plain import entries, mapping

from interact.cli.cluster import loads
from interact.cli.cluster.api import Object
from interact.cli.cluster.columns import age, aligned, indented


def pipeline(found: Object, events: Sequence[Object] | str, now: datetime) -> list[str]:
    """A pipeline with its conditions, operators, edges, scans and events.

    Args:
        found: The Pipeline.
        events: Its events, or why they are not known.
        now: The present, in UTC.
    """
    spec, status = mapping(found.get("spec")), mapping(found.get("status"))
    return [
        *head(found, _switches(spec, status), now),
        *condition_rows(status, now),
        *_operators(spec, status),
        *_edges(spec, status),
        *_scans(status),
        *event_rows(events, now),
    ]


def operator(found: Object, events: Sequence[Object] | str, now: datetime) -> list[str]:
    """An operator with its ports and parameters."""
    spec, status = mapping(found.get("spec")), mapping(found.get("status"))
    facts = [
        ("Image", str(spec.get("image", ""))),
        ("Role", str(spec.get("role", ""))),
        ("Used by", f"{status.get('usedBy', 0)} pipelines"),
    ]
    ports = [
        (way, str(port.get("name")), str(port.get("type", "any")), str(port.get("description", "")))
        for way, key in (("in", "inputs"), ("out", "outputs"))
        for port in entries(spec.get(key))
    ]
    parameters = [_parameter(one) for one in entries(spec.get("parameters"))]
    titles = ("NAME", "TYPE", "DEFAULT", "TAKES", "DESCRIPTION")
    return [
        *head(found, facts, now),
        *condition_rows(status, now),
        *section("Ports", ("WAY", "NAME", "TYPE", "DESCRIPTION"), ports),
        *section("Parameters", titles, parameters),
        *_triggers(spec),
        *event_rows(events, now),
    ]


def head(found: Object, facts: Sequence[tuple[str, str]], now: datetime) -> list[str]:
    """What every object has, and ``facts`` about this one."""
    about, spec = mapping(found["metadata"]), mapping(found.get("spec"))
    seen = mapping(found.get("status")).get("observedGeneration", 0)
    generation = about.get("generation", 0)
    lag = "" if seen == generation else f" (the controller has seen {seen})"
    rows = [
        ("Name", str(about.get("name"))),
        ("Namespace", str(about.get("namespace", ""))),
        ("Label", str(spec.get("label", ""))),
        ("Description", str(spec.get("description", ""))),
        ("Age", age(str(about.get("creationTimestamp", "")), now)),
        ("Generation", f"{generation}{lag}"),
        ("Last changed", _last_writer(about, now)),
        *facts,
    ]
    return aligned([(f"{title}:", text) for title, text in rows if text])


def _last_writer(about: Object, now: datetime) -> str:
    """Who changed the specification last, by the name the API server knows them by, and when."""
    writers = [
        (str(one.get("time", "")), str(one.get("manager", "")))
        for one in entries(about.get("managedFields"))
        if "f:spec" in mapping(one.get("fieldsV1")) and not one.get("subresource")
    ]
    if not writers:
        return ""
    time, manager = max(writers)
    return f"by {manager}, {age(time, now)} ago"


def _switches(spec: Object, status: Object) -> list[tuple[str, str]]:
    on = [word for word in ("suspend", "drain") if spec.get(word)]
    return [
        ("Phase", str(status.get("phase", "not seen by a controller yet"))),
        ("Switched on", ", ".join(on)),
        ("On deletion", str(spec.get("deletionPolicy", "Delete"))),
    ]


def condition_rows(status: Object, now: datetime) -> list[str]:
    """The conditions of a status."""
    rows = [
        (
            str(one.get("type")),
            str(one.get("status")),
            str(one.get("reason", "")),
            age(str(one.get("lastTransitionTime", "")), now),
            str(one.get("message", "")),
        )
        for one in entries(status.get("conditions"))
    ]
    return section("Conditions", ("TYPE", "STATUS", "REASON", "SINCE", "MESSAGE"), rows)


def _operators(spec: Object, status: Object) -> list[str]:
    """A row for each operator, then what is to be said of each below the table."""
    known = {one.get("name"): mapping(one) for one in entries(status.get("operators"))}
    rows, words = [], []
    for one in map(mapping, entries(spec.get("operators"))):
        name, state = str(one.get("name")), known.get(one.get("name"), {})
        rows.append(
            (
                name,
                str(mapping(one.get("operatorRef")).get("name")),
                f"{state['ready']}/{state['replicas']}" if "replicas" in state else "-",
                f"{state.get('framesPerSecond', 0):,.0f}",
                str(state.get("parameterRevision", 0)),
                str(state.get("image", "")),
            )
        )
        words += [f"{name}: {text}" for text in _said(one, state)]
    titles = ("NAME", "OPERATOR", "READY", "FRAMES/S", "REVISION", "IMAGE")
    return [*section("Operators", titles, rows), *indented(words)]


def _said(one: Object, state: Object) -> list[str]:
    values = mapping(one.get("parameters"))
    given = ", ".join(f"{name}={json.dumps(value)}" for name, value in values.items())
    refused = [
        f"{entry.get('name')} is refused: {entry.get('message')}"
        for entry in entries(state.get("refusedParameters"))
    ]
    why = (
        f"{state.get('replicas')} replicas: {state['scaleMessage']}"
        if state.get("scaleMessage")
        else ""
    )
    said = (given, why, loads.runs(state), str(state.get("message", "")), *refused)
    return [text for text in said if text]


_COUNTS = {
    "PENDING": "pendingMessages", "HELD": "ackPendingMessages", "BYTES": "pendingBytes",
    "REDELIVERED": "redelivered", "DEAD": "deadLettered",
}  # fmt: skip


def _edges(spec: Object, status: Object) -> list[str]:
    known = {(one.get("from"), one.get("to")): one for one in entries(status.get("edges"))}
    rows = [
        (
            str(edge.get("from")),
            str(edge.get("to")),
            *(
                f"{known.get((edge.get('from'), edge.get('to')), {}).get(key, 0):,}"
                for key in _COUNTS.values()
            ),
        )
        for edge in entries(spec.get("edges"))
    ]
    return section("Edges", ("FROM", "TO", *_COUNTS), rows)


def _scans(status: Object) -> list[str]:
    rows = [
        (
            str(one.get("id")),
            str(one.get("state")),
            f"{100 * one.get('completeness', 0):.1f} %",
            f"{one.get('frames', 0):,}",
            f"{one.get('missing', 0):,}",
        )
        for one in entries(status.get("scans"))
    ]
    return section("Scans", ("ID", "STATE", "ACCOUNTED FOR", "FRAMES", "MISSING"), rows)


def event_rows(events: Sequence[Object] | str, now: datetime) -> list[str]:
    """Events, the latest last, or why they are not known."""
    if isinstance(events, str):
        return ["", f"Events: not known: {events}"]
    rows = [
        (
            age(_last(one), now),
            str(one.get("type", "")),
            str(one.get("reason", "")),
            _times(one) + str(one.get("message") or one.get("note") or "").strip(),
        )
        for one in sorted(events, key=_last)
    ]
    return section("Events", ("AGE", "TYPE", "REASON", "MESSAGE"), rows)


def _last(event: Object) -> str:
    series = mapping(event.get("series"))
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    made = mapping(event.get("metadata")).get("creationTimestamp")
    return str(next((time for time in (*times, made) if time), ""))


def _times(event: Object) -> str:
    count = mapping(event.get("series")).get("count") or event.get("count") or 1
    return f"({count} times) " if count > 1 else ""


def _parameter(one: Any) -> tuple[str, str, str, str, str]:
    unit = f" {one['unit']}" if one.get("unit") else ""
    bounds = [
        f"{word} {one[key]:g}{unit}"
        for word, key in (("from", "minimum"), ("to", "maximum"))
        if key in one
    ]
    takes = " ".join(bounds) or "|".join(one.get("options", ()))
    default = json.dumps(one["default"]) if "default" in one else "-"
    description = str(one.get("description", ""))
    return (str(one.get("name")), str(one.get("type")), default, takes or "any", description)


def _triggers(spec: Object) -> list[str]:
    """A row for each trigger, and one for each of its arguments; nothing where there is none."""
    rows: list[tuple[str, ...]] = []
    for one in map(mapping, entries(spec.get("triggers"))):
        reaches = f"{one.get('audience', 'all')}, {one.get('mode', 'single')}"
        rows.append((str(one.get("name")), reaches, "", "", str(one.get("description", ""))))
        for name, *facts in map(_parameter, entries(one.get("parameters"))):
            rows.append((f"  {name}", *facts))
    titles = ("NAME", "TYPE", "DEFAULT", "TAKES", "DESCRIPTION")
    return section("Triggers", titles, rows) if rows else []


def section(title: str, titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows under a title, after an empty line."""
    if not rows:
        return ["", f"{title}: none"]
    return ["", f"{title}:", *indented(aligned([titles, *rows]))]
