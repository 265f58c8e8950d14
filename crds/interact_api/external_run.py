"""ExternalRun: work that leaves the cluster, exactly one job for each attempt of it."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from interact_api.conditions import ConditionStatus
from interact_api.external import (
    MAX_ARTIFACTS,
    Artifact,
    ExternalId,
    Handle,
    ReasonWord,
)
from interact_api.external_work import (
    MAX_ATTEMPTS,
    OWN_SECTIONS,
    WITH_SYSTEM,
    WITHOUT_SYSTEM,
    Driver,
    RunInputs,
    RunParameters,
    Work,
)
from interact_api.lifecycle import RunPhase, Standing
from interact_api.model import (
    Bool,
    DigitsInt,
    Int,
    JsonObject,
    Label,
    Metadata,
    Model,
    Move,
    ObjectName,
    Rule,
    Word,
)
from interact_api.pipeline import OperatorRef
from interact_api.quantities import Duration
from interact_api.run_conditions import CONDITION, MESSAGE_LIMIT, RunCondition
from interact_api.run_rules import ATTEMPT_MOVES, RUN_MOVES

KIND: Final = "ExternalRun"
Time = Annotated[str, Field(max_length=64)]
"""A time as RFC 3339 text; empty if it has not come."""


def _one_phase() -> str:
    kinds = ", ".join(f"'{kind}'" for kind in CONDITION.values())
    rows = " || ".join(
        f"(one.type == '{kind}' && self.phase == '{phase}')" for phase, kind in CONDITION.items()
    )
    return (
        "!has(self.conditions) || self.conditions.all(one, one.status != 'True' || "
        f"!(one.type in [{kinds}]) || {rows})"
    )


_ONE_PHASE: Final = _one_phase()


class ExternalRunSpec(Work):
    """What is to be run; but for cancel, suspend and ttl it stays once it was taken up."""

    operator: OperatorRef | None = Field(
        default=None,
        description="InteractOperator that says driver, system and the rest; in place of driver.",
    )
    parameters: RunParameters = Field(default=(), description="What the work is given.")
    inputs: RunInputs = Field(default=(), description="Files and objects the work reads.")
    deadline: Duration | None = Field(
        default=None,
        description="How long the run may take from its creation, with all its attempts.",
    )
    cancel: Bool = Field(
        default=False, description="true stops the work; there is no way back from it."
    )
    suspend: Bool = Field(
        default=False,
        description="true submits nothing; what was submitted goes on and is looked at.",
    )
    ttl_after_finished: Duration | None = Field(
        default=None,
        description="How long the run is kept after its end; for ever without. Not with GitOps, "
        "which would make it again.",
    )

    list_keys: ClassVar[dict[str, tuple[str, ...]]] = {
        "parameters": ("name",),
        "inputs": ("name",),
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.driver) != has(self.operator)",
            "give exactly one of driver and operator",
            lambda s: (s.driver is None) != (s.operator is None),
        ),
        Rule(
            "!has(self.driver) || self.driver != 'custom'",
            "the driver custom is an operator's; name the InteractOperator in operator",
            lambda s: s.driver is not Driver.CUSTOM,
        ),
        Rule(
            "!has(self.driver) || !(self.driver in ['slurm', 'http']) || has(self.system)",
            "the drivers slurm and http need a system; name an ExternalSystem",
            lambda s: s.driver not in WITH_SYSTEM or s.system is not None,
        ),
        Rule(
            "!has(self.driver) || !(self.driver in ['kubernetes-job', 'human', 'experiment']) || "
            "!has(self.system)",
            "the drivers kubernetes-job, human and experiment have no system; remove it",
            lambda s: s.driver not in WITHOUT_SYSTEM or s.system is None,
        ),
        Rule(
            "!has(self.driver) || !(self.driver in ['kubernetes-job', 'slurm', 'human', "
            "'experiment']) || has(self.kubernetesJob) || has(self.slurm) || has(self.human) || "
            "has(self.experiment)",
            "say what the driver is to do: kubernetesJob, slurm, human or experiment",
            lambda s: s.driver in {None, Driver.HTTP, Driver.CUSTOM} or s.section is not None,
        ),
        Rule(
            "!has(self.experiment) || !has(self.experiment.image) || self.experiment.image == ''",
            "experiment.image is an operator's to say; remove it, or name an InteractOperator",
            lambda s: s.experiment is None or not s.experiment.image,
        ),
        *OWN_SECTIONS,
    )

    @property
    def values(self) -> JsonObject:
        """The parameters by name."""
        return {one.name: one.value for one in self.parameters}


class AttemptState(Model):
    """One attempt of a run."""

    number: DigitsInt = Field(ge=1, le=MAX_ATTEMPTS, description="Which, from 1.")
    phase: RunPhase = Field(description="Where it is; its last word once it has ended.")
    reason: ReasonWord | None = Field(default=None, description="Why, in one word.")
    message: Annotated[str, Field(max_length=1024)] = Field(
        default="", description="Why, for people."
    )
    external_id: ExternalId = Field(default="", description="Name of its work over there.")
    created_time: Time = Field(default="", description="When it began.")
    submitted_time: Time = Field(default="", description="When its submit was answered.")
    ended_time: Time = Field(default="", description="When it ended.")

    moves: ClassVar[tuple[Move, ...]] = ATTEMPT_MOVES


class ExternalRunStatus(Model):
    """How far the run has come; written by the controller."""

    phase: RunPhase = Field(description="Where the run is in its life.")
    attempt: DigitsInt = Field(ge=1, le=MAX_ATTEMPTS, description="Which attempt, from 1.")
    reason: ReasonWord | None = Field(default=None, description="Why it is there, in one word.")
    message: Annotated[str, Field(max_length=MESSAGE_LIMIT)] = Field(
        default="", description="Why, for people: the value, the bound and the next step."
    )
    observed_generation: Int = Field(default=0, ge=0, description="Generation this is about.")
    conditions: Annotated[tuple[RunCondition, ...], Field(max_length=16)] = Field(
        default=(), description="The phase as conditions, and what sums it up."
    )
    driver: Driver | None = Field(default=None, description="What speaks to the other system.")
    system: ObjectName | None = Field(default=None, description="The ExternalSystem in use.")
    idempotency_key: Annotated[str, Field(max_length=63)] = Field(
        default="", description="Name of this attempt's work on the other system."
    )
    external_id: ExternalId = Field(
        default="", description="Name the other system gave to this attempt's work."
    )
    handle: Handle | None = Field(default=None, description="What the driver finds the work by.")
    attempts: Annotated[tuple[AttemptState, ...], Field(max_length=MAX_ATTEMPTS)] = Field(
        default=(), description="All attempts, the current one last."
    )
    detail: JsonObject = Field(
        default_factory=dict, description="What was seen last, for example the exit code."
    )
    results: JsonObject = Field(default_factory=dict, description="What the work has found.")
    artifacts: Annotated[tuple[Artifact, ...], Field(max_length=MAX_ARTIFACTS)] = Field(
        default=(), description="Files the work has left, with their SHA-256."
    )
    answers: Word = Field(
        default="", description="ConfigMap in the run's namespace that takes a person's answers."
    )
    start_time: Time = Field(default="", description="When the run was taken up.")
    deadline_time: Time = Field(default="", description="When the run ends at the latest.")
    waiting_time: Time = Field(default="", description="Since when it is WAITING_EXTERNAL.")
    retry_time: Time = Field(default="", description="When the next attempt may be submitted.")
    completion_time: Time = Field(default="", description="When the run ended.")

    list_keys: ClassVar[dict[str, tuple[str, ...]]] = {
        "conditions": ("type",),
        "attempts": ("number",),
        "artifacts": ("name",),
    }
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.attempts) || self.attempts.all(one, one.number <= self.attempt)",
            "status.attempt is the last of status.attempts; raise it",
            lambda s: all(one.number <= s.attempt for one in s.attempts),
        ),
        Rule(
            _ONE_PHASE,
            "of the seven conditions of the lifecycle the one of status.phase alone is True",
            lambda s: all(
                one.status is not ConditionStatus.TRUE
                or one.type not in CONDITION.values()
                or one.type is CONDITION[s.phase]
                for one in s.conditions
            ),
        ),
    )

    @property
    def standing(self) -> Standing:
        """Where the run is, as `lifecycle.check_transition` takes it."""
        return Standing(self.phase, self.attempt, self.reason or "", self.message)


class ExternalRunMetadata(Metadata):
    """Names of runs are labels, so that they fit into other names."""

    name: Label = Field(description="Name of the run.")


class ExternalRun(Model):
    """Work on another system, or by a person: its identity, its state and its results."""

    api_version: Literal["interact.science/v1alpha1"] = Field(
        default="interact.science/v1alpha1", description="Version of this schema."
    )
    kind: Literal["ExternalRun"] = Field(default=KIND, description="Kind of the object.")
    metadata: ExternalRunMetadata = Field(description="Name, namespace, labels, annotations.")
    spec: ExternalRunSpec = Field(description="What is to be run.")
    status: ExternalRunStatus | None = Field(default=None, description="How far it has come.")

    moves: ClassVar[tuple[Move, ...]] = RUN_MOVES
