"""A Slurm cluster as an ExternalSystem declares it, and a job as a run asks for it."""

from typing import Annotated, ClassVar, Final

from pydantic import Field

from interact_api.external_http import URL_PATTERN
from interact_api.file_names import file_problem
from interact_api.model import Bool, Int, Map, Model, Rule
from interact_api.quantities import Duration

HOST_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9.:-]{0,252}$"
USER_PATTERN: Final = r"^[a-z_][a-z0-9_.-]{0,31}$"
FOLDER_PATTERN: Final = r"^[A-Za-z0-9_./~-]{1,512}$"
OPTION_PATTERN: Final = r"^[A-Za-z0-9_][A-Za-z0-9_.,:+=*-]{0,127}$"
Option = Annotated[str, Field(max_length=128, pattern=OPTION_PATTERN)]
User = Annotated[str, Field(max_length=32, pattern=USER_PATTERN)]


class SlurmSsh(Model):
    """Slurm's commands on a login node; the Secret's ``ssh-privatekey`` opens it."""

    host: Annotated[str, Field(max_length=253, pattern=HOST_PATTERN)] = Field(
        description="The login node."
    )
    port: Annotated[Int, Field(ge=1, le=65535)] = Field(default=22, description="Its port.")
    user: User = Field(description="Whose jobs they are.")
    known_hosts: Annotated[str, Field(min_length=1, max_length=65536)] = Field(
        description="The node's public keys, as ssh-keyscan prints them; others are refused."
    )
    folder: Annotated[str, Field(max_length=512, pattern=FOLDER_PATTERN)] = Field(
        default="interact-runs",
        description="Where each job has its folder, on a file system that all nodes share.",
    )
    environment: Map = Field(
        default_factory=dict, description="Environment of Slurm's commands, for example PATH."
    )
    timeout: Duration = Field(default="20s", description="How long one command may take.")


class SlurmRest(Model):
    """slurmrestd; the Secret's ``token`` is a JWT of the user, or ``jwt-key`` the key to make some."""

    url: Annotated[str, Field(max_length=512, pattern=URL_PATTERN)] = Field(
        description="Where slurmrestd listens, without the version."
    )
    version: Annotated[str, Field(max_length=16, pattern=r"^(v0\.0\.[0-9]{1,4})?$")] = Field(
        default="", description="Version of its API; empty for the newest we know that it has."
    )
    ca_bundle: Annotated[str, Field(max_length=65536)] = Field(
        default="", description="Certificates to trust in place of the system's (PEM)."
    )
    user: User = Field(description="Whose jobs they are.")
    folder: Annotated[str, Field(max_length=512, pattern=r"^/[A-Za-z0-9_./-]{0,511}$")] = Field(
        description="Working directory of jobs, writable by the user on all nodes."
    )
    timeout: Duration = Field(default="20s", description="How long one request may take.")


class SlurmSystem(Model):
    """A Slurm cluster, reached over SSH or by slurmrestd."""

    ssh: SlurmSsh | None = Field(default=None, description="Commands over SSH.")
    rest: SlurmRest | None = Field(default=None, description="slurmrestd.")
    partition: Option | None = Field(default=None, description="Partition of jobs that name none.")
    account: Option | None = Field(
        default=None, description="Account that all jobs are charged to."
    )
    qos: Option | None = Field(default=None, description="Quality of service of all jobs.")

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("has(self.ssh) != has(self.rest)", "give exactly one of ssh and rest",
             lambda s: (s.ssh is None) != (s.rest is None)),
    )  # fmt: skip


class SlurmJob(Model):
    """What a run asks of Slurm. The script finds its parameters in ``parameters.json``."""

    script: Annotated[str, Field(min_length=1, max_length=64 * 2**10)] = Field(
        description="Shell script that does the work; it runs in a folder of its own."
    )
    partition: Option | None = Field(default=None, description="Partition of the job.")
    constraint: Option | None = Field(default=None, description="Features its nodes have.")
    time_limit_minutes: Annotated[Int, Field(ge=1, le=525600)] | None = Field(
        default=None, description="Slurm ends the job then."
    )
    nodes: Annotated[Int, Field(ge=1, le=100000)] | None = Field(
        default=None, description="Number of nodes."
    )
    tasks: Annotated[Int, Field(ge=1, le=1000000)] | None = Field(
        default=None, description="Number of tasks."
    )
    cpus_per_task: Annotated[Int, Field(ge=1, le=10000)] | None = Field(
        default=None, description="Processors of each task."
    )
    memory_megabytes: Annotated[Int, Field(ge=1, le=2**40)] | None = Field(
        default=None, description="Memory of each node."
    )
    gpus_per_node: Annotated[Int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="GPUs of each node."
    )
    artifacts: Annotated[
        tuple[Annotated[str, Field(max_length=253)], ...], Field(max_length=64)
    ] = Field(default=(), description="Files the script leaves in its folder, to be noted.")
    requeue: Bool = Field(
        default=False, description="Whether Slurm may begin it again after its node failed."
    )

    def wrong_artifact(self) -> str | None:
        """What is wrong with the first artifact that is no plain file name; None if all are."""
        found = filter(None, (file_problem(one, "artifacts") for one in self.artifacts))
        return next((one.message for one in found), None)
