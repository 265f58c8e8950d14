"""The documentation's files and commands, run as a newcomer would."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from interact_api.conditions import Reason

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LONGEST_SECONDS = 110
"""For one command."""


def blocks(page: str) -> list[tuple[str, str, str]]:
    return BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))


def lay_out(page: str, folder: Path) -> list[Path]:
    """Write every block that has a title as the file it names."""
    written = []
    for _, info, text in blocks(page):
        if info.startswith("title="):
            path = folder / info.removeprefix("title=")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["/bin/sh", "-ec", command], cwd=folder, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False,
        env={**os.environ, "PATH": path, "INTERACT_OPERATORS": str(ROOT / "operators")},
    )  # fmt: skip


@pytest.mark.timeout(4 * LONGEST_SECONDS)  # three commands
def test_the_readme_works_from_top_to_bottom(tmp_path):
    lay_out("README.md", tmp_path)
    commands = [text for kind, info, text in blocks("README.md") if (kind, info) == ("sh", "run")]

    for command in commands:
        done = shell(command, tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    assert len(commands) == 3
    assert {path.name for path in (tmp_path / "pictures").glob("*.png")} == {
        "com.png",
        "picture.png",
    }


def test_an_operator_of_one_s_own_takes_about_twenty_lines():
    [code] = [text for kind, _, text in blocks("README.md") if kind == "python"]

    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= 20, f"{len(lines)} lines"


def test_every_operator_of_the_guide_is_one(tmp_path):
    written = [p for p in lay_out("docs/guide/operators.md", tmp_path) if p.name == "run.py"]

    for path in written:
        done = shell(f"interact operator spec {path}", tmp_path)
        assert done.returncode == 0, f"{path}\n{done.stderr}"
        assert "kind: InteractOperator" in done.stdout
    assert len(written) == 5


def test_the_tests_of_the_guide_pass(tmp_path):
    lay_out("docs/guide/operators.md", tmp_path)

    done = shell("python -m pytest -q -p no:cacheprovider threshold", tmp_path)

    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        *(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")),
    ],
)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")

    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", text):
        assert ((ROOT / page).parent / target).exists(), f"{page} links to {target}"


def test_the_exit_codes_of_the_guide_are_those_of_the_program():
    from interact.cli.exits import Exit

    rows = re.findall(r"^\| (\d+) \|", (ROOT / "docs/guide/running.md").read_text(), re.MULTILINE)

    assert [int(row) for row in rows] == [int(code) for code in Exit]


def test_the_page_about_running_names_every_variable_a_process_reads():
    code = "".join(p.read_text() for p in (ROOT / "operators/sdk/interact").glob("_*.py"))
    page = (ROOT / "docs/guide/running.md").read_text(encoding="utf-8")

    read = set(re.findall(r'"(INTERACT_[A-Z_]+)"', code))

    assert len(read) > 10
    assert {name for name in read if f"`{name}`" not in page} == set()


def test_the_page_about_status_knows_every_reason_the_controller_gives():
    page = (ROOT / "docs/guide/status.md").read_text(encoding="utf-8")
    code = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "controller" / "interact_controller").rglob("*.py")
    )
    good = {"Accepted", "Ready", "Running", "Idle", "Drained", "Suspended", "Completed", "Unknown"}

    given = {reason for reason in Reason if f"Reason.{reason.name}" in code} - good

    assert given
    assert {reason.value for reason in given if f"`{reason}`" not in page} == set()
