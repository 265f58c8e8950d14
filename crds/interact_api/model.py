"""The base of every resource model: frozen, closed, camelCase outside, rules beside the fields."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    Strict,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from interact_api.plain import is_mapping

GROUP: Final = "interact.science"
API_VERSION: Final = f"{GROUP}/v1alpha1"
INT64: Final = 2**63
"""The first whole number too large for Kubernetes, which keeps them in 64 bits."""
FLOAT_WHOLE: Final = 2**53
"""The first that may have lost digits in a float."""

DNS_LABEL_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_NAME_PATTERN: Final = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
PORT_PATTERN: Final = r"^[A-Za-z][A-Za-z0-9_-]*$"
PARAMETER_PATTERN: Final = r"^[A-Za-z_][A-Za-z0-9_.-]*$"


def _whole(value: object) -> object:
    """Read 1.0 as 1, as Kubernetes does, and refuse what only looks like a number."""
    if isinstance(value, bool | str):
        raise PydanticCustomError("int_type", "Input should be a whole number")
    if not is_whole(value):
        raise PydanticCustomError("int_type", "Input should be a whole number of 64 bits")
    return int(value) if isinstance(value, float) else value


def is_whole(value: object) -> bool:
    """Whether Kubernetes takes a number as an integer: 64 bits, or 53 if written like 1.0."""
    if isinstance(value, float):
        return value.is_integer() and abs(value) < FLOAT_WHOLE
    return not isinstance(value, int) or -INT64 <= value < INT64


def _digits(value: object) -> object:
    if isinstance(value, float):
        raise PydanticCustomError("int_type", "Input should be written without a point")
    return _whole(value)


Int = Annotated[int, BeforeValidator(_whole)]
DigitsInt = Annotated[int, BeforeValidator(_digits)]
"""Of fields that a rule reads: there Kubernetes does not take 1.0 for 1."""
Bool = Annotated[bool, Strict()]
Number = Annotated[float, Strict()]
Label = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=DNS_LABEL_PATTERN)]
ObjectName = Annotated[
    str, StringConstraints(min_length=1, max_length=253, pattern=DNS_NAME_PATTERN)
]
PortName = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=PORT_PATTERN)]
ParameterName = Annotated[
    str, StringConstraints(min_length=1, max_length=63, pattern=PARAMETER_PATTERN)
]
Word = Annotated[str, StringConstraints(max_length=253)]
Text = Annotated[str, StringConstraints(max_length=4096)]


def _present(value: object) -> object:
    """Read null values as absent, as Kubernetes does where the type of a map's values is known."""
    if is_mapping(value):
        return {key: one for key, one in value.items() if one is not None}
    return value


Present = BeforeValidator(_present)
Map = Annotated[dict[str, Text], Field(max_length=128), Present]
JsonObject = dict[str, JsonValue]


@dataclass(frozen=True)
class Rule:
    """A condition over a whole object, said twice: in CEL for Kubernetes, in Python for us.

    Attributes:
        cel: The expression Kubernetes evaluates; ``self`` is the object.
        message: What must hold, and what to do about it.
        holds: The same over the model. A property test compares the two verdicts.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True)
class Move:
    """A condition over an object and what it was before, said twice as a `Rule` is.

    Attributes:
        cel: The expression Kubernetes evaluates; ``oldSelf`` is the object before.
        message: What must hold, and what to do about it.
        holds: The same over both models, before and after. A property test compares the verdicts.
    """

    cel: str
    message: str
    holds: Callable[[Any, Any], bool]


class Model(BaseModel):
    """A value of the contract; equal by its fields, never changed in place."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        allow_inf_nan=False,
        defer_build=True,  # a process uses few of them: built when it does
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    """Conditions over the whole object."""
    moves: ClassVar[tuple[Move, ...]] = ()
    """Conditions over the whole object and what it was before; Kubernetes alone enforces them."""
    list_keys: ClassVar[dict[str, tuple[str, ...]]] = {}
    """Lists whose entries are told apart by these fields (Kubernetes' list-map keys)."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: object) -> object:
        """Read null as absent, as Kubernetes does; what is no field stays, to be refused."""
        if not is_mapping(data) or all(value is not None for value in data.values()):
            return data
        known = {word for name, field in cls.model_fields.items() for word in (name, field.alias)}
        return {key: value for key, value in data.items() if value is not None or key not in known}

    @model_validator(mode="after")
    def _keeps_its_rules(self) -> Self:
        broken = [rule.message for rule in self.rules if not rule.holds(self)]
        for field, keys in self.list_keys.items():
            entries = [tuple(getattr(one, key) for key in keys) for one in getattr(self, field)]
            twice = sorted({entry for entry in entries if entries.count(entry) > 1})
            broken += [
                f"{field} has {'/'.join(map(str, entry))!r} twice; remove one" for entry in twice
            ]
        if broken:
            raise PydanticCustomError("rule", "{message}", {"message": "; ".join(broken)})
        return self

    def to_object(self) -> JsonObject:
        """The object as Kubernetes stores it: camelCase, JSON types, nothing that is unset."""
        dumped = self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)
        fixed = {
            to_camel(name): getattr(self, name)
            for name in ("api_version", "kind")
            if name in type(self).model_fields
        }
        return fixed | dumped


class Metadata(Model):
    """The part of Kubernetes' ObjectMeta that people write; the server's part is kept as it is."""

    name: ObjectName = Field(description="Name of the object.")
    namespace: Label | None = Field(default=None, description="Namespace of the object.")
    labels: Map = Field(default_factory=dict, description="Labels, for selection.")
    annotations: dict[str, str] = Field(
        default_factory=dict, description="Annotations, for tools and people."
    )
    uid: Word = Field(default="", description="Given by Kubernetes.")
    generation: Int = Field(default=0, description="Counts the changes of the spec.")
    resource_version: Word = Field(default="", description="Given by Kubernetes.")
    creation_timestamp: Word = Field(default="", description="Given by Kubernetes.")
    deletion_timestamp: Word = Field(default="", description="Given by Kubernetes.")
    deletion_grace_period_seconds: Int = Field(default=0, description="Given by Kubernetes.")
    generate_name: Word = Field(default="", description="Prefix of a name Kubernetes completes.")
    self_link: Word = Field(default="", description="Given by Kubernetes.")
    finalizers: tuple[Word, ...] = Field(default=(), description="Given by controllers.")
    owner_references: tuple[JsonObject, ...] = Field(default=(), description="The owners.")
    managed_fields: tuple[JsonObject, ...] = Field(default=(), description="Given by Kubernetes.")
