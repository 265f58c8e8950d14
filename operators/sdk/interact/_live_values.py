"""The values of a pipeline's parameters as they travel, and which of them an operator takes. Pure."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from interact_api import parameters as api
from interact_api.config import OperatorConfig
from pydantic import ValidationError

from interact._errors import InputError
from interact._operator import Operator
from interact._parameters import Parameter

KEY = "parameters"
"""Key of the state bucket: {operator: {"revision": number, "values": {parameter: value}}} as JSON.

``KEY.<revision>`` is the document a scan began with, kept for operators that come later.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One operator's values, and the revision that set them."""

    revision: int
    values: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """The values of all operators of a pipeline at one moment."""

    entries: Mapping[str, Entry]
    raw: bytes = b""

    @property
    def revision(self) -> int:
        """Of the newest values in it; it grows with every change of any of them."""
        return max((entry.revision for entry in self.entries.values()), default=0)


def parsed(raw: bytes) -> Document:
    """A document read back.

    Raises:
        InputError: If it is none.
    """
    try:
        entries = {
            str(name): Entry(int(entry["revision"]), dict(entry["values"]))
            for name, entry in json.loads(raw).items()
        }
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"the bucket's parameters cannot be read: {error!r}") from error
    return Document(entries, raw)


def written(values: Mapping[str, Mapping[str, Any]], revision: int) -> bytes:
    """The document that says one revision's values, by operator."""
    return json.dumps(
        {name: {"revision": revision, "values": dict(own)} for name, own in values.items()}
    ).encode()


def by_operator(raw: bytes | None) -> dict[str, dict[str, Any]]:
    """The values alone, as pictures tell them; nothing where nobody has set any."""
    if not raw:
        return {}
    return {name: dict(entry.values) for name, entry in parsed(raw).entries.items()}


@dataclasses.dataclass(frozen=True, slots=True)
class Accepted:
    """The values an operator takes of an entry; those it refuses keep their former value."""

    revision: int
    values: Mapping[str, Any]
    refused: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])


class Taker:
    """What an operator's parameters may be."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._declared = {one.name: one for one in operator.parameters}
        self._checks = {one.name: _check(operator, one) for one in operator.parameters}
        self.at_scans = frozenset(
            one.name for one in operator.parameters if one.declared.scope == "scan"
        )
        """Those that only a new scan changes."""

    def first(self, config: OperatorConfig) -> Accepted:
        """The values a process has before anybody tells it others: the configuration's."""
        defaults = {
            name: one.spec().get("default")
            for name, one in self._declared.items()
            if not one.required
        }
        return Accepted(config.revision, {**defaults, **config.parameters})

    def accept(self, entry: Entry, before: Accepted) -> Accepted:
        """The values to use from now on.

        Raises:
            InputError: If a required one is refused and had no value before.
        """
        if self._operator.role == "classic":
            return Accepted(entry.revision, dict(entry.values))
        taken: dict[str, Any] = dict(before.values)
        refused = {
            name: f"{self._operator.name} has no parameter {name!r}"
            for name in entry.values.keys() - self._declared.keys()
        }
        for name in self._declared.keys() & entry.values.keys():
            try:
                taken[name] = self._value(name, entry.values[name])
            except api.ParameterError as error:
                refused[name] = str(error)
        for name, one in self._declared.items():
            if one.required and taken.get(name) is None:
                raise InputError(refused.get(name, f"parameter {name!r} has no value; set one"))
        return Accepted(entry.revision, taken, refused)

    def _value(self, name: str, value: Any) -> Any:
        one = self._declared[name]
        if value is None and one.required:
            raise api.ParameterError(name, value, "it is required", "set a value")
        if value is None or value == one.spec().get("default"):
            return value
        return api.coerce(self._checks[name], value)

    def native(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values as the kernel takes them."""
        return {
            name: one.native(values.get(name, one.declared.default))
            for name, one in self._declared.items()
        }

    def mixed(self, newest: Accepted, scan: Accepted) -> Accepted:
        """The newest values of what changes at any time, and a scan's of what only scans change.

        Its revision is that of the scan's values as long as nothing newer is in use.
        """
        if newest.revision == scan.revision or not self.at_scans:
            return newest
        values = {
            name: scan.values.get(name, value) if name in self.at_scans else value
            for name, value in newest.values.items()
        }
        revision = scan.revision if values == dict(scan.values) else newest.revision
        return Accepted(revision, values, newest.refused)


def _check(operator: Operator, one: Parameter) -> api.Parameter:
    try:
        return api.Parameter.model_validate(one.spec())
    except ValidationError as error:
        raise InputError(f"operator {operator.name}: parameter {one.name}: {error}") from error
