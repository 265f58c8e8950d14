"""`interact get`: objects as they are, and as they change."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import typer
from interact_api.plain import entries, mapping

from interact.cli.cluster import columns, kinds, objects, printed
from interact.cli.cluster.api import JSON, TABLE, ApiError, Object
from interact.cli.cluster.kinds import Kind
from interact.cli.cluster.objects import Place
from interact.cli.cluster.options import Form
from interact.cli.cluster.refusals import refusal

AGAIN_SECONDS: Final = 0.2
"""Before a watch the server ended is begun again: a proxy may end each at once."""
_EXPIRED: Final = 410
_TABLES: Final = {Form.TABLE, Form.WIDE}


def get(place: Place, words: Sequence[str], form: Form, selector: str, *, watch: bool) -> None:
    """Print objects, and with ``watch`` each that changes, until interrupted.

    Raises:
        CommandError: If they cannot be read, or one that is named is not there.
    """
    kind, names = kinds.asked(words)
    show = _show_table if form in _TABLES else _show_objects
    echo, version = show(place, kind, names, form, selector)
    while watch:
        try:
            version = _follow(place, kind, selector, form, version, echo)
        except _ExpiredError:
            echo, version = show(place, kind, names, form, selector)
        time.sleep(AGAIN_SECONDS)


class _ExpiredError(Exception):
    """What changed since the version we know is no longer told; look at everything again."""


Echo = Callable[[Object], str]
"""Prints the object of a watch event; gives the version of what it printed."""


def _show_table(
    place: Place, kind: Kind, names: Sequence[str], form: Form, selector: str
) -> tuple[Echo, str]:
    """Print the server's table; gives how to print its next rows, and the list's version."""
    table = objects.read_table(place, kind, selector)
    shown = printed.columns(table, wide=form is Form.WIDE)
    namespaced = not place.namespace

    def rows(of: Object) -> list[tuple[str, ...]]:
        wanted = [row for row in entries(of.get("rows")) if _named(printed.metadata(row), names)]
        return printed.rows(wanted, shown, namespaced=namespaced)

    lines = [printed.titles(table, shown, namespaced=namespaced), *rows(table)]
    _require(place, kind, names, [printed.metadata(row) for row in entries(table.get("rows"))])
    if len(lines) > 1:
        typer.echo("\n".join(columns.aligned(lines)))
    else:
        typer.echo(f"no {kind.plural} in {place.words}", err=True)
    wide = columns.widths(lines)

    def echo(of: Object) -> str:
        for line in columns.aligned(rows(of), wide):
            typer.echo(line)
        versions = [printed.metadata(row).get("resourceVersion") for row in entries(of["rows"])]
        return str(versions[-1] if versions else "")

    return echo, str(mapping(table.get("metadata")).get("resourceVersion", ""))


def _show_objects(
    place: Place, kind: Kind, names: Sequence[str], form: Form, selector: str
) -> tuple[Echo, str]:
    """Print objects as names, JSON or YAML; gives how to print the next, and the list's version."""
    found, version = objects.read_list(place, kind, selector)
    wanted = [one for one in found if _named(one["metadata"], names)]
    _require(place, kind, names, [one["metadata"] for one in wanted])
    if form is not Form.NAME:
        typer.echo(printed.document(wanted, form, one=len(names) == 1 and len(wanted) == 1))

    def echo(one: Object) -> str:
        if _named(one["metadata"], names):
            if form is Form.NAME:
                typer.echo(printed.reference(kind, one))
            else:
                typer.echo(printed.document([one], form, one=True))
        return str(one["metadata"]["resourceVersion"])

    if form is Form.NAME:
        for one in wanted:
            echo(one)
    return echo, version


def _named(metadata: Object, names: Sequence[str]) -> bool:
    return not names or metadata.get("name") in names


def _require(place: Place, kind: Kind, names: Sequence[str], found: Sequence[Object]) -> None:
    known = [str(one["name"]) for one in found]
    for name in names:
        if name not in known:
            raise objects.absent(place, kind, name)


def _follow(place: Place, kind: Kind, selector: str, form: Form, version: str, echo: Echo) -> str:
    """Print what changes until the server ends the watch; gives the version to go on from."""
    query = {"resourceVersion": version}
    if selector:
        query["labelSelector"] = selector
    if form in _TABLES:
        query["includeObject"] = "Metadata"
    try:
        for event in _events(place, kind, query, TABLE if form in _TABLES else JSON):
            version = echo(event) or version
    except ApiError as error:
        if error.code == _EXPIRED:
            raise _ExpiredError from error
        raise refusal(error, f"{kind.plural} in {place.words}") from error
    return version


def _events(place: Place, kind: Kind, query: dict[str, str], accept: str) -> Iterator[Object]:
    for event in place.api.lines(kind.path(place.namespace), query=query, accept=accept):
        found = mapping(event.get("object"))
        if event.get("type") == "ERROR":
            raise ApiError(int(found.get("code", 0)), str(found.get("message", "")), found)
        yield found
