"""ExternalSystem: another system that runs may use, as an administrator declares it."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from interact_api.conditions import Condition
from interact_api.external_http import HttpSystem
from interact_api.external_slurm import SlurmSystem
from interact_api.external_work import Driver
from interact_api.model import Int, Label, Metadata, Model, ObjectName, Rule, Text, Word
from interact_api.quantities import Duration

KIND: Final = "ExternalSystem"
EVERY: Final = "*"
"""In the place of a namespace: all of them."""
NAMESPACE_PATTERN: Final = r"^([*]|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$"


class ExternalSystemSpec(Model):
    """Where the system is, who may use it and how much."""

    label: Word = Field(default="", description="Name shown to people.")
    description: Text = Field(default="", description="What it is, and whom to ask about it.")
    driver: Literal["slurm", "http", "custom"] = Field(description="What speaks to it.")
    slurm: SlurmSystem | None = Field(
        default=None, description="The cluster, where the driver is slurm."
    )
    http: HttpSystem | None = Field(
        default=None, description="The service, where the driver is http."
    )
    secret: ObjectName | None = Field(
        default=None, description="Secret in the release's namespace with the credentials."
    )
    namespaces: Annotated[
        tuple[Annotated[str, Field(max_length=63, pattern=NAMESPACE_PATTERN)], ...],
        Field(max_length=256),
    ] = Field(default=(), description="Namespaces whose runs may use it, * for all; none without.")
    max_runs: Annotated[Int, Field(ge=1, le=10_000)] | None = Field(
        default=None, description="Most attempts on it at once."
    )
    poll_interval: Duration = Field(
        default="10s", description="Time between two looks at the same work."
    )

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.slurm) == (self.driver == 'slurm')",
            "slurm is said where the driver is slurm, and there alone",
            lambda s: (s.slurm is not None) == (s.driver == Driver.SLURM),
        ),
        Rule(
            "has(self.http) == (self.driver == 'http')",
            "http is said where the driver is http, and there alone",
            lambda s: (s.http is not None) == (s.driver == Driver.HTTP),
        ),
    )

    def admits(self, namespace: str) -> bool:
        """Whether runs of a namespace may use it."""
        return EVERY in self.namespaces or namespace in self.namespaces


class ExternalSystemStatus(Model):
    """What the controller knows of it."""

    observed_generation: Int = Field(default=0, ge=0, description="Generation this is about.")
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = Field(
        default=(), description="Ready says whether it answers."
    )
    runs: Int = Field(default=0, ge=0, description="Attempts that are on it now.")

    list_keys: ClassVar[dict[str, tuple[str, ...]]] = {"conditions": ("type",)}


class ExternalSystemMetadata(Metadata):
    """Names of systems are labels, so that they fit into other names."""

    name: Label = Field(description="Name of the system.")


class ExternalSystem(Model):
    """Another system that runs may use: a Slurm cluster, a REST service, a facility of one's own."""

    api_version: Literal["interact.science/v1alpha1"] = Field(
        default="interact.science/v1alpha1", description="Version of this schema."
    )
    kind: Literal["ExternalSystem"] = Field(default=KIND, description="Kind of the object.")
    metadata: ExternalSystemMetadata = Field(description="Name, labels, annotations.")
    spec: ExternalSystemSpec = Field(description="Where it is, who may use it and how much.")
    status: ExternalSystemStatus | None = Field(
        default=None, description="What the controller knows of it."
    )
