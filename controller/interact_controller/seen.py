"""What the controller sees of the world, as values: Kubernetes objects, streams, keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from pydantic import JsonValue

Manifest = dict[str, JsonValue]
"""A Kubernetes object as JSON."""


class Kind(StrEnum):
    """The kinds the controller reads or writes."""

    PIPELINE = "Pipeline"
    OPERATOR = "InteractOperator"
    DEPLOYMENT = "Deployment"
    POD = "Pod"
    EXTERNAL_RUN = "ExternalRun"
    EXTERNAL_SYSTEM = "ExternalSystem"


class Key(NamedTuple):
    """What an object is found by."""

    kind: Kind
    namespace: str
    name: str


@dataclass(frozen=True)
class ConsumerSeen:
    """A durable consumer as it is, and what waits at it.

    ``acknowledged_at`` is when it acknowledged last, in seconds since 1970; 0 if never.
    """

    durable: str
    ack_wait_seconds: float
    max_ack_pending: int
    deliver_policy: str
    pending: int = 0
    ack_pending: int = 0
    redelivered: int = 0
    acknowledged_at: float = 0.0

    @property
    def idle(self) -> bool:
        """Whether it has nothing left to do."""
        return self.pending == 0 and self.ack_pending == 0


@dataclass(frozen=True)
class StreamSeen:
    """A stream as it is. ``consumers`` is None where only the stream was asked for.

    ``last_sequence`` counts the messages there ever were; ``oldest_at`` is when the oldest one came,
    in seconds since 1970, 0 if there is none; ``subjects_held`` counts messages by subject, where
    that was asked for.
    """

    name: str
    subjects: tuple[str, ...]
    retention: str
    discard: str
    max_bytes: int
    max_msgs_per_subject: int
    storage: str
    replicas: int
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    messages: int = 0
    bytes: int = 0
    consumer_count: int = 0
    consumers: Mapping[str, ConsumerSeen] | None = None
    last_sequence: int = 0
    oldest_at: float = 0.0
    subjects_held: Mapping[str, int] = field(default_factory=dict[str, int])
