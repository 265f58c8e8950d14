"""The promise of the README: `make run` ends well and leaves its pictures."""

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.nats, pytest.mark.slow, pytest.mark.timeout(300)]


def test_the_examples_run_and_meet_their_references(repository, tmp_path):
    command = [sys.executable, "-m", "examples", "--fast", "--images", str(tmp_path / "out")]

    done = subprocess.run(
        command, cwd=repository, capture_output=True, text=True, timeout=280, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "all 21 comparisons pass" in done.stdout
    pictures = {
        str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*.png")
    }
    assert {"sheet.png", "srtio3/dpc.png", "xray/com.png", "ebsd/pattern.png"} <= pictures
