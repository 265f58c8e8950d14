"""What an operator's process is started with: one JSON document, computed by `streams.plan`."""

from typing import Final

from pydantic import Field

from interact_api.choices import Guarantee, Join, OnFull, Role
from interact_api.model import Model
from interact_api.parameters import Value

KERNEL_TOLERANCE: Final = 1.25
"""A kernel that does not end is ended between its timeout and so many times that."""


class InputConfig(Model):
    """One edge that feeds the operator.

    A side input (``join`` latest) has no durable consumer: it covers no frames, every replica reads
    the last message of the stream by itself, and again after a restart.
    """

    port: str = Field(description="Input port the messages arrive at.")
    source: str = Field(description="Output port they come from, as operator.port.")
    stream: str = Field(description="Stream to read.")
    durable: str = Field(description="Consumer to read it by; empty for a side input.")
    subject: str = Field(description="Filter of the stream's subjects, ends in .*")
    delivery: Guarantee = Field(description="What the stream promises.")
    ack_wait_seconds: float = Field(description="Silence after which a message is given again.")
    attempts: int = Field(description="Tries of one message before it is a dead letter.")
    join: Join = Field(description="How the input meets the others.")
    lanes: list[str] = Field(description="Lanes of the messages that arrive, sorted.")
    merges: bool = Field(description="Whether the operator appends the edge to the lane.")
    types: list[str] = Field(description="Kinds of data the port takes.")
    loses: bool = Field(
        default=False, description="Whether the stream overwrites what was not read in time."
    )
    results: bool = Field(
        default=False, description="Whether what arrives was made of results of reducers."
    )


class ChunksConfig(Model):
    """Where the chunks of messages go that are too large for one."""

    stream: str = Field(description="Stream that stores them.")
    subject: str = Field(description="Subject before the group's token.")
    max_bytes: int = Field(description="Bytes they may take together.")


class OutputConfig(Model):
    """One output port that somebody reads."""

    port: str = Field(description="The output port.")
    subject: str = Field(description="Subject before the scan's token.")
    stream: str = Field(description="Stream that stores the messages.")
    delivery: Guarantee = Field(description="What the stream promises.")
    on_full: OnFull = Field(description="What to do when the stream is full.")
    max_bytes: int = Field(description="Bytes the stream holds.")
    types: list[str] = Field(description="Kinds of data the port gives.")
    chunks: ChunksConfig | None = Field(
        default=None, description="Where large messages go; without it they are refused."
    )


class OperatorConfig(Model):
    """Everything a process of one operator of one pipeline has to know."""

    namespace: str = Field(description="Namespace of the pipeline.")
    pipeline: str = Field(description="Name of the pipeline.")
    operator: str = Field(description="Name of the operator in it.")
    run: str = Field(description="Nonce of the run, hexadecimal; enters every identity.")
    revision: int = Field(
        default=0, ge=0, description="Revision of the parameters; 0 where the bucket has them."
    )
    role: Role = Field(description="The operator's place.")
    parallel: bool = Field(description="Whether replicas share its messages.")
    replicas: int = Field(ge=1, description="Most replicas there may be.")
    parameters: dict[str, Value | None] = Field(
        default_factory=dict,
        description="Values by name, converted; None where neither value nor default is given.",
    )
    kernel_timeout_seconds: float = Field(gt=0, description="Longest time for one message.")
    inputs: list[InputConfig] = Field(description="Edges that feed it.")
    outputs: list[OutputConfig] = Field(description="Output ports that somebody reads.")
    unread_outputs: list[str] = Field(
        default_factory=list, description="Output ports that nobody reads; drop what goes there."
    )
    dead_letter_subject: str = Field(description="Where to put what cannot be processed.")
    dead_letter_stream: str = Field(description="Stream that stores it.")
    dead_letter_chunks: ChunksConfig | None = Field(
        default=None, description="Where large dead letters go; without it they are refused."
    )
    state_bucket: str = Field(description="KV bucket of parameters, attempts and checkpoints.")
    images_subject: str = Field(description="Subject before the token of a picture's name.")
    images_stream: str = Field(description="Stream that stores the pictures.")
    images_chunks: ChunksConfig | None = Field(
        default=None, description="Where large pictures go; without it they are refused."
    )
    status_subject: str = Field(description="Where to tell how the process is.")
    most_runs: int = Field(
        default=0,
        ge=0,
        description="External runs at once, of an operator whose messages become such.",
    )
