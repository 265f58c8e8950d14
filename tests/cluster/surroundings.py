"""What a container of the test node finds around it: environment and volumes.

A pod's volumes are folders, and its processes have no mounts: environment values, command and
arguments that begin with a mountPath (also behind ``name=``) are rewritten to the folder. Contents
are written once, when the pod starts. The automatic volume of a service account is an empty folder.
"""

import base64
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.api import Api
from cluster.kube import KubeError, Object
from cluster.processes import RUN

Spec = Mapping[str, Any]
_INHERITED = ("PATH", "HOME", "LANG", RUN)
_REFERENCE = re.compile(r"\$(?:\$|\(([A-Za-z_][A-Za-z0-9_.-]*)\))")


class MissingError(Exception):
    """A ConfigMap, Secret or key that the pod names is not there; it may come."""


class UnsupportedError(Exception):
    """The test node cannot do what the pod asks."""


async def volumes(api: Api, pod: Object, folder: Path) -> dict[str, Path]:
    """Make the volumes of a pod as folders, by name."""
    made = {}
    for volume in pod["spec"].get("volumes", ()):
        name = volume["name"]
        path = folder / "volumes" / name
        if "hostPath" in volume:
            path = Path(volume["hostPath"]["path"])
        else:
            path.mkdir(parents=True, exist_ok=True)
            for file, content in (await _contents(api, pod, volume)).items():
                (path / file).write_bytes(content)
        made[name] = path
    return made


def mounts(container: Spec, folders: Mapping[str, Path]) -> dict[str, Path]:
    """Folders of a container by mountPath."""
    return {one["mountPath"]: folders[one["name"]] for one in container.get("volumeMounts", ())}


def rewritten(text: str, mounted: Mapping[str, Path]) -> str:
    """The text with a leading mountPath replaced by its folder."""
    head, sign, path = text.partition("=") if re.match(r"[\w.-]+=/", text) else ("", "", text)
    for mount in sorted(mounted, key=len, reverse=True):
        inside = mount.rstrip("/")
        if path == inside or path.startswith(f"{inside}/"):
            return f"{head}{sign}{mounted[mount]}{path[len(inside) :]}"
    return text


def expanded(text: str, known: Mapping[str, str]) -> str:
    """The text with ``$(NAME)`` replaced; names that are not known stay, ``$$`` is ``$``."""

    def value(found: re.Match[str]) -> str:
        return "$" if found[1] is None else known.get(found[1], found[0])

    return _REFERENCE.sub(value, text)


async def environment(api: Api, pod: Object, container: Spec, address: str) -> dict[str, str]:
    """The environment that the pod's specification gives a container."""
    given: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        for name, content in (await _named(api, pod, source)).items():
            given[source.get("prefix", "") + name] = content.decode()
    for one in container.get("env", ()):
        if "valueFrom" not in one:
            given[one["name"]] = expanded(one.get("value", ""), given)
            continue
        value = await _value(api, pod, one["valueFrom"], address)
        if value is not None:
            given[one["name"]] = value
    return given


def inherited() -> dict[str, str]:
    """What processes of a pod have from this machine."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


async def _value(api: Api, pod: Object, source: Spec, address: str) -> str | None:
    if "fieldRef" in source:
        return _field(pod, source["fieldRef"]["fieldPath"], address)
    for word, kind in (("configMapKeyRef", "configMapRef"), ("secretKeyRef", "secretRef")):
        if word in source:
            said = source[word]
            found = await _named(api, pod, {kind: said})
            if said["key"] in found:
                return found[said["key"]].decode()
            if said.get("optional"):
                return None
            raise MissingError(f"couldn't find key {said['key']} in {kind[:-3]} {said['name']}")
    raise UnsupportedError(f"an environment value from {next(iter(source))}")


def _field(pod: Object, path: str, address: str) -> str:
    if found := re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path):
        return str(pod["metadata"].get(found[1], {}).get(found[2], ""))
    if path in {"status.podIP", "status.podIPs", "status.hostIP"}:
        return address
    if path in {"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName"}:  # fmt: skip
        part, key = path.split(".")
        return str(pod[part][key])
    raise UnsupportedError(f"the field {path}")


async def _named(api: Api, pod: Object, source: Spec) -> dict[str, bytes]:
    """The entries of the ConfigMap or Secret that a source names."""
    kind = "secret" if "secretRef" in source else "configmap"
    said = source["secretRef" if kind == "secret" else "configMapRef"]
    try:
        path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/{kind}s/{said['name']}"
        found = await api.request("GET", path)
    except KubeError as error:
        if error.status == 404 and said.get("optional"):
            return {}
        raise MissingError(error.message) from error
    if kind == "secret":
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
    return {key: value.encode() for key, value in (found.get("data") or {}).items()}


async def _contents(api: Api, pod: Object, volume: Spec) -> dict[str, bytes]:
    if "emptyDir" in volume or str(volume["name"]).startswith("kube-api-access-"):
        return {}
    if "downwardAPI" in volume:
        return {
            one["path"]: _field(pod, one["fieldRef"]["fieldPath"], "").encode()
            for one in volume["downwardAPI"].get("items", ())
        }
    for kind, name in (("configMap", "name"), ("secret", "secretName")):
        if kind in volume:
            said = volume[kind]
            reference = {"name": said[name], "optional": said.get("optional", False)}
            found = await _named(api, pod, {f"{kind}Ref": reference})
            chosen = {one["key"]: one["path"] for one in said.get("items", ())}
            return {
                chosen.get(key, key): found[key] for key in found if not chosen or key in chosen
            }
    raise UnsupportedError(f"the volume {volume['name']}")
