"""How an operator's code is called: on messages, on demand, or on another system."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from interact_api.external_work import OWN_SECTIONS, Driver, Work
from interact_api.model import Bool, Int, Rule
from interact_api.quantities import Duration

__all__ = ["Driver", "Execution", "ExecutionMode"]


class ExecutionMode(StrEnum):
    """How the operator's code is called."""

    STREAMING = "streaming"
    INVOCATION = "invocation"
    EXTERNAL = "external"


class Execution(Work):
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
    max_runs: Annotated[Int, Field(ge=1, le=10_000)] | None = Field(
        default=None, description="Most external runs of the operator at once."
    )
    ttl_after_finished: Duration | None = Field(
        default=None,
        description="How long an external run is kept after its end; for ever without.",
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
        *OWN_SECTIONS,
    )
