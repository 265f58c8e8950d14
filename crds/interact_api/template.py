"""The curated pod template: what an author or a pipeline may say about an operator's pods."""

from typing import Annotated, ClassVar

from pydantic import Field

from interact_api.model import (
    Bool,
    Int,
    JsonObject,
    Map,
    Model,
    ObjectName,
    Present,
    Rule,
    Text,
    Word,
)
from interact_api.quantities import Quantity
from interact_api.volumes import Volume, VolumeMount

Quantities = Annotated[dict[str, Quantity], Field(max_length=32), Present]


class ResourceRequirements(Model):
    """What the container asks for and may use at most."""

    requests: Quantities = Field(default_factory=dict, description="Reserved for the container.")
    limits: Quantities = Field(default_factory=dict, description="Never exceeded by it.")


class KeySelector(Model):
    """One key of a ConfigMap or Secret in the pipeline's namespace."""

    name: ObjectName = Field(description="Name of the ConfigMap or Secret.")
    key: Word = Field(description="Its key.")
    optional: Bool = Field(default=False, description="Whether it may be absent.")


class FieldSelector(Model):
    """One field of the pod itself."""

    field_path: Word = Field(description="Path of the field, for example metadata.name.")
    api_version: Word = Field(default="v1", description="Version the path is written for.")


class EnvVarSource(Model):
    """Where the value of an environment variable comes from; exactly one."""

    config_map_key_ref: KeySelector | None = Field(default=None, description="From a ConfigMap.")
    secret_key_ref: KeySelector | None = Field(default=None, description="From a Secret.")
    field_ref: FieldSelector | None = Field(default=None, description="From the pod itself.")

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "[has(self.configMapKeyRef), has(self.secretKeyRef), has(self.fieldRef)]"
            ".filter(given, given).size() == 1",
            "give exactly one of configMapKeyRef, secretKeyRef and fieldRef",
            lambda s: [s.config_map_key_ref, s.secret_key_ref, s.field_ref].count(None) == 2,
        ),
    )


class EnvVar(Model):
    """An environment variable of the kernel's process."""

    name: Annotated[
        str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    ] = Field(description="Name of the variable.")
    value: Text = Field(default="", description="Its value.")
    value_from: EnvVarSource | None = Field(default=None, description="Where its value comes from.")

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!(has(self.valueFrom) && has(self.value) && self.value != '')",
            "give value or valueFrom, not both",
            lambda s: not (s.value_from is not None and s.value),
        ),
        Rule(
            "!self.name.startsWith('INTERACT_')",
            "names that begin with INTERACT_ are the platform's own; choose another",
            lambda s: not s.name.startswith("INTERACT_"),
        ),
    )


class ObjectRef(Model):
    """An object of the pipeline's namespace, by name."""

    name: ObjectName = Field(description="Name of the object.")
    optional: Bool = Field(default=False, description="Whether it may be absent.")


class EnvFrom(Model):
    """All keys of one ConfigMap or Secret as environment variables."""

    prefix: Word = Field(default="", description="Put before each name.")
    config_map_ref: ObjectRef | None = Field(default=None, description="The ConfigMap.")
    secret_ref: ObjectRef | None = Field(default=None, description="The Secret.")

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.configMapRef) != has(self.secretRef)",
            "give exactly one of configMapRef and secretRef",
            lambda s: (s.config_map_ref is None) != (s.secret_ref is None),
        ),
    )


class Toleration(Model):
    """A taint of a node that the pods accept."""

    key: Word = Field(default="", description="Key of the taint; empty matches all.")
    operator: Annotated[str, Field(pattern="^(Exists|Equal)$", max_length=6)] = Field(
        default="Equal", description="Exists or Equal."
    )
    value: Word = Field(default="", description="Value of the taint.")
    effect: Annotated[
        str, Field(pattern="^(NoSchedule|PreferNoSchedule|NoExecute)?$", max_length=16)
    ] = Field(default="", description="NoSchedule, PreferNoSchedule, NoExecute, or empty for all.")
    toleration_seconds: Annotated[Int, Field(ge=0)] | None = Field(
        default=None, description="How long a NoExecute taint is borne; for ever without."
    )


class TopologySpread(Model):
    """How evenly replicas spread over zones or nodes."""

    max_skew: Int = Field(ge=1, description="Largest difference of replicas between domains.")
    topology_key: Word = Field(description="Label of the nodes that names the domain.")
    when_unsatisfiable: Annotated[
        str, Field(pattern="^(DoNotSchedule|ScheduleAnyway)$", max_length=14)
    ] = Field(default="ScheduleAnyway", description="DoNotSchedule or ScheduleAnyway.")


class SecurityContext(Model):
    """Who the process is; all that *restricted* fixes stays fixed."""

    run_as_user: Annotated[Int, Field(ge=1)] | None = Field(
        default=None, description="User id; never root."
    )
    run_as_group: Annotated[Int, Field(ge=1)] | None = Field(
        default=None, description="Group id; never root."
    )
    fs_group: Annotated[Int, Field(ge=1)] | None = Field(
        default=None, description="Group that owns the volumes."
    )
    supplemental_groups: Annotated[
        tuple[Annotated[Int, Field(ge=1)], ...], Field(max_length=32)
    ] = Field(default=(), description="Further groups, for data on shared file systems.")
    fs_group_change_policy: Annotated[
        str, Field(pattern="^(OnRootMismatch|Always)$", max_length=14)
    ] = Field(default="OnRootMismatch", description="When the volumes' owner is set.")


class PodTemplate(Model):
    """What may be said about an operator's pods; the rest is the platform's."""

    labels: Map = Field(default_factory=dict, description="Labels of the pods.")
    annotations: Map = Field(default_factory=dict, description="Annotations of the pods.")
    resources: ResourceRequirements | None = Field(default=None, description="CPU, memory, GPUs.")
    env: Annotated[tuple[EnvVar, ...], Field(max_length=128)] = Field(
        default=(), description="Environment variables."
    )
    env_from: Annotated[tuple[EnvFrom, ...], Field(max_length=32)] = Field(
        default=(), description="Environment variables from whole ConfigMaps and Secrets."
    )
    volumes: Annotated[tuple[Volume, ...], Field(max_length=64)] = Field(
        default=(), description="Volumes."
    )
    volume_mounts: Annotated[tuple[VolumeMount, ...], Field(max_length=64)] = Field(
        default=(), description="Where the container sees them."
    )
    node_selector: Map = Field(default_factory=dict, description="Labels a node must have.")
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = Field(
        default=(), description="Taints the pods accept."
    )
    affinity: JsonObject | None = Field(
        default=None, description="Kubernetes' affinity, passed on as it is."
    )
    topology_spread_constraints: Annotated[tuple[TopologySpread, ...], Field(max_length=16)] = (
        Field(default=(), description="How evenly replicas spread.")
    )
    security_context: SecurityContext | None = Field(
        default=None, description="Users and groups, within Pod Security restricted."
    )
    image_pull_secrets: Annotated[tuple[ObjectRef, ...], Field(max_length=16)] = Field(
        default=(), description="Secrets for a private registry."
    )
    runtime_class_name: ObjectName | None = Field(default=None, description="The RuntimeClass.")
    service_account_name: ObjectName | None = Field(
        default=None, description="The ServiceAccount; its API token is not mounted."
    )
    priority_class_name: ObjectName | None = Field(default=None, description="The PriorityClass.")
    termination_grace_period_seconds: Annotated[Int, Field(ge=1, le=3600)] | None = Field(
        default=None, description="Seconds to finish what is in flight."
    )

    list_keys: ClassVar[dict[str, tuple[str, ...]]] = {
        "env": ("name",),
        "volumes": ("name",),
        "volume_mounts": ("mount_path",),
        "image_pull_secrets": ("name",),
    }
