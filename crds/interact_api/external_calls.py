"""A call of an external operator's class as it travels, from the controller to the pod that has it."""

from enum import StrEnum

from pydantic import Field

from interact_api.external import Handle, Observation, OperatorResult, Run
from interact_api.model import Bool, Model, Text


class Method(StrEnum):
    """What is asked of the class."""

    PREPARE = "prepare"
    SUBMIT = "submit"
    LOOKUP = "lookup"
    CHECK = "check"
    COLLECT = "collect"
    CANCEL = "cancel"


class Failure(StrEnum):
    """Why there is no result: ask again, it may have happened, or it never will."""

    AGAIN = "again"
    AMBIGUOUS = "ambiguous"
    REFUSED = "refused"


class ExternalCall(Model):
    """One call."""

    method: Method = Field(description="What is asked.")
    run: Run | None = Field(default=None, description="Of which run; for prepare, submit, lookup.")
    handle: Handle | None = Field(default=None, description="Of which work; for all but lookup.")


class ExternalAnswer(Model):
    """What became of a call; what is asked for, or why not."""

    handle: Handle | None = Field(default=None, description="Of prepare, submit and lookup.")
    observation: Observation | None = Field(default=None, description="Of check.")
    result: OperatorResult | None = Field(default=None, description="Of collect.")
    stopped: Bool = Field(default=False, description="Of cancel: whether the work has ended.")
    failure: Failure | None = Field(default=None, description="Why there is nothing.")
    message: Text = Field(default="", description="The same for people.")
