"""An author's pod template with a pipeline's overrides, and what neither may say."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from interact_api.model import GROUP
from interact_api.plain import entries, mapping
from interact_api.template import PodTemplate, ResourceRequirements
from interact_api.volumes import Volume

SCRATCH: Final = "interact-scratch"
TOKEN: Final = "interact-nats"  # noqa: S105  # the name of a volume
TOKEN_FOLDER: Final = "/etc/interact"  # noqa: S105
FORBIDDEN_ANNOTATIONS: Final = (
    "container.apparmor.security.beta.kubernetes.io/",
    "container.seccomp.security.alpha.kubernetes.io/",
    "seccomp.security.alpha.kubernetes.io/",
)
"""Older ways to loosen what Pod Security *restricted* fixes."""
PROJECTED: Final = ("configMap", "secret", "downwardAPI", "clusterTrustBundle")
"""What a volume may project; a serviceAccountToken and a podCertificate are logins."""

Entry = TypeVar("Entry")


def merged(author: PodTemplate, override: PodTemplate | None) -> PodTemplate:
    """The template of the catalogue with a pipeline's on top.

    Maps are merged by key, lists by what tells their entries apart; the rest is replaced.
    """
    if override is None:
        return author
    both = {
        "labels": author.labels | override.labels,
        "annotations": author.annotations | override.annotations,
        "resources": _resources(author.resources, override.resources),
        "env": _by(lambda one: one.name, author.env, override.env),
        "env_from": (*author.env_from, *(e for e in override.env_from if e not in author.env_from)),
        "volumes": _by(lambda one: one.name, author.volumes, override.volumes),
        "volume_mounts": _by(
            lambda one: one.mount_path, author.volume_mounts, override.volume_mounts
        ),
        "node_selector": author.node_selector | override.node_selector,
        "image_pull_secrets": _by(
            lambda one: one.name, author.image_pull_secrets, override.image_pull_secrets
        ),
    }
    single = {
        name: getattr(override, name)
        for name in override.model_fields_set
        if name not in both and getattr(override, name) not in (None, ())
    }
    if override.security_context is not None and author.security_context is not None:
        mine = override.security_context
        said = {name: getattr(mine, name) for name in mine.model_fields_set}
        single["security_context"] = author.security_context.model_copy(update=said)
    return author.model_copy(update=both | single)


def relay(author: PodTemplate) -> PodTemplate:
    """What the pod that relays messages keeps of an external operator's template.

    The rest is for the pod with its class.
    """
    return PodTemplate(
        labels=author.labels, annotations=author.annotations, tolerations=author.tolerations,
        node_selector=author.node_selector, image_pull_secrets=author.image_pull_secrets,
    )  # fmt: skip


def _by(
    key: Callable[[Entry], str], author: Iterable[Entry], override: Iterable[Entry]
) -> tuple[Entry, ...]:
    """Entries of both, the override's in place of those with the same key."""
    found = {key(one): one for one in author}
    found.update({key(one): one for one in override})
    return tuple(found.values())


def _resources(
    author: ResourceRequirements | None, override: ResourceRequirements | None
) -> ResourceRequirements | None:
    if author is None or override is None:
        return override or author
    return ResourceRequirements(
        requests=author.requests | override.requests, limits=author.limits | override.limits
    )


def problems(template: PodTemplate) -> Iterator[str]:
    """What a merged template says and must not, each with its remedy."""
    for name in template.labels:
        if name.startswith((f"{GROUP}/", "app.kubernetes.io/managed-by")):
            yield f"label {name!r} is the platform's own; remove it"
    for name in template.annotations:
        if name.startswith(FORBIDDEN_ANNOTATIONS):
            yield f"annotation {name!r} would loosen the pods' security; remove it"
    known = {volume.name for volume in template.volumes}
    for volume in template.volumes:
        if volume.name in {SCRATCH, TOKEN}:
            yield f"volume {volume.name!r} is the platform's own; choose another name"
        yield from _credentials(volume)
    for mount in template.volume_mounts:
        if mount.name not in known:
            yield f"volumeMount {mount.mount_path!r} names volume {mount.name!r}; add that volume"
        if _within(mount.mount_path, TOKEN_FOLDER):
            yield f"volumeMount {mount.mount_path!r} hides the platform's files; mount it elsewhere"


def _credentials(volume: Volume) -> Iterator[str]:
    """Refuse what would let a pod speak for its ServiceAccount, whatever Kubernetes adds to that."""
    for source in entries(mapping(volume.projected).get("sources")):
        for kind in mapping(source):
            if kind not in PROJECTED:
                yield (
                    f"volume {volume.name!r} projects a {kind}; operators get no rights at the API "
                    f"server, choose of {', '.join(PROJECTED)} or remove it"
                )


def _within(path: str, folder: str) -> bool:
    parts = [part for part in path.split("/") if part not in {"", "."}]
    wanted = folder.strip("/").split("/")
    return not parts or ".." in parts or parts[: len(wanted)] == wanted
