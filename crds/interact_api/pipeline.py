"""Pipeline: a graph of operators, with what streams promise and how far it has come."""

from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from interact_api.choices import Guarantee, OnFull, Storage
from interact_api.model import (
    Bool,
    DigitsInt,
    Int,
    Label,
    Metadata,
    Model,
    PortName,
    Rule,
    Text,
    Word,
)
from interact_api.parameters import AnyJson
from interact_api.pipeline_status import PipelineStatus
from interact_api.ports import Endpoint
from interact_api.quantities import Duration, Size
from interact_api.template import PodTemplate

KIND: Final = "Pipeline"
MAX_REPLICAS: Final = 128


class UpdatePolicy(StrEnum):
    """Whether a change of the operator in the catalogue rolls the running pipeline."""

    AUTOMATIC = "Automatic"
    PINNED = "Pinned"


class DeletionPolicy(StrEnum):
    """What happens to messages in flight when the pipeline is deleted."""

    DELETE = "Delete"
    DRAIN = "Drain"


class OperatorRef(Model):
    """The InteractOperator to run."""

    name: Label = Field(description="Its name.")
    namespace: Label | None = Field(
        default=None, description="Its namespace; the pipeline's without. Must be allow-listed."
    )

    @property
    def key(self) -> str:
        """What a mapping of operators has it by: its name, after its namespace where one is said.

        >>> OperatorRef(name="sum", namespace="shared").key
        'shared/sum'
        """
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Scale(Model):
    """Between which numbers of replicas the platform chooses by what is pending."""

    min: DigitsInt = Field(
        default=1,
        ge=0,
        le=MAX_REPLICAS,
        description="Fewest replicas; 0 for none while nothing is pending.",
    )
    max: DigitsInt = Field(ge=1, le=MAX_REPLICAS, description="Most replicas.")
    target_pending_messages: Int = Field(
        default=64,
        ge=1,
        le=1_000_000,
        description="Pending messages per replica to aim at, where no frames are given.",
    )
    target_pending_frames: Annotated[Int, Field(ge=1, le=1_000_000_000)] | None = Field(
        default=None,
        description="Pending frames per replica to aim at: messages times frames per message.",
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.min <= self.max",
            "scale.min is above scale.max; exchange them",
            lambda s: s.min <= s.max,
        ),
    )


class Delivery(Model):
    """What the stream of an output port promises; what is left out is the platform's default."""

    guarantee: Guarantee | None = Field(
        default=None, description="AtLeastOnce, or Latest for what people look at."
    )
    max_bytes: Size | None = Field(
        default=None, description="Bytes the stream holds before onFull applies, for example 256Mi."
    )
    storage: Storage | None = Field(
        default=None, description="File survives a killed server, Memory does not."
    )
    replicas: Literal[1, 3, 5] | None = Field(
        default=None, description="Servers that keep a copy: 1, 3 or 5."
    )
    on_full: OnFull = Field(
        default=OnFull.BLOCK, description="Block waits; DropOldest and Sample lose frames, counted."
    )
    holds_scan: Bool = Field(
        default=False,
        description="Says that maxBytes holds a whole scan; allows a join with its reduction.",
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!self.holdsScan || has(self.maxBytes)",
            "holdsScan needs maxBytes; give the bytes of a whole scan",
            lambda s: not s.holds_scan or s.max_bytes is not None,
        ),
    )


class OutputDelivery(Model):
    """The delivery of one output port."""

    name: PortName = Field(description="Name of the output port.")
    delivery: Delivery = Field(default=Delivery(), description="What its stream promises.")


class PipelineOperator(Model):
    """One operator of the pipeline."""

    name: Label = Field(description="Name in this pipeline.")
    operator_ref: OperatorRef = Field(description="The InteractOperator to run.")
    parameters: Annotated[dict[str, AnyJson], Field(max_length=128)] = Field(
        default_factory=dict, description="Values of its parameters, by name."
    )
    replicas: Annotated[Int, Field(ge=1, le=MAX_REPLICAS)] | None = Field(
        default=None, description="Fixed number of replicas."
    )
    scale: Scale | None = Field(default=None, description="Replicas by what is pending.")
    update_policy: UpdatePolicy = Field(
        default=UpdatePolicy.AUTOMATIC,
        description="Whether a change of the InteractOperator rolls this pipeline.",
    )
    template: PodTemplate | None = Field(
        default=None, description="Overrides of the operator's pod template."
    )
    outputs: Annotated[tuple[OutputDelivery, ...], Field(max_length=32)] = Field(
        default=(), description="Deliveries of its output ports."
    )

    list_keys: ClassVar[dict[str, tuple[str, ...]]] = {"outputs": ("name",)}
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!(has(self.replicas) && has(self.scale))",
            "give replicas or scale, not both",
            lambda s: s.replicas is None or s.scale is None,
        ),
    )

    def delivery(self, port: str) -> Delivery:
        """What the pipeline says about an output port; all defaults if it says nothing."""
        return next((one.delivery for one in self.outputs if one.name == port), Delivery())


class Edge(Model):
    """A connection of an output port to an input port, and the consumer that serves it."""

    source: Endpoint = Field(alias="from", description="Output port, as operator.port.")
    target: Endpoint = Field(alias="to", description="Input port, as operator.port.")
    attempts: Int = Field(
        default=5, ge=1, le=1000, description="Tries of one message before it is a dead letter."
    )
    ack_wait: Duration | None = Field(
        default=None,
        description="Silence after which a message is given to another replica; "
        "follows from the kernel's timeout without.",
    )


class PipelineSpec(Model):
    """What a pipeline is."""

    label: Word = Field(default="", description="Name shown to people.")
    description: Text = Field(default="", description="What the pipeline does.")
    operators: Annotated[tuple[PipelineOperator, ...], Field(max_length=64)] = Field(
        default=(), description="The operators."
    )
    edges: Annotated[tuple[Edge, ...], Field(max_length=256)] = Field(
        default=(), description="The connections of their ports."
    )
    suspend: Bool = Field(default=False, description="Stop the operators, keep the streams.")
    drain: Bool = Field(default=False, description="Stop the sources and finish what is in flight.")
    deletion_policy: DeletionPolicy = Field(
        default=DeletionPolicy.DELETE,
        description="Delete drops what is in flight with the pipeline, Drain finishes it first.",
    )

    list_keys: ClassVar[dict[str, tuple[str, ...]]] = {
        "operators": ("name",),
        "edges": ("source", "target"),
    }


class PipelineMetadata(Metadata):
    """Names of pipelines are labels, so that they fit into other names."""

    name: Label = Field(description="Name of the pipeline.")


class Pipeline(Model):
    """A graph of operators that turns scans into results while they are measured."""

    api_version: Literal["interact.science/v1alpha1"] = Field(
        default="interact.science/v1alpha1", description="Version of this schema."
    )
    kind: Literal["Pipeline"] = Field(default=KIND, description="Kind of the object.")
    metadata: PipelineMetadata = Field(description="Name, namespace, labels, annotations.")
    spec: PipelineSpec = Field(description="What the pipeline is.")
    status: PipelineStatus | None = Field(default=None, description="How far it has come.")
