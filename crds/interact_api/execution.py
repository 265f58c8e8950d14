"""How an operator's code is called: on messages, on demand, or on another system."""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from interact_api.model import Bool, Model, ObjectName, Rule
from interact_api.quantities import Duration


class ExecutionMode(StrEnum):
    """How the operator's code is called."""

    STREAMING = "streaming"
    INVOCATION = "invocation"
    EXTERNAL = "external"


class Driver(StrEnum):
    """What speaks to the system an external operator runs on."""

    KUBERNETES_JOB = "kubernetes-job"
    SLURM = "slurm"
    HTTP = "http"
    HUMAN = "human"
    EXPERIMENT = "experiment"
    CUSTOM = "custom"


class Execution(Model):
    """How the operator's code is called."""

    mode: ExecutionMode = Field(
        default=ExecutionMode.STREAMING,
        description="streaming for messages, invocation on demand, external on another system.",
    )
    allow_immediate: Bool = Field(
        default=True, description="Whether an invocation may run at once and be waited for."
    )
    allow_delegated: Bool = Field(
        default=True, description="Whether an invocation may become an external run."
    )
    driver: Driver | None = Field(default=None, description="Driver of an external operator.")
    system: ObjectName | None = Field(
        default=None, description="ExternalSystem the driver speaks to."
    )
    timeout: Duration | None = Field(
        default=None, description="How long one invocation or external run may take."
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(self.mode == 'external') == has(self.driver)",
            "an external operator names its driver, and no other does",
            lambda s: (s.mode is ExecutionMode.EXTERNAL) == (s.driver is not None),
        ),
        Rule(
            "self.mode != 'invocation' || self.allowImmediate || self.allowDelegated",
            "an invocation needs allowImmediate or allowDelegated",
            lambda s: (
                s.mode is not ExecutionMode.INVOCATION or s.allow_immediate or s.allow_delegated
            ),
        ),
    )
