"""What crosses the border between the controller and a driver of external runs: plain values.

Drivers keep nothing between calls. What they have to know again is in the `Handle`, which lies in
the run's status and in its claim, so it holds no secret.
"""

import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Final, Self, TypeAlias

from pydantic import AwareDatetime, Field, model_validator
from pydantic_core import PydanticCustomError

from interact_api import names
from interact_api.model import Int, JsonObject, Label, Model, ObjectName, Rule, Text, Word

HANDLE_LIMIT: Final = 16 * 2**10
"""Bytes of a handle as JSON: it is written to the status and to a ConfigMap with each change."""
RESULTS_LIMIT: Final = 64 * 2**10
"""Bytes of results as JSON, which lie in the status; larger ones are artifacts."""
DETAIL_LIMIT: Final = 4 * 2**10
"""Bytes of what an observation tells beside its reason."""
MAX_ARTIFACTS: Final = 256
MAX_INPUTS: Final = 64

Key: TypeAlias = str
"""The idempotency key of an attempt, which names its work on the other system."""
ReasonWord = Annotated[
    str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
]
"""Why, in one word that a program may branch on, as Kubernetes wants a condition's reason."""
ExternalId = Annotated[str, Field(max_length=512)]
Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$", max_length=64)]
FileName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")
]
_PART = r"[^./\x00-\x1f\x7f][^/\x00-\x1f\x7f]*"
RelativePath = Annotated[str, Field(max_length=1024, pattern=rf"^({_PART}(/{_PART})*)?$")]
"""Parts joined by slashes; none begins with a dot, so none is hidden, ``.`` or ``..``."""


def key(uid: str, attempt: int) -> Key:
    """The idempotency key of an attempt of the run with this uid; the first attempt is 1."""
    return names.run_key(uid, attempt)


class State(StrEnum):
    """How work stands on the other system."""

    QUEUED = "Queued"
    RUNNING = "Running"
    WAITING = "Waiting"
    REQUEUED = "Requeued"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    LOST = "Lost"
    UNKNOWN = "Unknown"


class Repeat(StrEnum):
    """How a submit whose end nobody knows may be repeated."""

    IDEMPOTENT = "Idempotent"
    LOOKUP = "Lookup"
    NEITHER = "Neither"


class Handle(Model):
    """What a driver has to know of its work to find it again; no secrets."""

    external_id: ExternalId = Field(
        default="", description="The work's name on the other system; empty before its submit."
    )
    data: JsonObject = Field(
        default_factory=dict, description="What else the driver has to know; its own words."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _bounded("a handle", self.data, HANDLE_LIMIT, "keep large data in a file and name it")
        return self

    def submitted(self, external_id: str, **data: object) -> "Handle":
        """The handle of the work once it has its name there.

        >>> Handle(data={"folder": "a"}).submitted("991", cluster="hpc").external_id
        '991'
        """
        return Handle.model_validate(
            {"external_id": external_id, "data": {**self.data, **data}}, by_name=True
        )


Prepared: TypeAlias = Handle
"""A handle before its submit: without an external id."""


class Observation(Model):
    """How work stands on the other system, as it was seen once."""

    state: State = Field(description="How it stands.")
    reason: ReasonWord | None = Field(
        default=None, description="Why, in one word; without, the word of the state."
    )
    message: Text = Field(default="", description="Why, for people: what was seen, what to do.")
    detail: JsonObject = Field(
        default_factory=dict, description="What else was seen, for example the exit code."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _bounded("what an observation tells", self.detail, DETAIL_LIMIT, "tell the essence")
        return self


class Input(Model):
    """Something the work reads: a file on the run's volume, or an object of the object store."""

    name: FileName = Field(description="Name the work finds it by.")
    path: RelativePath = Field(default="", description="The file, below the volume's root.")
    object: Word = Field(default="", description="The object, as bucket/name.")
    sha256: Sha256 = Field(default="", description="Its SHA-256 in hexadecimal digits, if known.")
    bytes: Annotated[Int, Field(ge=0)] | None = Field(
        default=None, description="Its length, if known."
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.path) && self.path != '') != (has(self.object) && self.object != '')",
            "give exactly one of path and object",
            lambda s: bool(s.path) != bool(s.object),
        ),
    )


class Artifact(Model):
    """Something the work left: a file in the run's folder, or an object of the object store."""

    name: FileName = Field(description="Name of the artifact.")
    path: RelativePath = Field(default="", description="The file, below the run's folder.")
    object: Word = Field(default="", description="The object, as bucket/name.")
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", max_length=64)] = Field(
        description="Its SHA-256 in hexadecimal digits."
    )
    bytes: Int = Field(ge=0, description="Its length.")

    rules: ClassVar[tuple[Rule, ...]] = Input.rules


class OperatorResult(Model):
    """What work that succeeded has left."""

    results: JsonObject = Field(default_factory=dict, description="Its results.")
    artifacts: Annotated[tuple[Artifact, ...], Field(max_length=MAX_ARTIFACTS)] = Field(
        default=(), description="Its files."
    )

    list_keys: ClassVar[dict[str, tuple[str, ...]]] = {"artifacts": ("name",)}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        _bounded("results", self.results, RESULTS_LIMIT, "write the rest as an artifact")
        return self


class Run(Model):
    """What a driver is told of a run: one attempt of it."""

    namespace: Label = Field(description="Namespace of the run.")
    name: ObjectName = Field(description="Name of the run.")
    uid: Word = Field(description="Given by Kubernetes; another run of the same name has another.")
    attempt: Int = Field(ge=1, description="Which attempt, from 1.")
    parameters: JsonObject = Field(default_factory=dict, description="Parameters of the run.")
    inputs: Annotated[tuple[Input, ...], Field(max_length=MAX_INPUTS)] = Field(
        default=(), description="What the work reads."
    )
    spec: JsonObject = Field(
        default_factory=dict, description="The part of the run's spec that is its driver's."
    )
    deadline: AwareDatetime | None = Field(default=None, description="When the attempt ends.")
    created: AwareDatetime | None = Field(default=None, description="When the run was made.")

    @property
    def key(self) -> Key:
        """The idempotency key of this attempt."""
        return key(self.uid, self.attempt)


def until(run: Run, now: datetime) -> float | None:
    """Seconds left to the deadline of a run, at least 0; None if it has none."""
    return None if run.deadline is None else max(0.0, (run.deadline - now).total_seconds())


def _bounded(what: str, value: JsonObject, limit: int, remedy: str) -> None:
    """Refuse a value whose JSON is longer than the limit, or no JSON at all (NaN)."""
    try:
        size = len(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())
    except (ValueError, RecursionError) as error:
        raise PydanticCustomError(
            "json", "{message}", {"message": f"{what}: {error}; write plain JSON"}
        ) from error
    if size > limit:
        message = f"{what} of {size:,} bytes; at most {limit:,} bytes, {remedy}"
        raise PydanticCustomError("too_large", "{message}", {"message": message})
