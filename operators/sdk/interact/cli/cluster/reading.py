"""`interact describe` and `interact top`: how pipelines are, for people."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import typer
from interact_api.problem import listed
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from interact.cli.cluster import columns, described, kinds, loads, objects, runs_described
from interact.cli.cluster.api import Object
from interact.cli.cluster.kinds import PIPELINE
from interact.cli.cluster.objects import Place
from interact.cli.exits import CommandError, Exit

REFRESH_SECONDS: Final = 1.0
_TEXTS: Final = {
    PIPELINE: described.pipeline,
    kinds.OPERATOR: described.operator,
    kinds.RUN: runs_described.run,
    kinds.SYSTEM: runs_described.system,
}


def describe(place: Place, words: Sequence[str]) -> None:
    """Print everything about one object, or about each of some.

    Raises:
        CommandError: If one is not there.
    """
    kind, asked = kinds.asked(words)
    if not asked:
        known = [one["metadata"]["name"] for one in objects.read_all(place, kind)]
        words_ = f"there are {listed(known)}" if known else f"there is none in {place.words}"
        raise CommandError(Exit.USAGE, f"name a {kind.singular}; {words_}")
    text = _TEXTS[kind]
    for number, name in enumerate(asked):
        found = objects.read(place, kind, name)
        lines = text(found, events(place, found), datetime.now(UTC))
        typer.echo("\n".join([*([""] if number else []), *lines]))


def events(place: Place, found: Object) -> list[Object] | str:
    """The events about an object, or why they cannot be read: the rest is worth showing."""
    selector = f"involvedObject.uid={found['metadata']['uid']}"
    try:
        return objects.core(place, "events", {"fieldSelector": selector})
    except CommandError as error:
        return error.lines[0]


def top(place: Place, name: str, *, once: bool) -> None:
    """Show what pipelines carry, until interrupted, or once where there is no terminal.

    Raises:
        CommandError: If the pipeline is not there.
    """
    console = Console()
    everywhere = not place.namespace
    found = _pipelines(place, name)
    if once or not console.is_terminal:
        lines = columns.aligned([loads.TITLES, *loads.rows(found, spaces=everywhere)])
        typer.echo("\n".join(line.rstrip() for line in lines))
        return
    table = loads.table(found, spaces=everywhere)
    with Live(table, console=console) as live:
        while True:
            time.sleep(REFRESH_SECONDS)
            try:
                table = loads.table(_pipelines(place, name), spaces=everywhere)
                live.update(table)
            except CommandError as error:
                if error.code is not Exit.UNREACHABLE:
                    raise
                live.update(Group(table, Text(f"not known at the moment: {error.lines[0]}")))


def _pipelines(place: Place, name: str) -> list[Object]:
    if name and place.namespace:
        return [objects.read(place, PIPELINE, kinds.named(name))]
    found = [
        one for one in objects.read_all(place, PIPELINE) if name in {"", one["metadata"]["name"]}
    ]
    if name and not found:
        raise objects.absent(place, PIPELINE, name)
    return found
