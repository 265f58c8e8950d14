"""How far a pipeline has come: its status, written by the controller."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from interact_api.conditions import Condition
from interact_api.model import Bool, Int, Label, Model, Number, ParameterName, Present, Text, Word
from interact_api.ports import Endpoint


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
    bytes_per_second: Number = Field(default=0.0, ge=0, description="Bytes a second, of late.")
    parameter_revision: Int = Field(
        default=0, ge=0, description="Revision of the parameters in use."
    )
    refused_parameters: Annotated[tuple[RefusedParameter, ...], Field(max_length=128)] = Field(
        default=(), description="Values that were not taken."
    )
    message: Text = Field(default="", description="What is wrong, if anything.")
    kernel_seconds_per_message: Number = Field(
        default=0.0, ge=0, description="Seconds of work for one message, of late."
    )
    delay_p50_seconds: Number = Field(
        default=0.0, ge=0, description="From the source to here, for half of the messages of late."
    )
    delay_p99_seconds: Number = Field(
        default=0.0, ge=0, description="The same, for 99 of a hundred."
    )
    dead_letters: Int = Field(default=0, ge=0, description="Its messages that are kept aside.")
    external_runs: Annotated[dict[str, Int], Field(max_length=16), Present] = Field(
        default_factory=dict, description="Number of its messages' external runs by phase."
    )
    scale_message: Text = Field(
        default="", description="Why it has this number of replicas, where what is pending says."
    )

    list_keys: ClassVar[dict[str, tuple[str, ...]]] = {"refused_parameters": ("name",)}


class EdgeState(Model):
    """What is known of one edge."""

    source: Endpoint = Field(alias="from", description="Output port, as operator.port.")
    target: Endpoint = Field(alias="to", description="Input port, as operator.port.")
    pending_messages: Int = Field(default=0, ge=0, description="Messages not yet delivered.")
    pending_bytes: Int = Field(default=0, ge=0, description="Bytes in the stream.")
    bytes_limit: Int = Field(default=0, ge=0, description="Bytes the stream holds at most.")
    ack_pending_messages: Int = Field(
        default=0, ge=0, description="Messages delivered and not acknowledged."
    )
    oldest_message_time: Annotated[str, Field(max_length=64)] = Field(
        default="", description="When the oldest message came (RFC 3339); empty if none waits."
    )
    redelivered: Int = Field(default=0, ge=0, description="Messages delivered more than once.")
    dead_lettered: Int = Field(
        default=0, ge=0, description="Messages given up, of all edges to the operator."
    )
    stuck: Bool = Field(default=False, description="Whether nothing was acknowledged for long.")


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
    external_runs: Annotated[dict[str, Int], Field(max_length=16), Present] = Field(
        default_factory=dict, description="Number of external runs by phase."
    )
    ready_operators: Annotated[str, Field(max_length=16)] = Field(
        default="", description="Operators ready of all, as 3/4."
    )
    frames_per_second: Number = Field(
        default=0.0, ge=0, description="Frames a second at the sources."
    )
    lag: Int = Field(default=0, ge=0, description="Messages pending on all edges.")
    dead_letters: Int = Field(default=0, ge=0, description="Messages that are kept aside.")
    dead_letters_ever: Int = Field(
        default=0, ge=0, description="Messages that were ever put aside, since the stream is there."
    )

    list_keys: ClassVar[dict[str, tuple[str, ...]]] = {
        "conditions": ("type",),
        "operators": ("name",),
        "edges": ("source", "target"),
        "scans": ("id",),
    }
