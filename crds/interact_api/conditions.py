"""Conditions: the types, statuses and reasons a status may carry, as closed lists."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from interact_api.model import Int, Model


class ConditionType(StrEnum):
    """What a condition is about; the last eight are there only while something is abnormal."""

    READY = "Ready"
    ACCEPTED = "Accepted"
    STREAMS_READY = "StreamsReady"
    WORKLOADS_AVAILABLE = "WorkloadsAvailable"
    FLOWING = "Flowing"
    COMPLETED = "Completed"
    BACK_PRESSURED = "BackPressured"
    DEADLOCKED = "Deadlocked"
    DEAD_LETTERING = "DeadLettering"
    DEAD_LETTER_FULL = "DeadLetterFull"
    BREAKER_OPEN = "BreakerOpen"
    STUCK = "Stuck"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Reason(StrEnum):
    """Why a condition has its status; a program may branch on it."""

    # The specification: a person has to change it.
    ACCEPTED = "Accepted"
    UNKNOWN_OPERATOR = "UnknownOperator"
    UNKNOWN_PORT = "UnknownPort"
    TYPE_MISMATCH = "TypeMismatch"
    CYCLE = "Cycle"
    DUPLICATE = "Duplicate"
    UNCONNECTED_INPUT = "UnconnectedInput"
    JOIN_MISUSE = "JoinMisuse"
    LATEST_MISUSE = "LatestMisuse"
    DIAMOND_DEADLOCK = "DiamondDeadlock"
    NOT_PARALLEL = "NotParallel"
    UNKNOWN_PARAMETER = "UnknownParameter"
    INVALID_PARAMETER = "InvalidParameter"
    MISSING_PARAMETER = "MissingParameter"
    NOT_STREAMING = "NotStreaming"
    NAME_TAKEN = "NameTaken"
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    INVALID_SPEC = "InvalidSpec"
    INVALID_TEMPLATE = "InvalidTemplate"
    TOO_LARGE = "TooLarge"
    ILLEGAL_TRANSITION = "IllegalTransition"
    # What the pipeline waits for.
    OPERATORS_NOT_FOUND = "OperatorsNotFound"
    BROKER_UNREACHABLE = "BrokerUnreachable"
    OVER_BUDGET = "OverBudget"
    STREAMS_MISSING = "StreamsMissing"
    IMAGE_NOT_PULLED = "ImageNotPulled"
    UNSCHEDULABLE = "Unschedulable"
    CRASHING = "Crashing"
    OPERATORS_INVALID = "OperatorsInvalid"
    STREAM_REFUSED = "StreamRefused"
    FORMER_PODS = "FormerPods"
    EDGES_DRAINING = "EdgesDraining"
    QUOTA_EXCEEDED = "QuotaExceeded"
    SYSTEM_UNREACHABLE = "SystemUnreachable"
    NOT_STARTED = "NotStarted"
    STARTING = "Starting"
    ROLLING = "Rolling"
    # What it does.
    READY = "Ready"
    RUNNING = "Running"
    IDLE = "Idle"
    DRAINING = "Draining"
    DRAINED = "Drained"
    SUSPENDED = "Suspended"
    COMPLETED = "Completed"
    COMPLETED_WITH_DEAD_LETTERS = "CompletedWithDeadLetters"
    STREAM_FULL = "StreamFull"
    STORE_FULL = "StoreFull"
    WAITS_IN_A_RING = "WaitsInARing"
    FRAMES_FAILED = "FramesFailed"
    TOO_MANY_FAILURES = "TooManyFailures"
    NOTHING_ACKNOWLEDGED = "NothingAcknowledged"
    UNKNOWN = "Unknown"


class Condition(Model):
    """One observation about a resource, as Kubernetes' ``metav1.Condition``."""

    type: ConditionType = Field(description="What the condition is about.")
    status: ConditionStatus = Field(description="Whether it holds.")
    reason: Reason = Field(description="Why, in one word that a program may branch on.")
    message: Annotated[str, StringConstraints(max_length=32768)] = Field(
        default="", description="Why, for people: the value, the bound and the next step."
    )
    observed_generation: Int = Field(
        default=0, ge=0, description="The generation of the spec this was observed for."
    )
    last_transition_time: Annotated[str, StringConstraints(max_length=64)] = Field(
        description="When the status last changed (RFC 3339)."
    )
