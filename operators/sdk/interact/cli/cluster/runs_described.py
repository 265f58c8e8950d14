"""`interact runs show`: everything about an external run, or a system, as text."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from interact_api.plain import entries, mapping

from interact.cli.cluster.api import Object
from interact.cli.cluster.columns import age, indented
from interact.cli.cluster.described import condition_rows, event_rows, head, section

_SHOWN: Final = 400
"""Longest value that is shown whole."""


def run(found: Object, events: Sequence[Object] | str, now: datetime) -> list[str]:
    """A run with its attempts, what it was given, its results, artifacts, conditions and events.

    Args:
        found: The ExternalRun.
        events: Its events, or why they are not known.
        now: The present, in UTC.
    """
    spec, status = mapping(found.get("spec")), mapping(found.get("status"))
    given = [(str(one.get("name")), _value(one.get("value"))) for one in entries(spec.get("parameters"))]  # fmt: skip
    inputs = [
        (str(one.get("name")), str(one.get("path") or one.get("object")), str(one.get("sha256", "")))
        for one in entries(spec.get("inputs"))
    ]  # fmt: skip
    return [
        *head(found, _facts(spec, status), now),
        *_question(spec),
        *section("Attempts", _ATTEMPTS, [_attempt(one, now) for one in entries(status.get("attempts"))]),
        *(section("Parameters", ("NAME", "VALUE"), given) if given else []),
        *(section("Inputs", ("NAME", "PLACE", "SHA256"), inputs) if inputs else []),
        *_json("Results", status.get("results")),
        *_artifacts(status),
        *condition_rows(status, now),
        *event_rows(events, now),
    ]  # fmt: skip


def system(found: Object, events: Sequence[Object] | str, now: datetime) -> list[str]:
    """A system: who may use it, how much, and whether it answers."""
    spec, status = mapping(found.get("spec")), mapping(found.get("status"))
    facts = [
        ("Driver", str(spec.get("driver", ""))),
        ("Namespaces", ", ".join(entries(spec.get("namespaces"))) or "none"),
        ("Runs", f"{status.get('runs', 0)} of at most {spec.get('maxRuns', 'any number')}"),
    ]
    return [*head(found, facts, now), *condition_rows(status, now), *event_rows(events, now)]


def line(found: Object) -> str:
    """Where a run is, in one line: what `interact runs watch` prints at each change.

    >>> line({"metadata": {"name": "a"}, "status": {"phase": "RUNNING", "attempt": 2}})
    'a: RUNNING, attempt 2'
    """
    status = mapping(found.get("status"))
    name = found["metadata"]["name"]
    if not status:
        return f"{name}: not seen by a controller yet"
    facts = [str(status.get("phase"))]
    if int(status.get("attempt", 1)) > 1:
        facts.append(f"attempt {status['attempt']}")
    if status.get("externalId"):
        facts.append(str(status["externalId"]))
    reason = str(status.get("reason", ""))
    told = ": ".join(word for word in (reason, str(status.get("message", ""))) if word)
    return f"{name}: {', '.join(facts)}" + (f" ({told})" if told else "")


def _facts(spec: Object, status: Object) -> list[tuple[str, str]]:
    operator = mapping(spec.get("operator"))
    switches = [word for word in ("cancel", "suspend") if spec.get(word)]
    reason = ": ".join(
        str(one) for one in (status.get("reason", ""), status.get("message", "")) if one
    )
    return [
        ("Operator", "/".join(filter(None, (operator.get("namespace"), operator.get("name"))))),
        ("Driver", str(status.get("driver") or spec.get("driver", ""))),
        ("System", str(status.get("system") or spec.get("system", ""))),
        ("Phase", str(status.get("phase", "not seen by a controller yet"))),
        ("Why", reason),
        ("External id", str(status.get("externalId", ""))),
        ("Key", str(status.get("idempotencyKey", ""))),
        ("Ends by", str(status.get("deadlineTime", ""))),
        ("Switched on", ", ".join(switches)),
    ]


_ATTEMPTS: Final = ("NO", "PHASE", "REASON", "EXTERNAL ID", "BEGAN", "ENDED", "MESSAGE")


def _attempt(one: Object, now: datetime) -> tuple[str, ...]:
    times = [str(one.get(key, "")) for key in ("createdTime", "endedTime")]
    began, ended = (f"{age(time, now)} ago" if time else "-" for time in times)
    facts = [str(one.get(key) or "-") for key in ("number", "phase", "reason", "externalId")]
    return (*facts, began, ended, str(one.get("message", "")))


def _question(spec: Object) -> list[str]:
    human = mapping(spec.get("human"))
    if not human:
        return []
    return ["", "Question:", *indented(str(human.get("instructions", "")).splitlines())]


def _artifacts(status: Object) -> list[str]:
    rows = [
        (
            str(one.get("name")),
            str(one.get("path") or one.get("object")),
            str(one.get("bytes")),
            str(one.get("sha256")),
        )
        for one in entries(status.get("artifacts"))
    ]
    return section("Artifacts", ("NAME", "PLACE", "BYTES", "SHA256"), rows) if rows else []


def _json(title: str, value: Any) -> list[str]:
    if not value:
        return []
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return ["", f"{title}:", *indented(text.splitlines())]


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
