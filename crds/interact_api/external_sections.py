"""What a run says to the drivers that need no ExternalSystem: a Job, a person, an instrument."""

from typing import Annotated

from pydantic import Field

from interact_api.model import Model, ObjectName, Text
from interact_api.parameters import AnyJson
from interact_api.quantities import Duration
from interact_api.run_template import RunPodTemplate

MAX_INSTRUCTIONS = 16 * 2**10
Image = Annotated[str, Field(max_length=512, pattern=r"^[!-~]*$")]


class JobRun(Model):
    """A container that runs once in the run's namespace; ``INTERACT_PARAMETERS`` has its parameters.

    What it writes to its termination message as a JSON object are its results.
    """

    image: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[!-~]+$")] = Field(
        description="Container image, best with its digest."
    )
    command: Annotated[tuple[Text, ...], Field(max_length=64)] = Field(
        default=(), description="Replaces the image's entry point."
    )
    arguments: Annotated[tuple[Text, ...], Field(max_length=256)] = Field(
        default=(), description="Arguments of the command."
    )
    template: RunPodTemplate = Field(default=RunPodTemplate(), description="What its pod needs.")


class HumanRun(Model):
    """What a person is asked."""

    instructions: Annotated[str, Field(min_length=1, max_length=MAX_INSTRUCTIONS)] = Field(
        description="What to do, in Markdown."
    )
    form: AnyJson = Field(
        default=None,
        description="JSON Schema of the answer; without, any JSON object is one.",
    )
    expires_after: Duration | None = Field(
        default=None, description="How long an answer is waited for, from the run's creation."
    )


class ExperimentRun(Model):
    """Files exchanged with an instrument in a folder of a volume in the run's namespace."""

    claim: ObjectName = Field(description="PersistentVolumeClaim of the volume.")
    folder: Annotated[str, Field(max_length=512, pattern=r"^[A-Za-z0-9_./-]*$")] = Field(
        default="", description="Folder of the volume under which each run has its own."
    )
    config: AnyJson = Field(default=None, description="Handed on in experiment_request.json.")
    image: Image = Field(
        default="",
        description="Image with the interact package, where an operator says it; a run's is the "
        "release's own.",
    )
    template: RunPodTemplate = Field(default=RunPodTemplate(), description="What its pod needs.")
