"""What an external run asks of its driver, as a run and an operator of the catalogue both say it."""

from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field

from interact_api.external import Input, ReasonWord, Repeat
from interact_api.external_sections import ExperimentRun, HumanRun, JobRun
from interact_api.external_slurm import SlurmJob
from interact_api.lifecycle import RunReason
from interact_api.model import Int, Model, ObjectName, ParameterName, Rule
from interact_api.parameters import AnyJson
from interact_api.quantities import Duration, seconds

MAX_RETRIES: Final = 15
MAX_ATTEMPTS: Final = MAX_RETRIES + 1
MAX_PARAMETERS: Final = 128


class Driver(StrEnum):
    """What speaks to the system an external operator runs on."""

    KUBERNETES_JOB = "kubernetes-job"
    SLURM = "slurm"
    HTTP = "http"
    HUMAN = "human"
    EXPERIMENT = "experiment"
    CUSTOM = "custom"


WITH_SYSTEM: Final = frozenset({Driver.SLURM, Driver.HTTP})
"""Drivers that speak to an ExternalSystem."""
WITHOUT_SYSTEM: Final = frozenset({Driver.KUBERNETES_JOB, Driver.HUMAN, Driver.EXPERIMENT})
"""Drivers that work in the run's own namespace."""
SECTIONS: Final = {
    Driver.KUBERNETES_JOB: "kubernetesJob",
    Driver.SLURM: "slurm",
    Driver.HUMAN: "human",
    Driver.EXPERIMENT: "experiment",
    Driver.CUSTOM: "custom",
}
"""The field that is a driver's own; http has none, its system says all but the parameters."""
FINAL_REASONS: Final = frozenset(
    {
        RunReason.REFUSED,
        RunReason.INVALID_SPEC,
        RunReason.SYSTEM_NOT_ALLOWED,
        RunReason.DEADLINE_EXCEEDED,
        RunReason.CANCELLED,
        RunReason.DELETED,
    }
)
"""Ends that another attempt would come to again; they are never retried."""


class RunParameter(Model):
    """A value the work is given."""

    name: ParameterName = Field(description="Name the work reads it by.")
    value: AnyJson = Field(default=None, description="Its value, any JSON.")


RunParameters = Annotated[tuple[RunParameter, ...], Field(max_length=MAX_PARAMETERS)]
RunInputs = Annotated[tuple[Input, ...], Field(max_length=64)]


class CustomRun(Model):
    """How the class in the operator's image is called."""

    call_timeout: Duration = Field(
        default="30s", description="How long one call of a method may take."
    )
    repeat: Repeat = Field(
        default=Repeat.NEITHER,
        description="Whether its submit honours the key (Idempotent), its lookup finds work by "
        "it (Lookup), or Neither: then a submit whose end is unknown waits for a person.",
    )


class Retry(Model):
    """When a failed attempt is followed by another."""

    limit: Int = Field(
        default=0, ge=0, le=MAX_RETRIES, description="Most attempts after the first."
    )
    backoff: Duration = Field(
        default="10s", description="Time before the first of them; each waits twice as long."
    )
    max_backoff: Duration = Field(default="10m", description="Longest time before an attempt.")
    reasons: Annotated[tuple[ReasonWord, ...], Field(max_length=32)] = Field(
        default=(),
        description="Reasons of a failure that another attempt may mend, for example Timeout; "
        "any without.",
    )

    def follows(self, attempt: int, reason: str) -> bool:
        """Whether another attempt follows one that failed.

        Args:
            attempt: Number of the failed one, from 1.
            reason: Why it failed.

        >>> Retry(limit=1).follows(1, "Timeout"), Retry(limit=1).follows(2, "Timeout")
        (True, False)
        """
        if attempt > self.limit or reason in FINAL_REASONS:
            return False
        return not self.reasons or reason in self.reasons

    def delay_seconds(self, attempt: int) -> float:
        """Seconds between the end of an attempt and the next one.

        >>> [Retry(backoff="10s", max_backoff="30s").delay_seconds(one) for one in (1, 2, 3)]
        [10.0, 20.0, 30.0]
        """
        return float(min(seconds(self.backoff) * 2 ** (attempt - 1), seconds(self.max_backoff)))


class Work(Model):
    """The driver and what it is asked."""

    driver: Driver | None = Field(
        default=None, description="What speaks to the system that does the work."
    )
    system: ObjectName | None = Field(
        default=None, description="ExternalSystem the driver speaks to; made by an administrator."
    )
    kubernetes_job: JobRun | None = Field(
        default=None, description="The container, where the driver is kubernetes-job."
    )
    slurm: SlurmJob | None = Field(default=None, description="The job, where the driver is slurm.")
    human: HumanRun | None = Field(
        default=None, description="The question, where the driver is human."
    )
    experiment: ExperimentRun | None = Field(
        default=None, description="The exchange of files, where the driver is experiment."
    )
    custom: CustomRun | None = Field(
        default=None, description="How the operator's class is called, where the driver is custom."
    )
    timeout: Duration | None = Field(
        default=None, description="How long one attempt, or invocation, may take from its start."
    )
    waiting_timeout: Duration | None = Field(
        default=None, description="How long an attempt may be WAITING_EXTERNAL at a stretch."
    )
    retry: Retry = Field(
        default=Retry(), description="When a failed attempt is followed by another."
    )

    @property
    def section(self) -> Model | None:
        """What is said to the driver; None if nothing is."""
        if self.driver is None or self.driver not in SECTIONS:
            return None
        found: Model | None = getattr(self, self.driver.name.lower())
        return found


def own_section(driver: Driver) -> Rule:
    """The rule that a driver's field comes with that driver alone."""
    field = SECTIONS[driver]

    def holds(work: Any) -> bool:
        return getattr(work, driver.name.lower()) is None or work.driver is driver

    return Rule(
        f"!has(self.{field}) || (has(self.driver) && self.driver == '{driver}')",
        f"{field} is for the driver {driver}; remove it, or write driver: {driver}",
        holds,
    )


OWN_SECTIONS: Final = tuple(own_section(driver) for driver in SECTIONS)
