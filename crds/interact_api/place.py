"""Where an operator stands in its pipeline: what a board keeps of its configuration. Pure."""

from dataclasses import dataclass

from interact_api.choices import Join, Role
from interact_api.config import InputConfig, OperatorConfig


@dataclass(frozen=True, slots=True)
class Feed:
    """One edge that feeds an operator; its fields are those of `InputConfig`."""

    port: str
    source: str
    stream: str
    durable: str
    ack_wait_seconds: float
    attempts: int
    join: Join
    lanes: tuple[str, ...]

    @classmethod
    def of(cls, config: InputConfig) -> "Feed":
        """The edge of a configuration."""
        return cls(
            config.port, config.source, config.stream, config.durable,
            config.ack_wait_seconds, config.attempts, config.join, tuple(config.lanes),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """An operator of a pipeline: of its configuration what does not concern its process alone.

    Attributes:
        pipeline: Name of the pipeline.
        operator: Name of the operator in it.
        run: Nonce of the run.
        role: What it is there for.
        inputs: Edges that feed it.
        read: Whether somebody reads its outputs.
    """

    pipeline: str
    operator: str
    run: str
    role: Role
    inputs: tuple[Feed, ...]
    read: bool

    @classmethod
    def of(cls, config: OperatorConfig) -> "Place":
        """The place a configuration gives."""
        feeds = tuple(Feed.of(entry) for entry in config.inputs)
        return cls(
            config.pipeline, config.operator, config.run, config.role, feeds, bool(config.outputs)
        )
