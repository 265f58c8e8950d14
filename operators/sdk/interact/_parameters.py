"""Parameters of an operator, declared as keyword arguments with types, bounds and units."""

import dataclasses
import inspect
import pathlib
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from interact._errors import OperatorError

_MISSING: Any = inspect.Parameter.empty
_SPEC_TYPES: Mapping[type, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    pathlib.Path: "mount",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Declared:
    """What `Param` was given; the name and the type come from the argument."""

    default: Any = _MISSING
    label: str = ""
    description: str = ""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    scope: Literal["frame", "scan"] = "frame"


def Param(  # noqa: N802  # reads as the type it stands for
    default: Any = _MISSING,
    *,
    label: str = "",
    description: str = "",
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    scope: Literal["frame", "scan"] = "frame",
) -> Any:
    """Declare a parameter; use it as the default of a keyword argument.

    Args:
        default: The value when nobody sets one; a parameter without it is required.
        label: A short name for people; made from the argument's name when left out.
        description: One sentence.
        unit: For example "px", "mrad", "frames/s".
        minimum: Smallest value allowed.
        maximum: Largest value allowed.
        scope: Whether a new value applies between messages ("frame") or from the next scan
            on ("scan").
    """
    return Declared(default, label, description, unit, minimum, maximum, scope)


@dataclasses.dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an operator, complete."""

    name: str
    type: str
    declared: Declared
    options: tuple[str, ...] = ()
    optional: bool = False

    @property
    def required(self) -> bool:
        """Whether somebody must set it."""
        return self.declared.default is _MISSING

    def native(self, value: Any) -> Any:
        """The value as the kernel takes it: mounts become paths."""
        if value is None or (self.type == "mount" and value == ""):
            return None
        return pathlib.Path(value) if self.type == "mount" else value

    @property
    def default(self) -> Any:
        """The default as the kernel takes it."""
        return self.native(self.declared.default)

    def spec(self) -> dict[str, Any]:
        """The parameter as the operator's YAML has it."""
        declared = self.declared
        entry: dict[str, Any] = {
            "name": self.name,
            "label": declared.label or self.name.replace("_", " ").capitalize(),
            "description": declared.description or self.name.replace("_", " ").capitalize() + ".",
            "type": self.type,
        }
        if self.required:
            entry["required"] = True
        elif declared.default is not None:
            default = declared.default
            entry["default"] = str(default) if isinstance(default, pathlib.Path) else default
        for key in ("unit", "minimum", "maximum"):
            if getattr(declared, key) not in {None, ""}:
                entry[key] = getattr(declared, key)
        if self.options:
            entry["options"] = list(self.options)
        if declared.scope != "frame":
            entry["scope"] = declared.scope
        return entry


def parameter(owner: str, name: str, annotation: Any, default: Any) -> Parameter:
    """The parameter an argument declares.

    Raises:
        OperatorError: If its type is none that a specification knows.
    """
    declared = default if isinstance(default, Declared) else Declared(default)
    optional = False
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        members = [member for member in typing.get_args(annotation) if member is not type(None)]
        optional = len(members) < len(typing.get_args(annotation))
        annotation = members[0] if len(members) == 1 else annotation
    if typing.get_origin(annotation) is Literal:
        options = tuple(str(option) for option in typing.get_args(annotation))
        return Parameter(name, "str-enum", declared, options, optional)
    kind = _SPEC_TYPES.get(annotation)
    if kind is None:
        raise OperatorError(
            f"operator {owner}: parameter {name} is annotated {annotation!r}; "
            "use str, int, float, bool, pathlib.Path (a mount) or Literal[...] of strings"
        )
    return Parameter(name, kind, declared, (), optional)
