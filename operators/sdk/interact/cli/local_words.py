"""`interact set`, `suspend`, `resume`, `drain`, `get` and `top` for a run on this machine."""

import asyncio
import getpass
import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import typer
from interact_api import names
from rich.console import Console
from rich.live import Live

from interact import _jetstream
from interact._errors import BrokerError, NobodyListens
from interact._jetstream._talking import Talk
from interact.cli import presence
from interact.cli.cluster import changes, columns, loads
from interact.cli.cluster.changes import Change
from interact.cli.cluster.options import Answer, Form
from interact.cli.exits import CommandError, Exit
from interact.cli.presence import Presence

ASK_SECONDS = 30.0
"""For what a run answers at once; one that is busy may take a while."""
END_SECONDS = 0.2
REFRESH_SECONDS = 1.0
TITLES = ("NAME", "PHASE", "OPERATORS", "FRAMES/S", "LAG", "REVISION")


def set_parameters(
    run: Presence, pipeline: str, texts: Sequence[str], answer: Answer | None,
    seconds: float, *, wait: bool,
) -> None:  # fmt: skip
    """Set parameters while a run goes on.

    Raises:
        CommandError: If an operator does not take a value, or the run does not answer.
    """
    values: dict[str, dict[str, str]] = {}
    for one in changes.assignments(texts, parameters=True):
        values.setdefault(one.operator, {})[one.parameter] = one.text
    told = asked(
        run, pipeline, {
            "word": "set", "values": values, "by": author(), "folder": os.getcwd(),  # noqa: PTH109  # as text
            "wait": wait, "seconds": seconds,
        }, seconds if wait else ASK_SECONDS,
    )  # fmt: skip
    if answer is not None:
        typer.echo(json.dumps(told, indent=1) if answer is Answer.JSON else _name(pipeline))
    else:
        typer.echo(f"{_title(pipeline)}: {_set_words(told)}")
    if told["state"] == "applied" and told.get("in_effect") is False:
        words = f"{_title(pipeline)}: not in effect at every replica after {seconds:g} s"
        raise CommandError(Exit.TIMEOUT, words)


def _set_words(told: dict[str, Any]) -> str:
    if not told["changes"]:
        return "all is so already"
    made = ", ".join(
        Change(
            one["operator"], one["parameter"], changes.shown(one["before"]),
            changes.shown(one["after"]),
        ).words
        for one in told["changes"]
    )  # fmt: skip
    if told["state"] == "superseded":
        return f"{made}; revision {told['revision']} was overtaken: {', '.join(told['overtaken'])}"
    return (
        f"{made}; revision {told['revision']} is {'in effect' if told.get('in_effect') else 'set'}"
    )


def switch(run: Presence, pipeline: str, word: str, seconds: float, *, wait: bool) -> None:
    """Suspend, resume or drain a pipeline of a run; a drained run ends.

    Raises:
        CommandError: If the run does not answer in time.
    """
    changed = asked(run, pipeline, {"word": word}, seconds).get("changed", True)
    if word == "drain" and wait:
        _wait_for_the_end(run, pipeline, seconds)
    done = {"suspend": "suspended", "resume": "is running", "drain": "drained"}[word]
    before = {"suspend": "was suspended before", "resume": "was not suspended"}
    typer.echo(f"{_title(pipeline)}: {done if changed else before[word]}")


def _wait_for_the_end(run: Presence, pipeline: str, seconds: float) -> None:
    """A run whose only pipeline is drained has nothing left to do."""
    until = time.monotonic() + seconds
    while len(run.pipelines) == 1 and run.alive:
        if time.monotonic() > until:
            raise CommandError(Exit.TIMEOUT, f"{_title(pipeline)}: the run has not ended")
        time.sleep(END_SECONDS)


def get(form: Form, namespace: str = "", names_: Sequence[str] = ()) -> bool:
    """List the pipelines of the runs on this machine; whether there are any."""
    found = _resources(namespace, names_)
    if form is Form.JSON:
        typer.echo(json.dumps(found, indent=1))
    elif form is Form.NAME:
        typer.echo("\n".join(_name(one["metadata"]["name"]) for one in found))
    elif found:
        typer.echo("\n".join(columns.aligned([TITLES, *map(_row, found)])))
    return bool(found)


def _resources(namespace: str, wanted: Sequence[str] = ()) -> list[dict[str, Any]]:
    found = []
    for run in presence.live("", namespace):
        for pipeline in run.pipelines:
            if not wanted or pipeline in wanted:
                with suppress(CommandError):  # it ends while we look
                    found.append(look(run, pipeline)["resource"])
    return found


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    operators = one["status"]["operators"]
    frames = sum(each["framesPerSecond"] for each in operators)
    lag = sum(edge["pendingMessages"] for edge in one["status"]["edges"])
    ready = sum(each["ready"] >= each["replicas"] for each in operators)
    return (
        one["metadata"]["name"], one["status"]["phase"], f"{ready}/{len(operators)}",
        f"{frames:,.0f}", f"{lag:,}", str(one["metadata"]["generation"]),
    )  # fmt: skip


def top(run: Presence, pipeline: str, *, once: bool) -> None:
    """Show what a run carries, until it ends, or once where there is no terminal."""
    console = Console()
    found = [look(run, pipeline)["resource"]]
    if once or not console.is_terminal:
        lines = columns.aligned([loads.TITLES, *loads.rows(found)])
        typer.echo("\n".join(line.rstrip() for line in lines))
        return
    with Live(loads.table(found), console=console) as live:
        while run.alive:
            time.sleep(REFRESH_SECONDS)
            live.update(loads.table([look(run, pipeline)["resource"]]))


def look(run: Presence, pipeline: str) -> dict[str, Any]:
    """A pipeline of a run as a cluster would show it, and the InteractOperators of its operators.

    Raises:
        CommandError: If the run does not answer.
    """
    return asked(run, pipeline, {"word": "look"}, ASK_SECONDS)


def asked(run: Presence, pipeline: str, request: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What a run answers.

    Raises:
        CommandError: If it refuses, does not answer in time, or has ended.
    """
    return asyncio.run(_asked(run, pipeline, request, seconds))


async def _asked(
    run: Presence, pipeline: str, request: dict[str, Any], seconds: float
) -> dict[str, Any]:
    subject = names.control_subject(run.namespace, pipeline)
    try:
        async with _jetstream.connect(
            run.nats_url, name="interact", token=run.token or None
        ) as broker:
            raw = await Talk(broker).ask(subject, json.dumps(request).encode(), seconds + 5)
    except NobodyListens as error:
        raise CommandError(Exit.NOT_FOUND, f"{_title(pipeline)}: the run has ended") from error
    except BrokerError as error:
        words = f"{_title(pipeline)}: the run did not answer within {seconds:g} s; it may yet do it"
        raise CommandError(Exit.TIMEOUT, words) from error
    told: dict[str, Any] = json.loads(raw)
    if told["state"] == "refused":
        raise CommandError(Exit.INVALID, *told.get("words", ["the run refuses it"]))
    if told["state"] == "unknown":
        raise CommandError(Exit.NOT_FOUND, f"{_title(pipeline)}: {told['words'][0]}")
    return told


def author() -> str:
    """Who asks, as other people on this machine know them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"user {os.getuid()}"


def _title(pipeline: str) -> str:
    return f"pipeline {pipeline!r} on this machine"


def _name(pipeline: str) -> str:
    return f"pipeline.interact.science/{pipeline}"
