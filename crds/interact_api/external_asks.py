"""A message of a pipeline that becomes an external run: what a relay asks the controller, and hears.

The same question again changes nothing: it finds the run it made, and hears how that stands.
"""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from interact_api.external import MAX_ARTIFACTS, MAX_INPUTS, Artifact, Input
from interact_api.model import Bool, Int, JsonObject, Model, Text, Word

MESSAGE: Final = "message"
"""The parameter of a run that has the message; no operator declares another of this name."""
MOST_RUNS: Final = 8
"""Runs of an operator in a pipeline at once, where execution.maxRuns says nothing."""
NUMBERS: Final = 2048
"""Most numbers of a message that travel as a parameter; more are an input."""


class Outcome(StrEnum):
    """What has become of a message.

    `LATER` says that there is no run yet: the message waits, for a cap or for its pipeline.
    """

    LATER = "Later"
    GOES_ON = "GoesOn"
    COMPLETED = "Completed"
    FAILED = "Failed"
    REFUSED = "Refused"


class RunAsk(Model):
    """One message, for which there is to be one run."""

    run: Annotated[str, Field(pattern=r"^[0-9a-f]{1,64}$", max_length=64)] = Field(
        description="Nonce of the pipeline's run; another pipeline of its name has another."
    )
    message: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", max_length=32)] = Field(
        description="Identity of the message, hexadecimal."
    )
    edition: Int = Field(default=0, ge=0, description="How often a person sent it again.")
    scan: Word = Field(default="", description="Id of its scan.")
    index: Int = Field(default=0, ge=0, description="Its first frame in the scan.")
    parameters: JsonObject = Field(default_factory=dict, description="What the run is given.")
    inputs: Annotated[tuple[Input, ...], Field(max_length=MAX_INPUTS)] = Field(
        default=(), description="Files and objects the run reads."
    )
    cancel: Bool = Field(default=False, description="Stop the run: nobody waits for it.")


class RunTold(Model):
    """How the run of a message stands."""

    outcome: Outcome = Field(description="What has become of it.")
    name: Word = Field(default="", description="Name of the run.")
    phase: Word = Field(default="", description="Where it is in its life.")
    reason: Word = Field(default="", description="Why, in one word.")
    message: Text = Field(default="", description="Why, for people, and what to do.")
    results: JsonObject = Field(default_factory=dict, description="What it has found.")
    artifacts: Annotated[tuple[Artifact, ...], Field(max_length=MAX_ARTIFACTS)] = Field(
        default=(), description="Files it has left."
    )


def order(scan: str, index: int) -> str:
    """What sorts messages: by scan, whose last digits count up, then by index.

    >>> order("9f-camera-9", 3) < order("9f-camera-10", 0)
    True
    """
    head = scan.rstrip("0123456789")
    return f"{head}{scan[len(head) :]:0>12} {index:012d}"
