"""Render the charts into plain manifests: ``kubectl apply --server-side -k dist/manifests``.

``namespace.yaml``, ``crds.yaml`` and ``interact.yaml`` are applied in this order by
``kustomization.yaml``; ``operators/`` goes where pipelines are: ``kubectl apply -n stem -k …``.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[1]
KUBERNETES: Final = "1.36.0"
"""What is rendered for; nothing in the charts differs between versions they allow."""
FILES: Final = ("namespace.yaml", "crds.yaml", "interact.yaml")
HELM_ONLY: Final = {"helm.sh/resource-policy", "helm.sh/chart"}


class ManifestsError(Exception):
    """The charts cannot be rendered."""


def helm(named: str | None) -> str:
    """The program to render with.

    Raises:
        ManifestsError: If there is none.
    """
    found = named or shutil.which("helm")
    if not found:
        raise ManifestsError(
            "helm is not on PATH; install Helm 3.17 or newer, or name it: --helm FILE"
        )
    return found


def rendered(program: str, chart: str, namespace: str, *options: str) -> list[dict[str, Any]]:
    """The manifests of one chart, without its tests.

    Args:
        program: Helm.
        chart: Folder below ``helm/``.
        namespace: Where they go.
        options: More arguments of ``helm template``.

    Raises:
        ManifestsError: With Helm's words.
    """
    command = [program, "template", "interact", str(ROOT / "helm" / chart), "--namespace", namespace,
               "--kube-version", KUBERNETES, "--no-hooks", *options]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise ManifestsError(done.stderr.strip())
    return [_plain(one) for one in yaml.safe_load_all(done.stdout) if one]


def _plain(manifest: Any) -> Any:
    """Without what only Helm reads, in objects and in the pods they make."""
    if isinstance(manifest, list):
        return [_plain(one) for one in manifest]
    if not isinstance(manifest, dict):
        return manifest
    kept = {key: _plain(one) for key, one in manifest.items() if key not in HELM_ONLY}
    if kept.get("app.kubernetes.io/managed-by") == "Helm":
        kept["app.kubernetes.io/managed-by"] = "kubectl"
    if kept.get("annotations") == {}:
        del kept["annotations"]
    return kept


def write(program: str, out: Path, namespace: str, prefix: str) -> None:
    """Write all manifests.

    Args:
        program: Helm.
        out: The folder; emptied first.
        namespace: Of the controller and NATS.
        prefix: What image names begin with.
    """
    made = rendered(program, "interact", namespace, "--set", f"image.prefix={prefix}")
    crds = [one for one in made if one["kind"] == "CustomResourceDefinition"]
    rest = [one for one in made if one["kind"] != "CustomResourceDefinition"]
    operators = rendered(
        program, "interact-catalogue", namespace, "--set", f"image.prefix={prefix}"
    )
    for one in operators:
        one["metadata"].pop("namespace", None)  # people apply them where their pipelines are
    shutil.rmtree(out, ignore_errors=True)
    (out / "operators").mkdir(parents=True)
    _dump(out / "namespace.yaml", [_namespace(namespace)])
    _dump(out / "crds.yaml", crds)
    _dump(out / "interact.yaml", rest)
    _dump(out / "kustomization.yaml", [_kustomization(FILES)])
    _dump(out / "operators" / "operators.yaml", operators)
    _dump(out / "operators" / "kustomization.yaml", [_kustomization(["operators.yaml"])])


def _namespace(name: str) -> dict[str, Any]:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _kustomization(files: tuple[str, ...] | list[str]) -> dict[str, Any]:
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": list(files),
    }


def _dump(path: Path, manifests: list[dict[str, Any]]) -> None:
    path.write_text(yaml.safe_dump_all(manifests, sort_keys=False), encoding="utf-8")


def main() -> int:
    """Write the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--helm", help="the program; found on PATH without")
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "manifests")
    parser.add_argument("--namespace", default="interact-system")
    parser.add_argument("--prefix", default="interact", help="what image names begin with")
    given = parser.parse_args()
    try:
        write(helm(given.helm), given.out, given.namespace, given.prefix)
    except ManifestsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
