"""The page about recording and replaying, run as a newcomer would, on a scan from a file."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from interact.recording import recorded

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/guide/replay.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SECONDS = 280


def shell(command, folder):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/sh", "-ec", command], cwd=folder, capture_output=True, text=True, timeout=SECONDS,
        check=False, env={**os.environ, "PATH": path, "INTERACT_OPERATORS": str(ROOT / "operators")},
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def picture(folder):
    [file] = folder.glob("*.npz")
    with np.load(file) as archive:
        return {name: archive[name] for name in archive.files}


def direct(folder, **values):
    """The pictures of the same parameters in a run without a recording."""
    pipeline = yaml.safe_load((ROOT / "examples/replay/replay.yaml").read_text())
    by_name = {one["name"]: one for one in pipeline["spec"]["operators"]}
    by_name["replay"]["operatorRef"]["name"] = "scan-reader"
    by_name["replay"]["parameters"] = {"path": str(ROOT / "examples/srtio3/simulated.h5")}
    by_name["apertures"]["parameters"] |= values
    (folder / "direct.yaml").write_text(yaml.safe_dump(pipeline))
    shell("interact run direct.yaml --images direct", folder)
    return picture(folder / "direct")


@pytest.mark.nats
@pytest.mark.timeout(2 * SECONDS)
def test_a_replay_with_other_parameters_is_the_run_they_would_have_given(tmp_path):
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    commands = [text for kind, info, text in BLOCK.findall(PAGE) if (kind, info) == ("sh", "run")]

    for command in commands:
        shell(command, tmp_path)
    [script] = [text for kind, _, text in BLOCK.findall(PAGE) if kind == "python"]
    (tmp_path / "read.py").write_text(script)
    listed = shell("python read.py", tmp_path)

    assert len(commands) == 2
    [one] = recorded(tmp_path / "first.scans")
    assert (one.covered, one.scan.shape) == (4096, (64, 64))
    assert listed.startswith(f"{one.scan.id} (64, 64) 4096 of 4096\nsparse 0 ")
    expected = direct(tmp_path, radius=16, inner=16, outer=30)
    found = picture(tmp_path / "out/third")
    assert sorted(found) == sorted(expected)
    for name, channel in expected.items():
        assert channel.tobytes() == found[name].tobytes(), name
    first = picture(tmp_path / "out/first")
    assert any(not np.array_equal(first[name], found[name]) for name in found)
