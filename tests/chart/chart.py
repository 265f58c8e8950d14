"""Helm, as the tests of the charts use it."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from cluster import binaries

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "interact"
CATALOGUE = ROOT / "helm" / "interact-catalogue"
KUBERNETES = "1.36.0"
SYSTEM = "interact-system"

Object = dict[str, Any]


class HelmError(Exception):
    """Helm refused, with its words."""


def helm(*arguments: str, kubeconfig: Path | None = None, folder: Path | None = None) -> str:
    """What helm prints.

    Args:
        arguments: Of the program.
        kubeconfig: The cluster to ask; none at all without.
        folder: Where it keeps its caches.

    Raises:
        HelmError: If it fails.
    """
    home = str(folder or ROOT / "build" / "helm")
    environment = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig or os.devnull),
        "HELM_CACHE_HOME": home,
        "HELM_CONFIG_HOME": home,
        "HELM_DATA_HOME": home,
    }
    done = subprocess.run(
        [str(binaries.find("helm")), *arguments],
        env=environment, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    if done.returncode:
        raise HelmError(done.stderr.strip())
    return done.stdout


def settings(values: Mapping[str, Any]) -> list[str]:
    """Values by their dotted paths, as arguments of helm."""
    return [
        word
        for path, value in values.items()
        for word in ("--set-json", f"{path}={json.dumps(value)}")
    ]


def rendered(
    values: Mapping[str, Any] | None = None,
    chart: Path = CHART,
    namespace: str = SYSTEM,
    name: str = "interact",
) -> list[Object]:
    """The manifests of a chart, without a cluster."""
    text = helm("template", name, str(chart), "--namespace", namespace, "--kube-version", KUBERNETES,
                *settings(values or {}))  # fmt: skip
    return [one for one in yaml.safe_load_all(text) if one]


def only(manifests: list[Object], kind: str, name: str) -> Object:
    """The one manifest of a kind with a name."""
    [found] = [one for one in manifests if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def kinds(manifests: list[Object]) -> dict[str, list[str]]:
    """Names by kind, in order."""
    found: dict[str, list[str]] = {}
    for one in manifests:
        found.setdefault(one["kind"], []).append(one["metadata"]["name"])
    return {kind: sorted(names) for kind, names in found.items()}


def pod_templates(manifests: list[Object]) -> dict[str, Object]:
    """Every pod that manifests make, by the name of its maker."""
    found = {}
    for one in manifests:
        if one["kind"] in {"Deployment", "StatefulSet"}:
            found[one["metadata"]["name"]] = template = one["spec"]["template"]
            for claim in one["spec"].get("volumeClaimTemplates", []):
                name = claim["metadata"]["name"]
                template["spec"]["volumes"].append(
                    {"name": name, "persistentVolumeClaim": {"claimName": name}}
                )
        elif one["kind"] == "Pod":
            found[one["metadata"]["name"]] = {"metadata": one["metadata"], "spec": one["spec"]}
    return found
