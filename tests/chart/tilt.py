"""A Tiltfile's world: Tilt's built-ins, recorded."""

import posixpath
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import starlark
import yaml
from chart import chart
from starlark import LibraryExtension

PRELUDE = """
config = struct(define_string_list=_define_string_list, parse=_parse)
os = struct(path=struct(basename=_basename, dirname=_dirname))
"""


@dataclass
class Tilt:
    """What a Tiltfile asked for.

    Attributes:
        images: Arguments of ``docker_build``, by image.
        manifests: Everything it would apply.
        resources: Arguments of ``k8s_resource``, by name.
        commands: Arguments of ``local_resource``, by name.
        kinds: Arguments of ``k8s_kind``, by kind.
    """

    images: dict[str, dict[str, Any]] = field(default_factory=dict)
    manifests: list[dict[str, Any]] = field(default_factory=list)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    commands: dict[str, dict[str, Any]] = field(default_factory=dict)
    kinds: dict[str, dict[str, Any]] = field(default_factory=dict)


def evaluated(root: Path, operators: list[str] | None = None) -> Tilt:
    """Evaluate the Tiltfile of a project.

    Args:
        root: The project.
        operators: What ``tilt up -- --operators`` named.
    """
    tilt = Tilt()
    module = starlark.Module()
    for name, call in _builtins(tilt, root, {"operators": operators} if operators else {}).items():
        module.add_callable(name, call)
    extended = starlark.Globals.extended_by([LibraryExtension.StructType])
    dialect = starlark.Dialect.extended()
    dialect.enable_top_level_stmt = True
    starlark.eval(module, starlark.parse("prelude", PRELUDE, dialect), extended)
    text = (root / "Tiltfile").read_text(encoding="utf-8")
    starlark.eval(module, starlark.parse("Tiltfile", text, dialect), extended)
    return tilt


def _builtins(tilt: Tilt, root: Path, given: dict[str, list[str]]) -> dict[str, Any]:
    def docker_build(ref: str, context: str, **options: Any) -> None:
        assert ref not in tilt.images, f"{ref} is built twice"
        tilt.images[ref] = {"context": context, **options}

    def helm(path: str, name: str, namespace: str, **options: Any) -> str:
        sets = [word for one in options.pop("set", []) for word in ("--set", one)]
        assert not options, f"helm() was given {options}"
        return chart.helm("template", name, str(root / path), "--namespace", namespace,
                          "--kube-version", chart.KUBERNETES, *sets)  # fmt: skip

    def k8s_yaml(text: str) -> None:
        tilt.manifests.extend(one for one in yaml.safe_load_all(text) if one)

    def k8s_resource(workload: str = "", new_name: str = "", **options: Any) -> None:
        assert workload or options.get("objects"), "k8s_resource names neither workload nor objects"
        tilt.resources[new_name or workload] = options

    def local_resource(name: str, command: str, **options: Any) -> None:
        tilt.commands[name] = {"command": command, **options}

    def k8s_kind(kind: str, **options: Any) -> None:
        tilt.kinds[kind] = options

    def listdir(path: str, recursive: bool = False) -> list[str]:
        found = (root / path).rglob("*") if recursive else (root / path).iterdir()
        return sorted(str(one) for one in found if one.is_file())

    return {
        "docker_build": docker_build,
        "helm": helm,
        "k8s_yaml": k8s_yaml,
        "k8s_resource": k8s_resource,
        "k8s_kind": k8s_kind,
        "local_resource": local_resource,
        "listdir": listdir,
        "sync": lambda local, remote: {"local": local, "remote": remote},
        "blob": lambda text: text,
        "encode_yaml": yaml.safe_dump,
        "_define_string_list": lambda name, **_: None,
        "_parse": lambda: given,
        "_basename": posixpath.basename,
        "_dirname": posixpath.dirname,
    }
