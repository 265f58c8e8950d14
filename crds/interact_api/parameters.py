"""Parameters of an operator: their declaration, and the one way a value is checked."""

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, ClassVar, Final, TypeAlias

from pydantic import Field, JsonValue, WithJsonSchema

from interact_api.model import Bool, Model, Number, ParameterName, Rule, Text, Word

Value: TypeAlias = str | int | float | bool
"""A parameter's value after `coerce`."""

INTEGER_LIMIT: Final = 2**63 - 1
"""Integers travel as int64."""

_TRUE: Final = frozenset({"true", "yes", "on", "1", "t", "y"})
_FALSE: Final = frozenset({"false", "no", "off", "0", "f", "n"})
_MOUNT_LIMIT: Final = 1024


class ParameterType(StrEnum):
    """What a parameter holds."""

    STR = "str"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    MOUNT = "mount"
    STR_ENUM = "str-enum"


class Scope(StrEnum):
    """When a new value applies: between messages, or with the next scan."""

    FRAME = "frame"
    SCAN = "scan"


class ParameterError(ValueError):
    """A value that a parameter does not take."""

    def __init__(self, name: str, value: object, rule: str, remedy: str) -> None:
        self.name = name
        self.value = value
        self.rule = rule
        self.remedy = remedy
        super().__init__(f"parameter {name!r} is {value!r}: {rule}; {remedy}")


AnyJson = Annotated[JsonValue, WithJsonSchema({"x-kubernetes-preserve-unknown-fields": True})]


class Parameter(Model):
    """One setting of an operator, changed while it runs."""

    name: ParameterName = Field(description="Name the kernel reads it by.")
    label: Word = Field(default="", description="Name shown to people.")
    description: Text = Field(default="", description="What it does.")
    type: ParameterType = Field(description="What it holds.")
    default: AnyJson = Field(
        default=None, description="Value when a pipeline gives none; text is read by the type."
    )
    required: Bool = Field(default=False, description="Whether it may not go without a value.")
    options: Annotated[tuple[Word, ...], Field(max_length=256)] = Field(
        default=(), description="The texts a str-enum may be."
    )
    minimum: Number | None = Field(default=None, description="Smallest number it may be.")
    maximum: Number | None = Field(default=None, description="Largest number it may be.")
    unit: Word = Field(default="", description="Unit of the number, for example px or mrad.")
    scope: Scope = Field(
        default=Scope.FRAME,
        description="frame applies a new value between messages, scan with the next scan.",
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(self.type == 'str-enum') == (has(self.options) && self.options.size() > 0)",
            "a str-enum lists its options, and no other type does",
            lambda s: (s.type is ParameterType.STR_ENUM) == bool(s.options),
        ),
        Rule(
            "self.type in ['int', 'float'] || !(has(self.minimum) || has(self.maximum))",
            "only int and float have a minimum and a maximum",
            lambda s: (
                s.type in {ParameterType.INT, ParameterType.FLOAT}
                or (s.minimum is None and s.maximum is None)
            ),
        ),
        Rule(
            "!(has(self.minimum) && has(self.maximum)) || self.minimum <= self.maximum",
            "the minimum is above the maximum; exchange them",
            lambda s: s.minimum is None or s.maximum is None or s.minimum <= s.maximum,
        ),
    )


def coerce(parameter: Parameter, value: JsonValue) -> Value:
    """The value as the parameter's type, checked against its bounds and options.

    Args:
        parameter: The declaration.
        value: What somebody gave; text is read by the type (``"255"`` is an int).

    Raises:
        ParameterError: If the parameter does not take it; says the bound and the remedy.

    >>> coerce(Parameter(name="radius", type=ParameterType.INT, minimum=0), "255")
    255
    """
    convert: Mapping[ParameterType, Callable[[Parameter, JsonValue], Value]] = {
        ParameterType.STR: _text,
        ParameterType.INT: _integer,
        ParameterType.FLOAT: _number,
        ParameterType.BOOL: _truth,
        ParameterType.MOUNT: _mount,
        ParameterType.STR_ENUM: _option,
    }
    converted = convert[parameter.type](parameter, value)
    if isinstance(converted, int | float) and not isinstance(converted, bool):
        _within(parameter, converted)
    return converted


def default_value(parameter: Parameter) -> Value | None:
    """The value when a pipeline gives none; None if the declaration has none either.

    Raises:
        ParameterError: If the declared default is not one the parameter takes.
    """
    return None if parameter.default is None else coerce(parameter, parameter.default)


def _text(parameter: Parameter, value: JsonValue) -> str:
    if not isinstance(value, str):
        raise ParameterError(parameter.name, value, "it takes text", "put it in quotes")
    return value


def _integer(parameter: Parameter, value: JsonValue) -> int:
    number = value
    if isinstance(value, str):
        try:
            number = int(value) if len(value) <= 32 else value
        except ValueError:
            number = _parsed(value)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int):
        raise ParameterError(parameter.name, value, "it takes a whole number", "write 12, not 12.5")
    if abs(number) > INTEGER_LIMIT:
        raise ParameterError(
            parameter.name, value, f"a whole number is at most {INTEGER_LIMIT}", "use a float"
        )
    return number


def _number(parameter: Parameter, value: JsonValue) -> float:
    number = _parsed(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise ParameterError(parameter.name, value, "it takes a number", "write 12 or 0.5")
    try:
        number = float(number)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ParameterError(
            parameter.name, value, "it takes a finite number", "write a number below 1.8e308"
        )
    return number


def _parsed(value: str) -> JsonValue:
    try:
        return float(value)
    except ValueError:
        return value


def _truth(parameter: Parameter, value: JsonValue) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower() if isinstance(value, str | int) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ParameterError(parameter.name, value, "it takes true or false", "write true or false")


def _mount(parameter: Parameter, value: JsonValue) -> str:
    if not isinstance(value, str) or not value:
        raise ParameterError(parameter.name, value, "it takes a path", "write /data/scan.h5")
    if len(value) > _MOUNT_LIMIT or "\0" in value:
        raise ParameterError(
            parameter.name,
            value[:64],
            f"a path has at most {_MOUNT_LIMIT} characters and no NUL",
            "use a shorter path",
        )
    if ".." in value.split("/"):
        raise ParameterError(
            parameter.name, value, "a path has no '..'", "write the path that it leads to"
        )
    return value


def _option(parameter: Parameter, value: JsonValue) -> str:
    if not isinstance(value, str) or value not in parameter.options:
        options = ", ".join(parameter.options)
        raise ParameterError(parameter.name, value, f"it is one of {options}", "choose one of them")
    return value


def _within(parameter: Parameter, number: float) -> None:
    unit = f" {parameter.unit}" if parameter.unit else ""
    if parameter.minimum is not None and number < parameter.minimum:
        raise ParameterError(
            parameter.name,
            number,
            f"it is at least {parameter.minimum:g}{unit}",
            "raise the value",
        )
    if parameter.maximum is not None and number > parameter.maximum:
        raise ParameterError(
            parameter.name, number, f"it is at most {parameter.maximum:g}{unit}", "lower the value"
        )
