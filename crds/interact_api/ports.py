"""Ports of operators: their types, how inputs join, what outputs promise."""

from typing import Annotated, Final

from pydantic import Field

from interact_api.choices import Guarantee, Join
from interact_api.model import Bool, Model, PortName, Text, Word

TYPE_PATTERN: Final = (
    r"^(any|(dense|sparse|values|image|bytes)(\|(dense|sparse|values|image|bytes)){0,4})$"
)
PortType = Annotated[str, Field(pattern=TYPE_PATTERN, max_length=64)]

ENDPOINT_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?\.[A-Za-z][A-Za-z0-9_-]*$"
Endpoint = Annotated[str, Field(pattern=ENDPOINT_PATTERN, max_length=127)]


class InputPort(Model):
    """A port messages come in by."""

    name: PortName = Field(description="Name of the port.")
    label: Word = Field(default="", description="Name shown to people.")
    description: Text = Field(default="", description="What it takes.")
    type: PortType = Field(
        default="any",
        description="Kind of data: dense, sparse, values, image, bytes, any, or several with |.",
    )
    join: Join = Field(
        default=Join.NONE,
        description="zip waits for the same frames on every zipped input; latest is a side input.",
    )
    ordered: Bool = Field(
        default=False, description="Messages of a scan come in the order of their index."
    )


class OutputPort(Model):
    """A port messages go out by."""

    name: PortName = Field(description="Name of the port.")
    label: Word = Field(default="", description="Name shown to people.")
    description: Text = Field(default="", description="What it gives.")
    type: PortType = Field(
        default="any",
        description="Kind of data: dense, sparse, values, image, bytes, any, or several with |.",
    )
    guarantee: Guarantee = Field(
        default=Guarantee.AT_LEAST_ONCE,
        description="What the port promises unless a pipeline says otherwise.",
    )


def types(port: InputPort | OutputPort) -> tuple[str, ...]:
    """The words of a port's type."""
    return tuple(port.type.split("|"))
