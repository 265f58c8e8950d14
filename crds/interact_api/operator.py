"""InteractOperator: a container image with typed ports, parameters and triggers."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from interact_api.choices import Join, Role
from interact_api.conditions import Condition
from interact_api.execution import Driver, Execution, ExecutionMode
from interact_api.model import (
    Int,
    Label,
    Metadata,
    Model,
    PortName,
    Rule,
    Text,
    Word,
)
from interact_api.parameters import Parameter, ParameterError, coerce, default_value
from interact_api.ports import InputPort, OutputPort, types
from interact_api.quantities import Duration
from interact_api.template import PodTemplate

__all__ = [
    "KIND",
    "Driver",
    "Execution",
    "ExecutionMode",
    "InputPort",
    "InteractOperator",
    "OperatorSpec",
    "OperatorStatus",
    "OutputPort",
    "Parallel",
    "ParallelConfig",
    "Parameter",
    "ParameterError",
    "Tag",
    "Trigger",
    "TriggerAudience",
    "TriggerMode",
    "coerce",
    "default_value",
    "types",
]

KIND: Final = "InteractOperator"


class Parallel(StrEnum):
    """Whether replicas may share the messages of one input."""

    NONE = "none"
    EMBARRASSING = "embarrassing"


class TriggerMode(StrEnum):
    """Call the kernel once, or until it returns nothing."""

    SINGLE = "single"
    DRAIN = "drain"


class TriggerAudience(StrEnum):
    """Which replicas a trigger reaches."""

    ALL = "all"
    ONE = "one"


class Tag(Model):
    """A word to find operators by, or that says what they need (gpu)."""

    value: Word = Field(description="The word.")
    description: Text = Field(default="", description="What it means.")


class ParallelConfig(Model):
    """Whether the operator may run as replicas."""

    type: Parallel = Field(
        default=Parallel.NONE, description="embarrassing if messages do not depend on each other."
    )


class Trigger(Model):
    """A call a person makes while the operator runs."""

    name: PortName = Field(description="Name of the trigger.")
    label: Word = Field(default="", description="Name shown to people.")
    description: Text = Field(default="", description="What it does.")
    mode: TriggerMode = Field(
        default=TriggerMode.SINGLE, description="single calls once, drain until nothing comes."
    )
    audience: TriggerAudience = Field(
        default=TriggerAudience.ALL, description="Reach all replicas or one of them."
    )
    parameters: Annotated[tuple[Parameter, ...], Field(max_length=32)] = Field(
        default=(), description="Arguments of the call."
    )

    list_keys: ClassVar[dict[str, tuple[str, ...]]] = {"parameters": ("name",)}


class OperatorSpec(Model):
    """What an operator is."""

    label: Word = Field(default="", description="Name shown to people.")
    description: Text = Field(default="", description="What the operator does.")
    image: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[!-~]+$")] = Field(
        description="Container image, best with its digest."
    )
    command: Annotated[tuple[Text, ...], Field(max_length=32)] = Field(
        default=(), description="Replaces the image's entry point."
    )
    role: Role | None = Field(
        default=None,
        description="source, transform, reducer or sink; follows from the ports but for a reducer.",
    )
    inputs: Annotated[tuple[InputPort, ...], Field(max_length=32)] = Field(
        default=(), description="Ports messages come in by."
    )
    outputs: Annotated[tuple[OutputPort, ...], Field(max_length=32)] = Field(
        default=(), description="Ports messages go out by."
    )
    parameters: Annotated[tuple[Parameter, ...], Field(max_length=128)] = Field(
        default=(), description="Settings, changed while it runs."
    )
    tags: Annotated[tuple[Tag, ...], Field(max_length=64)] = Field(
        default=(), description="Words to find it by."
    )
    parallel_config: ParallelConfig = Field(
        default=ParallelConfig(), description="Whether it may run as replicas."
    )
    triggers: Annotated[tuple[Trigger, ...], Field(max_length=32)] = Field(
        default=(), description="Calls a person makes while it runs."
    )
    execution: Execution = Field(default=Execution(), description="How its code is called.")
    kernel_timeout: Duration = Field(
        default="30s",
        description="Longest time for one message; a kernel that exceeds it is ended.",
    )
    template: PodTemplate = Field(default=PodTemplate(), description="What its pods need.")

    list_keys: ClassVar[dict[str, tuple[str, ...]]] = {
        "inputs": ("name",),
        "outputs": ("name",),
        "parameters": ("name",),
        "tags": ("value",),
        "triggers": ("name",),
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.role) || self.role != 'source' || !has(self.inputs) || "
            "!self.inputs.exists(port, port.join != 'latest')",
            "a source has no inputs but side inputs (join: latest)",
            lambda s: s.role is not Role.SOURCE or all(p.join is Join.LATEST for p in s.inputs),
        ),
        Rule(
            "!has(self.role) || !(self.role in ['transform', 'reducer', 'sink']) || "
            "(has(self.inputs) && self.inputs.size() > 0)",
            "a transform, reducer or sink has an input",
            lambda s: s.role in {None, Role.SOURCE} or len(s.inputs) > 0,
        ),
        Rule(
            "!has(self.role) || !(self.role in ['source', 'reducer']) || "
            "!has(self.parallelConfig) || self.parallelConfig.type == 'none'",
            "a source or reducer never runs as replicas; set parallelConfig.type to none",
            lambda s: (
                s.role not in {Role.SOURCE, Role.REDUCER} or s.parallel_config.type is Parallel.NONE
            ),
        ),
        Rule(
            "!has(self.inputs) || !self.inputs.exists(port, port.join == 'zip') || "
            "!self.inputs.exists(port, port.join == 'none')",
            "join all inputs by zip or none of them; side inputs use latest",
            lambda s: not {Join.ZIP, Join.NONE} <= {port.join for port in s.inputs},
        ),
        Rule(
            "!has(self.inputs) || self.inputs.filter(port, port.join == 'zip').size() != 1",
            "zip joins two inputs or more; use none for a single one",
            lambda s: [port.join for port in s.inputs].count(Join.ZIP) != 1,
        ),
    )

    @property
    def place(self) -> Role:
        """The role, derived from the ports where it is not said."""
        if self.role is not None:
            return self.role
        fed = any(port.join is not Join.LATEST for port in self.inputs)
        if not fed and (self.outputs or not self.inputs):
            return Role.SOURCE
        return Role.TRANSFORM if self.outputs else Role.SINK

    @property
    def parallel(self) -> bool:
        """Whether replicas may share the messages of one input."""
        return self.parallel_config.type is Parallel.EMBARRASSING and self.place not in {
            Role.SOURCE,
            Role.REDUCER,
        }


class OperatorStatus(Model):
    """What the controller knows of an operator."""

    observed_generation: Int = Field(default=0, ge=0, description="Generation this is about.")
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = Field(
        default=(), description="Ready, and what is abnormal."
    )
    used_by: Int = Field(default=0, ge=0, description="Number of pipelines that use it.")

    list_keys: ClassVar[dict[str, tuple[str, ...]]] = {"conditions": ("type",)}


class OperatorMetadata(Metadata):
    """Names of operators are labels, so that they fit into other names."""

    name: Label = Field(description="Name of the operator.")


class InteractOperator(Model):
    """A container image with typed ports, parameters and triggers, for use in pipelines."""

    api_version: Literal["interact.science/v1alpha1"] = Field(
        default="interact.science/v1alpha1", description="Version of this schema."
    )
    kind: Literal["InteractOperator"] = Field(default=KIND, description="Kind of the object.")
    metadata: OperatorMetadata = Field(description="Name, namespace, labels, annotations.")
    spec: OperatorSpec = Field(description="What the operator is.")
    status: OperatorStatus | None = Field(
        default=None, description="What the controller knows of it."
    )
