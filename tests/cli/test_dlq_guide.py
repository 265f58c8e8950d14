"""The page about dead letters, from top to bottom, as somebody with two terminals reads it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.nats, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guide" / "dead-letters.md"
BLOCK = re.compile(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATIENCE_SECONDS = 90.0


def blocks() -> list[tuple[str, str, str]]:
    """The blocks of the page: language, what follows it, and the text."""
    return BLOCK.findall(PAGE.read_text(encoding="utf-8"))


def environment(folder: Path) -> dict[str, str]:
    runs = folder / "runs"
    runs.mkdir(exist_ok=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {
        **os.environ, "PATH": path, "INTERACT_OPERATORS": str(ROOT / "operators"),
        "XDG_RUNTIME_DIR": str(runs), "KUBECONFIG": str(folder / "no-kubeconfig"),
    }  # fmt: skip


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-ec", command], cwd=folder, env=environment(folder), capture_output=True,
        text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip


@contextmanager
def under_way(command: str, folder: Path):
    """A command in the other terminal; Ctrl-C ends it."""
    with (folder / "terminal").open("w") as terminal, subprocess.Popen(
        ["/bin/sh", "-ec", command], cwd=folder, env=environment(folder), stdout=terminal,
        stderr=subprocess.STDOUT, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def until(wanted, process, folder):
    """Look until something is so, while the run lasts."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not wanted():
        said = (folder / "terminal").read_text()
        assert process.poll() is None, said
        assert time.monotonic() < end, said
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)


@pytest.mark.timeout(400)  # six commands and four processes, maybe on a busy machine
def test_a_frame_that_failed_comes_back(tmp_path):
    for _, info, text in blocks():
        if info.startswith("title="):
            file = tmp_path / info.removeprefix("title=")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
    commands = {info: text for kind, info, text in blocks() if kind == "sh" and info}
    facts = tmp_path / "pictures" / "picture.json"

    def missing():
        return json.loads(facts.read_text())["missing"] if facts.exists() else None

    with under_way(commands["background"], tmp_path) as process:
        until(lambda: missing() == {"failed": 1}, process, tmp_path)
        listed = shell(commands["list"], tmp_path)
        mended = shell(commands["mend"], tmp_path)
        assert (listed.returncode, mended.returncode) == (0, 0), listed.stderr + mended.stderr
        until(lambda: missing() == {}, process, tmp_path)
        process.send_signal(signal.SIGINT)
        code = process.wait(PATIENCE_SECONDS)

    title, row = listed.stdout.splitlines()[:2]
    [shown] = [text for kind, _, text in blocks() if kind == "text"]
    assert title.split() == shown.splitlines()[0].split()
    assert row.split()[:3] == shown.splitlines()[1].split()[:3]
    assert row.split()[4:-1] == shown.splitlines()[1].split()[4:-1]
    with np.load(tmp_path / "frame.npz") as frame:
        assert frame["index"].tolist() == [577]
    assert code == 0, (tmp_path / "terminal").read_text()
