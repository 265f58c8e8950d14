"""Pipeline: a graph of operators, with what streams promise and how far it has come."""

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
    Number,
    ParameterName,
    PortName,
    Rule,
    Text,
    Word,
)
from interact_api.operator import Guarantee
from interact_api.parameters import AnyJson
from interact_api.quantities import Duration, Size
from interact_api.template import PodTemplate

KIND: Final = "Pipeline"
MAX_REPLICAS: Final = 128

ENDPOINT_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?\.[A-Za-z][A-Za-z0-9_-]*$"
Endpoint = Annotated[str, Field(pattern=ENDPOINT_PATTERN, max_length=127)]


class Storage(StrEnum):
    """Where a stream keeps its messages."""

    FILE = "File"
    MEMORY = "Memory"


class OnFull(StrEnum):
    """What a producer does when the stream is full."""

    BLOCK = "Block"
    DROP_OLDEST = "DropOldest"
    SAMPLE = "Sample"


class UpdatePolicy(StrEnum):
    """Whether a change of the operator in the catalogue rolls the running pipeline."""

    AUTOMATIC = "Automatic"
    PINNED = "Pinned"


class DeletionPolicy(StrEnum):
    """What happens to messages in flight when the pipeline is deleted."""

    DELETE = "Delete"
    DRAIN = "Drain"


class Phase(StrEnum):
    """One word about a pipeline, for people."""

    PENDING = "Pending"
    PROGRESSING = "Progressing"
    RUNNING = "Running"
    DEGRADED = "Degraded"
    DRAINING = "Draining"
    SUSPENDED = "Suspended"
    COMPLETED = "Completed"
    FAILED = "Failed"


class OperatorRef(Model):
    """The InteractOperator to run."""

    name: Label = Field(description="Its name.")
    namespace: Label | None = Field(
        default=None, description="Its namespace; the pipeline's without. Must be allow-listed."
    )


class Scale(Model):
    """Between which numbers of replicas the platform chooses by what is pending."""

    min: Int = Field(default=1, ge=1, le=MAX_REPLICAS, description="Fewest replicas.")
    max: Int = Field(ge=1, le=MAX_REPLICAS, description="Most replicas.")
    target_pending_messages: Int = Field(
        default=64, ge=1, le=1_000_000, description="Pending messages per replica to aim at."
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


class RefusedParameter(Model):
    """A value that an operator does not take."""

    name: ParameterName = Field(description="Name of the parameter.")
    message: Text = Field(description="The value, the bound and the remedy.")


class OperatorState(Model):
    """What is known of one operator of the pipeline."""

    name: Label = Field(description="Name in this pipeline.")
    image: Annotated[str, Field(max_length=512)] = Field(
        default="", description="The image that runs, resolved."
    )
    ready: Int = Field(default=0, ge=0, description="Replicas that are ready.")
    replicas: Int = Field(default=0, ge=0, description="Replicas there should be.")
    frames_per_second: Number = Field(default=0.0, ge=0, description="Frames a second, of late.")
    parameter_revision: Int = Field(
        default=0, ge=0, description="Revision of the parameters in use."
    )
    refused_parameters: Annotated[tuple[RefusedParameter, ...], Field(max_length=128)] = Field(
        default=(), description="Values that were not taken."
    )
    message: Text = Field(default="", description="What is wrong, if anything.")

    list_keys: ClassVar[dict[str, tuple[str, ...]]] = {"refused_parameters": ("name",)}


class EdgeState(Model):
    """What is known of one edge."""

    source: Endpoint = Field(alias="from", description="Output port, as operator.port.")
    target: Endpoint = Field(alias="to", description="Input port, as operator.port.")
    pending_messages: Int = Field(default=0, ge=0, description="Messages not yet delivered.")
    pending_bytes: Int = Field(default=0, ge=0, description="Bytes in the stream.")
    redelivered: Int = Field(default=0, ge=0, description="Messages delivered more than once.")
    dead_lettered: Int = Field(default=0, ge=0, description="Messages given up.")


class ScanPhase(StrEnum):
    """How far a scan is."""

    RUNNING = "Running"
    COMPLETE = "Complete"
    INCOMPLETE = "Incomplete"


class ScanState(Model):
    """What is known of one scan; the last few are kept."""

    id: Word = Field(description="Id of the scan.")
    state: ScanPhase = Field(description="Running, Complete, or Incomplete when it ended early.")
    completeness: Number = Field(ge=0, le=1, description="Share of its frames accounted for.")
    frames: Int = Field(default=0, ge=0, description="Frames it has in all.")
    missing: Int = Field(
        default=0, ge=0, description="Frames that are accounted for but not there."
    )


class PipelineStatus(Model):
    """How far the pipeline has come."""

    phase: Phase = Field(default=Phase.PENDING, description="One word, for people.")
    observed_generation: Int = Field(default=0, ge=0, description="Generation this is about.")
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = Field(
        default=(), description="Ready sums up; the others say why."
    )
    operators: Annotated[tuple[OperatorState, ...], Field(max_length=64)] = Field(
        default=(), description="The operators."
    )
    edges: Annotated[tuple[EdgeState, ...], Field(max_length=256)] = Field(
        default=(), description="The edges."
    )
    scans: Annotated[tuple[ScanState, ...], Field(max_length=16)] = Field(
        default=(), description="The latest scans."
    )
    external_runs: Annotated[dict[str, Int], Field(max_length=16)] = Field(
        default_factory=dict, description="Number of external runs by phase."
    )
    ready_operators: Annotated[str, Field(max_length=16)] = Field(
        default="", description="Operators ready of all, as 3/4."
    )
    frames_per_second: Number = Field(
        default=0.0, ge=0, description="Frames a second at the sources."
    )
    lag: Int = Field(default=0, ge=0, description="Messages pending on all edges.")

    list_keys: ClassVar[dict[str, tuple[str, ...]]] = {
        "conditions": ("type",),
        "operators": ("name",),
        "edges": ("source", "target"),
        "scans": ("id",),
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
