"""The specification of a pipeline of a local run while it runs: the one truth of its parameters.

Pure. What a cluster's API server does for a Pipeline is done here for one of this machine: a change
is checked against the operators' declarations, all of its values or none are taken, and they get the
next revision. Who changed an operator's values last, and when, stays with them.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from interact_api.operator import InteractOperator
from interact_api.parameters import Parameter, ParameterError, ParameterType, Value, coerce
from interact_api.pipeline import Pipeline
from interact_api.problem import listed
from pydantic import JsonValue

Values = Mapping[str, Mapping[str, JsonValue]]
"""By operator and parameter."""
Place = tuple[str, str]
"""(operator, parameter)"""


@dataclass(frozen=True)
class Refusal:
    """A value that is not taken.

    Attributes:
        path: Where in the specification, as a cluster says it.
        field: The same as people write it.
        value: What was given.
        message: What it may be.
    """

    path: str
    field: str
    value: JsonValue
    message: str


@dataclass(frozen=True)
class Change:
    """A value that becomes another; None stands for none."""

    operator: str
    parameter: str
    before: Value | None
    after: Value | None


@dataclass(frozen=True)
class Write:
    """A change that was taken, or what is wrong with it.

    Attributes:
        number: Writes before it, of any outcome.
        revision: Of the specification with it; the former one where nothing changes.
        changes: What it changes.
        refusals: Why it was not taken; then it changes nothing.
    """

    number: int
    revision: int
    changes: tuple[Change, ...] = ()
    refusals: tuple[Refusal, ...] = ()


@dataclass
class _Entry:
    """One operator's values, and who set them last."""

    revision: int
    values: dict[str, Value | None]
    by: str = ""
    at: str = ""


@dataclass
class Specification:
    """The parameters of one pipeline.

    Attributes:
        pipeline: The pipeline as it was started.
        operators: What its operators are, by the name of the `InteractOperator`.
        started: The values it was started with, by operator.
        revision: Of the newest values.
    """

    pipeline: Pipeline
    operators: Mapping[str, InteractOperator]
    started: Mapping[str, Mapping[str, Value | None]]
    revision: int = 1
    _entries: dict[str, _Entry] = field(init=False)
    _setters: dict[Place, int] = field(init=False, default_factory=dict[Place, int])
    _writes: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._entries = {
            name: _Entry(self.revision, dict(values)) for name, values in self.started.items()
        }
        self._paths = {
            one.name: (
                f"spec.operators[{number}].parameters",
                self._declared(one.operator_ref.name),
            )
            for number, one in enumerate(self.pipeline.spec.operators)
        }

    def _declared(self, name: str) -> dict[str, Parameter]:
        return {one.name: one for one in self.operators[name].spec.parameters}

    def change(self, values: Values, *, by: str, at: str, folder: str = "") -> Write:
        """Take values, all or none.

        Args:
            values: By operator and parameter; text is read by the parameter's type.
            by: Who sets them.
            at: When, as text.
            folder: Where relative paths among them start.
        """
        number = self._writes
        self._writes += 1
        taken: dict[Place, Value] = {}
        refusals = tuple(self._checked(values, folder, taken))
        if refusals:
            return Write(number, self.revision, (), refusals)
        changes = tuple(
            Change(operator, name, self._entries[operator].values.get(name), value)
            for (operator, name), value in taken.items()
            if not _same(self._entries[operator].values.get(name), value)
        )
        for place in taken:
            self._setters[place] = number
        if changes:
            self.revision += 1
        for one in changes:
            entry = self._entries[one.operator]
            entry.revision, entry.by, entry.at = self.revision, by, at
            entry.values[one.parameter] = one.after
        return Write(number, self.revision, changes)

    def _checked(self, values: Values, folder: str, taken: dict[Place, Value]) -> Iterator[Refusal]:
        """What is wrong with values; those that are right are put into ``taken``."""
        for operator, own in values.items():
            if operator not in self._paths:
                words = f"pipeline {self.pipeline.metadata.name!r} has no operator {operator!r}; "
                yield Refusal("spec.operators", operator, operator, words + listed(self._paths))
                continue
            path, declared = self._paths[operator]
            for name, value in own.items():
                where = f"{path}.{name}", f"{operator}.{name}", value
                if name not in declared:
                    message = f"{operator} has no parameter {name!r}; known: {listed(declared)}"
                    yield Refusal(*where, message)
                    continue
                try:
                    taken[operator, name] = coerce(
                        declared[name], _placed(declared[name], value, folder)
                    )
                except ParameterError as error:
                    yield Refusal(*where, f"{operator}: {error}")

    def overtaken(self, write: Write) -> tuple[str, ...]:
        """The values of a change, as operator.parameter, that a later one has replaced."""
        return tuple(
            f"{one.operator}.{one.parameter}"
            for one in write.changes
            if self._setters[one.operator, one.parameter] != write.number
        )

    @property
    def document(self) -> bytes:
        """The values as the state bucket holds them, with who set them last and when."""
        return json.dumps({name: vars(entry) for name, entry in self._entries.items()}).encode()

    @property
    def values(self) -> dict[str, dict[str, Value | None]]:
        """The values by operator."""
        return {name: dict(entry.values) for name, entry in self._entries.items()}

    @property
    def authors(self) -> dict[str, dict[str, str | int]]:
        """Who changed an operator's values last and when, by operator; those nobody did are left out."""
        return {
            name: {"by": entry.by, "at": entry.at, "revision": entry.revision}
            for name, entry in self._entries.items()
            if entry.by
        }


def _same(before: Value | None, after: Value) -> bool:
    """Whether a value is this one; 1 and True are two values."""
    return before == after and isinstance(before, bool) == isinstance(after, bool)


def _placed(parameter: Parameter, value: JsonValue, folder: str) -> JsonValue:
    """A path as this machine has it; relative ones that are there start at a folder."""
    if parameter.type is not ParameterType.MOUNT or not isinstance(value, str) or not folder:
        return value
    return str(Path(folder) / value) if value and not value.startswith("/") else value
