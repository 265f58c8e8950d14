"""Volumes of an operator's pods, of the kinds that Pod Security *restricted* allows."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from interact_api.model import Bool, Int, JsonObject, Label, Model, ObjectName, Rule, Word
from interact_api.quantities import Size


class KeyToPath(Model):
    """One key as one file."""

    key: Word = Field(description="The key.")
    path: Word = Field(description="Path of the file in the volume.")
    mode: Annotated[Int, Field(ge=0, le=0o777)] | None = Field(
        default=None, description="Permission bits."
    )


KeyPaths = Annotated[tuple[KeyToPath, ...], Field(max_length=64)]


class ClaimVolume(Model):
    """A PersistentVolumeClaim of the pipeline's namespace."""

    claim_name: ObjectName = Field(description="Name of the claim.")
    read_only: Bool = Field(default=False, description="Mount it for reading only.")


class ConfigMapVolume(Model):
    """A ConfigMap as files."""

    name: ObjectName = Field(description="Name of the ConfigMap.")
    items: KeyPaths = Field(default=(), description="Which keys; all of them without.")
    optional: Bool = Field(default=False, description="Whether it may be absent.")


class SecretVolume(Model):
    """A Secret as files."""

    secret_name: ObjectName = Field(description="Name of the Secret.")
    items: KeyPaths = Field(default=(), description="Which keys; all of them without.")
    optional: Bool = Field(default=False, description="Whether it may be absent.")


class Medium(StrEnum):
    """Where a scratch volume lives."""

    DISK = ""
    MEMORY = "Memory"


class ScratchVolume(Model):
    """An empty directory that ends with the pod."""

    medium: Medium = Field(default=Medium.DISK, description="Disk, or Memory.")
    size_limit: Size | None = Field(default=None, description="Bytes it may hold at most.")


class Volume(Model):
    """A volume, of the kinds that Pod Security *restricted* allows; exactly one kind."""

    name: Label = Field(description="Name of the volume.")
    persistent_volume_claim: ClaimVolume | None = Field(default=None, description="A claim.")
    config_map: ConfigMapVolume | None = Field(default=None, description="A ConfigMap as files.")
    secret: SecretVolume | None = Field(default=None, description="A Secret as files.")
    empty_dir: ScratchVolume | None = Field(default=None, description="Scratch space.")
    csi: JsonObject | None = Field(default=None, description="A volume of a CSI driver, inline.")
    ephemeral: JsonObject | None = Field(default=None, description="A claim made for each pod.")
    projected: JsonObject | None = Field(default=None, description="Several sources in one.")

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "[has(self.persistentVolumeClaim), has(self.configMap), has(self.secret), "
            "has(self.emptyDir), has(self.csi), has(self.ephemeral), has(self.projected)]"
            ".filter(given, given).size() == 1",
            "give exactly one kind of volume",
            lambda s: (
                [
                    s.persistent_volume_claim,
                    s.config_map,
                    s.secret,
                    s.empty_dir,
                    s.csi,
                    s.ephemeral,
                    s.projected,
                ].count(None)
                == 6
            ),
        ),
    )


class VolumeMount(Model):
    """Where the container sees a volume."""

    name: Label = Field(description="Name of the volume.")
    mount_path: Annotated[str, Field(max_length=1024, pattern=r"^/")] = Field(
        description="Absolute path in the container."
    )
    sub_path: Annotated[str, Field(max_length=1024)] = Field(
        default="", description="Path in the volume."
    )
    read_only: Bool = Field(default=False, description="Mount it for reading only.")
