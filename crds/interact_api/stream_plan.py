"""What a pipeline needs of NATS, as values: streams, consumers, a bucket, and settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from interact_api.choices import Storage
from interact_api.config import OperatorConfig

MIB: Final = 2**20
MAX_ACK_PENDING_HELD: Final = 65536
"""Messages in flight for readers that hold them: reducers between checkpoints, sinks, zips."""


class Retention(StrEnum):
    """When a stream lets a message go."""

    INTEREST = "interest"
    LIMITS = "limits"


class Discard(StrEnum):
    """What a full stream refuses: the new message, or to keep the oldest."""

    NEW = "new"
    OLD = "old"


class DeliverPolicy(StrEnum):
    """Where a new consumer begins."""

    ALL = "all"
    LAST_PER_SUBJECT = "last_per_subject"


@dataclass(frozen=True)
class ConsumerPlan:
    """A durable pull consumer with explicit acks, unlimited deliveries and no inactivity limit."""

    durable: str
    ack_wait_seconds: float
    max_ack_pending: int
    deliver_policy: DeliverPolicy


@dataclass(frozen=True)
class StreamPlan:
    """A stream; as it is, one that keeps what it has and refuses more when it is full.

    ``max_msgs_per_subject`` is −1 where there is no limit; ``placeholder`` is empty for streams
    that need no consumers before their subject. ``direct`` allows reading single messages as they are,
    ``rollup`` a message that takes the place of all of its subject.
    """

    name: str
    subject: str
    max_bytes: int
    storage: Storage
    replicas: int
    metadata: Mapping[str, str]
    retention: Retention = Retention.LIMITS
    discard: Discard = Discard.NEW
    max_msgs_per_subject: int = -1
    placeholder: str = ""
    direct: bool = False
    rollup: bool = False
    consumers: tuple[ConsumerPlan, ...] = ()


@dataclass(frozen=True)
class BucketPlan:
    """A KV bucket: parameters with history, attempts, checkpoints, positions of sources."""

    name: str
    history: int
    max_bytes: int
    storage: Storage
    replicas: int
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class PlanSettings:
    """What the pipeline does not say.

    Attributes:
        namespace: Namespace of the pipeline; a local run chooses one.
        installation: Id of the controller's installation, or of the local run.
        run: Nonce of the run, hexadecimal, persisted with it.
        uid: The pipeline's uid; empty in a local run.
        storage: Of port streams whose delivery names none.
        state_storage: Of the dead letters and the state bucket.
        max_bytes: Of port streams whose delivery names none.
        chunk_bytes: For the chunks of large messages of a port whose delivery names no bytes;
            half of ``max_bytes`` where left out.
        dead_letter_bytes: Of the dead-letter stream.
        images_bytes: Of the stream of pictures.
        state_bytes: Of the state bucket.
        replicas: Copies of streams whose delivery names none.
        revision: Of the parameters.
    """

    namespace: str
    installation: str
    run: str
    uid: str = ""
    storage: Storage = Storage.FILE
    state_storage: Storage = Storage.FILE
    max_bytes: int = 256 * MIB
    chunk_bytes: int | None = None
    dead_letter_bytes: int = 64 * MIB
    images_bytes: int = 64 * MIB
    state_bytes: int = 256 * MIB
    replicas: int = 1
    revision: int = 1


@dataclass(frozen=True)
class Plan:
    """Everything NATS and the processes of a pipeline need; ``streams`` holds all streams."""

    streams: tuple[StreamPlan, ...]
    bucket: BucketPlan
    operators: Mapping[str, OperatorConfig] = field(default_factory=dict[str, OperatorConfig])

    @property
    def max_bytes(self) -> int:
        """What the server's store must have room for."""
        return self.bucket.max_bytes + sum(one.max_bytes for one in self.streams)
