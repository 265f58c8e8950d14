"""A real cluster as the tests use it: kubectl, helm, images."""

import os
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml
from cluster import binaries

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT.parent / "shared" / "tools" / "cluster"
SYSTEM = "interact-system"
EXAMPLE_OPERATORS = ("scan-reader", "center-of-mass-partial", "center-of-mass-reduce", "dpc", "virtual-bfdf-partial",
                     "scan-image", "diffraction-pattern-accumulator", "image-display")  # fmt: skip
IMAGES = ("base", "stem", "controller", "nats", *EXAMPLE_OPERATORS)
"""Relays run in stem, as operators do."""

Object = dict[str, Any]


class ProgramError(Exception):
    """A program failed, with what it said."""


def run(
    *command: str,
    seconds: float = 120,
    given: str | None = None,
    environment: dict[str, str] | None = None,
) -> str:
    """What a program prints.

    Raises:
        ProgramError: If it fails.
    """
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=seconds, check=False, cwd=ROOT,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    if done.returncode:
        said = f"{done.stdout.strip()[-2000:]}\n{done.stderr.strip()[-2000:]}"
        raise ProgramError(f"{shlex.join(command)} gave {done.returncode}: {said}")
    return done.stdout


class Images:
    """Where images come from.

    Attributes:
        prefix: What their names begin with.
        tag: Their tag.
        pull_policy: What lets pods use those that were brought to the nodes.
    """

    pull_policy = "IfNotPresent"

    def __init__(self) -> None:
        there = os.environ.get("INTERACT_E2E_IMAGES", "")
        docker = _works("docker", "info")
        self.prefix, _, self.tag = (
            there or f"{'' if docker else 'localhost/'}interact:e2e"
        ).rpartition(":")
        if not there:
            self._build(docker)
            self._load()

    def name(self, image: str) -> str:
        """One of them, as pods name it."""
        return f"{self.prefix}/{image}:{self.tag}"

    def names(self) -> list[str]:
        """All of them."""
        return [self.name(image) for image in IMAGES]

    def _build(self, docker: bool) -> None:
        given = {"IMAGE_PREFIX": self.prefix, "IMAGE_TAG": self.tag, "ONLY": " ".join(IMAGES)}
        if (
            not docker and "BASE" not in os.environ
        ):  # no registry: a base image of the machine's packages
            given |= {
                "BASE": run(str(TOOLS / "base.sh"), seconds=600).split()[-1],
                "IMAGE_PYTHON": "3.11",
            }
        run("make", "images", *(f"{name}={value}" for name, value in given.items()), seconds=1800)

    def _load(self) -> None:
        loader = shlex.split(os.environ.get("IMAGE_LOADER") or str(TOOLS / "load.sh"))
        with ThreadPoolExecutor(2) as loaders:  # one packs while the other unpacks
            list(loaders.map(lambda image: run(*loader, image, seconds=1800), self.names()))


def _works(*command: str) -> bool:
    if not shutil.which(command[0]):
        return False
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0


class Cluster:
    """A cluster by its kubeconfig file.

    Attributes:
        kubeconfig: The file.
    """

    def __init__(self, kubeconfig: Path) -> None:
        self.kubeconfig = kubeconfig

    def kubectl(self, *arguments: str, given: str | None = None, seconds: float = 120) -> str:
        """What kubectl prints."""
        return run(self._program("kubectl"), "--kubeconfig", str(self.kubeconfig), *arguments,
                   given=given, seconds=seconds)  # fmt: skip

    def helm(self, *arguments: str, seconds: float = 400) -> str:
        """What helm prints."""
        return run(
            self._program("helm"), "--kubeconfig", str(self.kubeconfig), *arguments, seconds=seconds
        )

    def interact(self, *arguments: str, seconds: float = 120) -> str:
        """What our own command line prints, asked about this cluster."""
        program = str(Path(sys.executable).with_name("interact"))
        return run(
            program, *arguments, seconds=seconds, environment={"KUBECONFIG": str(self.kubeconfig)}
        )

    def get(self, *arguments: str) -> Object:
        """An object, or a list of them."""
        made: Object = yaml.safe_load(self.kubectl("get", *arguments, "-o", "yaml"))
        return made

    def items(self, *arguments: str) -> list[Object]:
        """The objects of a list."""
        found: list[Object] = self.get(*arguments)["items"]
        return found

    def apply(self, manifest: Object | str, namespace: str) -> None:
        """Apply server-side."""
        text = manifest if isinstance(manifest, str) else yaml.safe_dump(manifest)
        self.kubectl("apply", "--server-side", "-n", namespace, "-f", "-", given=text)

    def namespace(self, name: str, security: str = "restricted") -> None:
        """Make a namespace under a level of Pod Security."""
        self.kubectl("create", "namespace", name)
        self.kubectl("label", "namespace", name, f"pod-security.kubernetes.io/enforce={security}")

    @staticmethod
    def _program(name: str) -> str:
        return str(binaries.find(name))
