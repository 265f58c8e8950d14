"""InteractOperator: a container image with typed ports, parameters and triggers."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from interact_api.conditions import Condition
from interact_api.model import (
    Bool,
    Int,
    Label,
    Metadata,
    Model,
    ObjectName,
    PortName,
    Rule,
    Text,
    Word,
)
from interact_api.parameters import Parameter, ParameterError, coerce, default_value
from interact_api.quantities import Duration
from interact_api.template import PodTemplate

__all__ = [
    "KIND",
    "Driver",
    "Execution",
    "ExecutionMode",
    "Guarantee",
    "InputPort",
    "InteractOperator",
    "Join",
    "OperatorSpec",
    "OperatorStatus",
    "OutputPort",
    "Parallel",
    "ParallelConfig",
    "Parameter",
    "ParameterError",
    "Role",
    "Tag",
    "Trigger",
    "TriggerAudience",
    "TriggerMode",
    "coerce",
    "default_value",
    "types",
]

KIND: Final = "InteractOperator"

TYPE_PATTERN: Final = (
    r"^(any|(dense|sparse|values|image|bytes)(\|(dense|sparse|values|image|bytes)){0,4})$"
)
PortType = Annotated[str, Field(pattern=TYPE_PATTERN, max_length=64)]


class Join(StrEnum):
    """How an input meets the operator's other inputs: not, frame by frame, or as a side input."""

    NONE = "none"
    ZIP = "zip"
    LATEST = "latest"


class Guarantee(StrEnum):
    """What an output port promises its readers."""

    AT_LEAST_ONCE = "AtLeastOnce"
    LATEST = "Latest"


class Role(StrEnum):
    """The operator's place in a pipeline."""

    SOURCE = "source"
    TRANSFORM = "transform"
    REDUCER = "reducer"
    SINK = "sink"


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


class ExecutionMode(StrEnum):
    """How the operator's code is called."""

    STREAMING = "streaming"
    INVOCATION = "invocation"
    EXTERNAL = "external"


class Driver(StrEnum):
    """What speaks to the system an external operator runs on."""

    KUBERNETES_JOB = "kubernetes-job"
    SLURM = "slurm"
    HTTP = "http"
    HUMAN = "human"
    EXPERIMENT = "experiment"
    CUSTOM = "custom"


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


class Execution(Model):
    """How the operator's code is called."""

    mode: ExecutionMode = Field(
        default=ExecutionMode.STREAMING,
        description="streaming for messages, invocation on demand, external on another system.",
    )
    allow_immediate: Bool = Field(
        default=True, description="Whether an invocation may run at once and be waited for."
    )
    allow_delegated: Bool = Field(
        default=True, description="Whether an invocation may become an external run."
    )
    driver: Driver | None = Field(default=None, description="Driver of an external operator.")
    system: ObjectName | None = Field(
        default=None, description="ExternalSystem the driver speaks to."
    )
    timeout: Duration | None = Field(
        default=None, description="How long one invocation or external run may take."
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(self.mode == 'external') == has(self.driver)",
            "an external operator names its driver, and no other does",
            lambda s: (s.mode is ExecutionMode.EXTERNAL) == (s.driver is not None),
        ),
        Rule(
            "self.mode != 'invocation' || self.allowImmediate || self.allowDelegated",
            "an invocation needs allowImmediate or allowDelegated",
            lambda s: (
                s.mode is not ExecutionMode.INVOCATION or s.allow_immediate or s.allow_delegated
            ),
        ),
    )


class OperatorSpec(Model):
    """What an operator is."""

    label: Word = Field(default="", description="Name shown to people.")
    description: Text = Field(default="", description="What the operator does.")
    image: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^\S+$")] = Field(
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


def types(port: InputPort | OutputPort) -> tuple[str, ...]:
    """The words of a port's type."""
    return tuple(port.type.split("|"))
