"""An ExternalRun as it was read: what it asks for, where it is, and what its driver is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from interact_api.conditions import Reason
from interact_api.external import Run, key
from interact_api.external_run import AttemptState, ExternalRunSpec, ExternalRunStatus
from interact_api.external_system import ExternalSystemSpec
from interact_api.external_work import Driver, Work
from interact_api.lifecycle import TERMINAL, RunPhase
from interact_api.model import JsonObject
from interact_api.operator import InteractOperator
from interact_api.plain import mapping
from interact_api.problem import Problem
from interact_api.quantities import seconds
from pydantic import ValidationError

from interact_controller.errors import ControllerError
from interact_controller.external.claims import Claim
from interact_controller.external.steps import Hindrance, Terms
from interact_controller.policy import Policy
from interact_controller.seen import Key, Kind, Manifest
from interact_controller.store import key_of

_LONGEST_SECONDS: Final = 100 * 365 * 86400.0
"""Longest duration that is added to a time."""


__all__ = [
    "RUN",
    "Reading",
    "Unreadable",
    "key",
    "key_of",
    "moment",
    "poll",
    "read",
    "unsaid",
    "usable",
]
RUN: Final = Kind.EXTERNAL_RUN


class Unreadable(ControllerError):  # noqa: N818  # named for what happened
    """A run that this version does not understand."""


@dataclass(frozen=True)
class Reading:
    """One ExternalRun as it was read.

    Attributes:
        key: Its key.
        uid: Its uid.
        version: Its resource version.
        generation: Of its spec.
        created: When it was made.
        deleting: Whether it is being deleted.
        spec: What it asks for.
        status: How far it has come; None before the first.
        work: The driver and what it is asked, from the run or its operator.
        hindrance: Why that is not known.
        manifest: The object.
        host: The image of the operator that has the run's class, its command and template.
    """

    key: Key
    uid: str
    version: str
    generation: int
    created: datetime
    deleting: bool
    spec: ExternalRunSpec
    status: ExternalRunStatus | None
    work: Work
    hindrance: Hindrance | None
    manifest: Manifest
    host: JsonObject = field(default_factory=dict)

    @property
    def attempt(self) -> int:
        """Which attempt goes on."""
        return self.status.attempt if self.status is not None else 1

    @property
    def phase(self) -> RunPhase | None:
        """Where it is; None before the first status."""
        return self.status.phase if self.status is not None else None

    @property
    def ended(self) -> bool:
        """Whether it stays as it is."""
        return self.phase in TERMINAL

    @property
    def told(self) -> bool:
        """Whether the status has the name of this attempt's work."""
        return self.status is not None and bool(self.status.external_id)

    @property
    def ready(self) -> datetime | None:
        """When this attempt may be submitted; None for at once."""
        return moment(self.status.retry_time) if self.status is not None else None

    @property
    def submitted(self) -> datetime | None:
        """When this attempt was submitted."""
        return moment(self.current.submitted_time) if self.current is not None else None

    @property
    def waits(self) -> datetime | None:
        """Since when it waits for somebody."""
        return moment(self.status.waiting_time) if self.status is not None else None

    @property
    def driver(self) -> str:
        """The driver's name, as it was when the run was taken up; empty if nobody knows."""
        known = self.status.driver if self.status is not None else None
        return str(known or self.work.driver or "")

    @property
    def system(self) -> str:
        """The system's name, as it was when the run was taken up; empty without one."""
        known = self.status.system if self.status is not None and self.status.driver else None
        return str(known or self.work.system or "")

    @property
    def operator(self) -> str:
        """The operator, for its cap; empty without one."""
        ref = self.spec.operator
        return "" if ref is None else f"{ref.namespace or self.key.namespace}/{ref.name}"

    @property
    def current(self) -> AttemptState | None:
        """The attempt that goes on, as the status has it."""
        attempts = self.status.attempts if self.status is not None else ()
        return next((one for one in attempts if one.number == self.attempt), None)

    @property
    def deadline(self) -> datetime | None:
        """When the run ends at the latest."""
        return _after(self.created, self.spec.deadline)

    @property
    def run(self) -> Run:
        """What the driver is told of this attempt."""
        section = self.work.section
        said = {} if section is None else section.model_dump(mode="json", by_alias=True)
        deadline = self.deadline
        return Run(
            namespace=self.key.namespace, name=self.key.name, uid=self.uid, attempt=self.attempt,
            parameters=self.spec.values, inputs=self.spec.inputs,
            spec={**said, **self.host},
            deadline=deadline, created=self.created,
        )  # fmt: skip

    def claim(self, now: datetime) -> Claim:
        """The claim to be written for this attempt; with its handle if the status has that.

        Its run ends with the attempt, so that the other system can end the work by itself.
        """
        handle = self.status.handle if self.status is not None and self.told else None
        timeout = self.terms.timeout
        ends = [self.deadline, None if timeout is None else now + timeout]
        deadline = min((one for one in ends if one is not None), default=None)
        run = self.run.model_copy(update={"deadline": deadline})
        return Claim(run, self.driver, self.system, self.operator, handle)

    @property
    def terms(self) -> Terms:
        """What the spec says about its way."""
        spec, work = self.spec, self.work
        return Terms(
            deadline=self.deadline,
            timeout=_length(spec.timeout or work.timeout),
            waiting=_length(spec.waiting_timeout or work.waiting_timeout),
            retry=spec.retry if spec.retry.limit or spec.operator is None else work.retry,
            cancel=spec.cancel or self.deleting,
            suspend=spec.suspend,
        )

    @property
    def expires(self) -> datetime | None:
        """When a run that has ended is deleted; None for never."""
        ended = moment(self.status.completion_time) if self.status is not None else None
        return None if ended is None else _after(ended, self.spec.ttl_after_finished)


def read(manifest: Manifest, operators: Mapping[str, InteractOperator | str]) -> Reading:
    """The run in an object.

    Args:
        manifest: The object.
        operators: The operator it names by `operator_key`, or why there is none.

    Raises:
        Unreadable: If the models refuse it; the API server admitted it by another schema.
    """
    about = mapping(manifest["metadata"])
    try:
        spec = ExternalRunSpec.model_validate(manifest.get("spec") or {})
        told = manifest.get("status")
        status = ExternalRunStatus.model_validate(told) if told else None
    except ValidationError as error:
        raise Unreadable(f"this version does not understand it: {error}") from error
    place = key_of(manifest)
    work: Work = spec
    hindrance = None
    host: JsonObject = {}
    found = operators.get(operator_key(place, spec)) if spec.operator is not None else None
    if isinstance(found, InteractOperator):
        work = found.spec.execution
        host = _host(found) if work.driver is Driver.CUSTOM else {}
    elif spec.operator is not None:
        words = found or f"there is no InteractOperator {operator_key(place, spec)}"
        hindrance = Hindrance(str(Reason.OPERATORS_NOT_FOUND), words)
    elif spec.driver is Driver.EXPERIMENT:
        host = {"image": ""}  # its pod gets NATS' token: only operators name other images
    return Reading(
        key=place, uid=str(about.get("uid", "")), version=str(about.get("resourceVersion", "")),
        generation=int(about.get("generation", 0)),
        created=moment(str(about.get("creationTimestamp", ""))) or datetime.now(UTC),
        deleting="deletionTimestamp" in about, spec=spec, status=status, work=work,
        hindrance=hindrance, manifest=manifest, host=host,
    )  # fmt: skip


def _host(operator: InteractOperator) -> JsonObject:
    """Where an operator's class runs, as the driver custom reads it."""
    spec = operator.spec
    template = spec.template.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, exclude_none=True
    )
    return {"image": spec.image, "command": list(spec.command), "template": template}


def operator_key(key: Key, spec: ExternalRunSpec) -> str:
    """Namespace and name of the operator that a run names; empty without one."""
    ref = spec.operator
    return "" if ref is None else f"{ref.namespace or key.namespace}/{ref.name}"


def usable(run: Key, operator: InteractOperator, policy: Policy) -> InteractOperator | str:
    """An operator that a run names, or why the run may not use it."""
    home = operator.metadata.namespace or ""
    if not policy.may_use(run.namespace, home):
        return f"operators of namespace {home!r} may not be used from {run.namespace!r}"
    if operator.spec.execution.driver is None:
        return f"operator {operator.metadata.name!r} runs in pipelines; its execution.mode is not external"
    return operator


def unsaid(work: Work) -> tuple[Problem, ...]:
    """What is missing in what an operator says: its rules ask for less than a run's."""
    if work.driver is Driver.CUSTOM or work.driver is Driver.HTTP or work.section is not None:
        return ()
    words = f"nothing is said to the driver {work.driver}; add its section"
    return (Problem("spec", Reason.INVALID_SPEC, words),)


def poll(system: ExternalSystemSpec | None, otherwise: float) -> float:
    """Longest time between two looks at work, in seconds."""
    return otherwise if system is None else max(1.0, seconds(system.poll_interval))


def moment(text: str) -> datetime | None:
    """A time of Kubernetes; None if there is none."""
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def _length(duration: str | None) -> timedelta | None:
    if duration is None:
        return None
    return timedelta(seconds=min(seconds(duration), _LONGEST_SECONDS))


def _after(start: datetime, duration: str | None) -> datetime | None:
    length = _length(duration)
    return None if length is None else start + length
