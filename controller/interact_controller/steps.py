"""What the controller can do, as small values; ``healed`` tells people what somebody had changed."""

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from interact_api.stream_plan import BucketPlan, ConsumerPlan, StreamPlan

from interact_controller.seen import Manifest


@dataclass(frozen=True)
class MakeStream:
    """Make a stream with its consumers, or finish one that is half-made."""

    plan: StreamPlan
    healed: str = ""


@dataclass(frozen=True)
class UpdateStream:
    """Change sizes, subjects, replicas or metadata of a stream."""

    plan: StreamPlan
    healed: str = ""


@dataclass(frozen=True)
class MakeConsumer:
    """Make or update a consumer."""

    stream: str
    plan: ConsumerPlan
    healed: str = ""


@dataclass(frozen=True)
class RemoveConsumer:
    """Delete a consumer that nobody reads by."""

    stream: str
    durable: str
    healed: str = ""


@dataclass(frozen=True)
class RemoveStream:
    """Delete a stream nobody needs."""

    stream: str
    healed: str = ""


@dataclass(frozen=True)
class MakeBucket:
    """Make the state bucket, or update its sizes."""

    plan: BucketPlan
    healed: str = ""


@dataclass(frozen=True)
class PutParameters:
    """Tell the operators their parameters."""

    bucket: str
    value: dict[str, Any]
    healed: str = ""


@dataclass(frozen=True)
class ApplyDeployment:
    """Apply a Deployment; ``makes`` says that there is none yet."""

    manifest: Manifest
    makes: bool
    healed: str = ""


@dataclass(frozen=True)
class ApplyReplicas:
    """Own the replicas of a Deployment; ``resume`` keeps what somebody else had chosen."""

    name: str
    replicas: int
    resume: str = ""
    healed: str = ""


@dataclass(frozen=True)
class ReleaseReplicas:
    """Leave the replicas of a Deployment to somebody else, at a number, with no dip."""

    name: str
    replicas: int
    manifest: Manifest
    healed: str = ""


@dataclass(frozen=True)
class RemoveDeployment:
    """Delete a Deployment of ours."""

    name: str
    uid: str
    healed: str = ""


Change: TypeAlias = (
    MakeStream
    | UpdateStream
    | MakeConsumer
    | RemoveConsumer
    | RemoveStream
    | MakeBucket
    | PutParameters
    | ApplyDeployment
    | ApplyReplicas
    | ReleaseReplicas
    | RemoveDeployment
)

STREAMS: Final = (MakeStream, UpdateStream, RemoveStream, MakeBucket, MakeConsumer, RemoveConsumer)
"""What changes streams."""
