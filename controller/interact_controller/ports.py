"""What the reconcile needs of the outside, in as few words as possible."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from interact_api.board import Board
from interact_api.stream_plan import BucketPlan, ConsumerPlan, StreamPlan

from interact_controller.policy import Policy
from interact_controller.scaling import Memory
from interact_controller.seen import Key, Kind, Manifest, StreamSeen


class Store(Protocol):
    """The objects of the cluster, as last heard of. Reading costs nothing."""

    def get(self, key: Key) -> Manifest | None:
        """One object."""
        ...

    def of_pipeline(self, kind: Kind, namespace: str, pipeline: str) -> Sequence[Manifest]:
        """Children that carry the pipeline's label, ours or not, by name."""
        ...

    def users(self, operator: Key) -> Collection[Key]:
        """The pipelines that name an operator."""
        ...

    def phases(self, namespace: str, pipeline: str) -> Sequence[tuple[str, str]]:
        """Operator and phase of each external run that carries a pipeline's label."""
        ...


class Cluster(Protocol):
    """The Kubernetes API, for writing. What it answers is put into the store at once."""

    async def apply(self, manifest: Manifest, *, manager: str) -> Manifest:
        """Server-side apply, forced, of the fields in the manifest and no others.

        Raises:
            ClusterError: With the server's words; `Conflict`, `Refused` (4xx) and
                `ClusterUnreachable` below it.
        """
        ...

    async def remove(self, key: Key, *, uid: str) -> None:
        """Delete one object if its uid is still this; gone already is fine."""

    async def write_status(self, key: Key, status: Manifest, *, resource_version: str) -> Manifest:
        """Replace the status if the object is still this version.

        Raises:
            Conflict: If it changed meanwhile.
        """
        ...

    async def tell(self, about: Manifest, *, warning: bool, reason: str, message: str) -> None:
        """Post an event about an object; the same one again counts up."""

    async def live(self, key: Key) -> Manifest | None:
        """One object read from the server, not from the store."""
        ...


class Broker(Protocol):
    """JetStream. Every method raises `BrokerUnreachable` if no server answers in time."""

    async def streams(self, installation: str) -> Sequence[StreamSeen]:
        """All streams of an installation, buckets too, without their consumers."""
        ...

    async def of_pipeline(self, namespace: str, pipeline: str) -> Sequence[StreamSeen]:
        """The streams of a pipeline's name with their consumers, whoever made them.

        Those whose subjects (or placeholders) lie below the pipeline's (`names.port_subject`), its
        dead letters, its pictures and its state bucket (``KV_`` and its name).
        """
        ...

    async def stream(self, name: str) -> StreamSeen | None:
        """One stream with its consumers."""
        ...

    async def make(self, plan: StreamPlan) -> None:
        """Make a stream: on its placeholder, its consumers, then its subject. Finishes half-made ones.

        Raises:
            OverBudget: If the server's store has no room (err 10047 and its kin).
            StreamRefused: With the server's words.
        """

    async def update(self, plan: StreamPlan) -> None:
        """Change what can be changed of a stream: sizes, replicas, metadata."""

    async def make_consumer(self, stream: str, plan: ConsumerPlan) -> None:
        """Make or update one durable consumer."""

    async def remove_consumer(self, stream: str, durable: str) -> None:
        """Delete one; gone already is fine."""

    async def remove(self, stream: str) -> None:
        """Delete one stream; gone already is fine."""

    async def make_bucket(self, plan: BucketPlan) -> None:
        """Make the state bucket of a pipeline, or update its sizes."""

    async def get(self, bucket: str, key: str) -> bytes | None:
        """A key's last value."""
        ...

    async def put(self, bucket: str, key: str, value: bytes) -> None:
        """Set a key."""


class Reports(Protocol):
    """What operator processes tell about themselves."""

    def board(self, namespace: str, pipeline: str) -> Board:
        """The board of a pipeline, empty at first; the reconcile assigns its operators.

        Its seconds are those since the epoch. Reports are heard as
        ``board.hear(pipeline, report, now)``; True means that the pipeline is to be looked at.
        """
        ...

    def forget(self, namespace: str, pipeline: str) -> None:
        """Drop the board of a pipeline that is gone."""


@dataclass(frozen=True)
class World:
    """Everything a reconcile may touch.

    ``told`` has when each status was written last, ``scales`` what is remembered of what was pending.
    """

    store: Store
    cluster: Cluster
    broker: Broker
    reports: Reports
    policy: Policy
    now: Callable[[], datetime]
    told: dict[Key, datetime] = field(default_factory=dict[Key, datetime])
    scales: dict[Key, dict[str, Memory]] = field(default_factory=dict[Key, dict[str, Memory]])
