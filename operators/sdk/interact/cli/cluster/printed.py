"""Objects as tables, names, JSON or YAML; the columns are the server's."""

import json
from collections.abc import Sequence
from typing import Any

import yaml
from interact_api.plain import entries, mapping

from interact.cli.cluster.api import Object
from interact.cli.cluster.kinds import Kind
from interact.cli.cluster.options import Form


def document(objects: Sequence[Object], form: Form, *, one: bool) -> str:
    """Objects as JSON or YAML: the one that was named, or a List."""
    shown = [_shown(item) for item in objects]
    whole: Object = {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": shown}
    return text(shown[0] if one else whole, form)


def text(value: Object, form: Form) -> str:
    """A value as JSON or YAML."""
    if form is Form.YAML:
        return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).rstrip()
    return json.dumps(value, indent=2, ensure_ascii=False)


def reference(kind: Kind, found: Object) -> str:
    """What `-o name` says: it can be given to kubectl."""
    return f"{kind.reference}/{found['metadata']['name']}"


def columns(table: Object, *, wide: bool) -> list[int]:
    """The numbers of the columns to show."""
    return [
        number
        for number, column in enumerate(entries(table.get("columnDefinitions")))
        if wide or not column.get("priority", 0)
    ]


def titles(table: Object, shown: Sequence[int], *, namespaced: bool) -> tuple[str, ...]:
    """The titles of a table of the server."""
    defined = entries(table.get("columnDefinitions"))
    before = ("NAMESPACE",) if namespaced else ()
    return (*before, *(str(defined[number]["name"]).upper() for number in shown))


def rows(
    found: Sequence[Object], shown: Sequence[int], *, namespaced: bool
) -> list[tuple[str, ...]]:
    """The cells of a table's rows."""
    return [
        (
            *((str(metadata(row).get("namespace", "")),) if namespaced else ()),
            *(_cell(row["cells"][number]) for number in shown),
        )
        for row in found
    ]


def metadata(row: Object) -> Object:
    """The metadata of a row's object."""
    return mapping(mapping(row.get("object")).get("metadata"))


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _shown(found: Object) -> Object:
    """An object without who owns which field, as kubectl shows it."""
    kept = {key: one for key, one in found["metadata"].items() if key != "managedFields"}
    return {**found, "metadata": kept}
