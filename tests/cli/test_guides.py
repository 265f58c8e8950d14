"""The commands of the pages about parameters and triggers, on a run of this machine."""

import re
import shlex
import signal
from pathlib import Path

import pytest
from interact import _main, _spec
from interact.cli.exits import Exit

pytestmark = [pytest.mark.nats, pytest.mark.slow]

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide"
BLOCK = re.compile(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TIMEOUT_SECONDS = 60
PIPELINE = """\
apiVersion: interact.science/v1alpha1
kind: Pipeline
metadata: {name: demo}
spec:
  operators:
    - {name: reader, operatorRef: {name: counting}, parameters: {repeats: 0, pause: 0.01}}
    - {name: denoise, operatorRef: {name: denoise}}
    - {name: count, operatorRef: {name: counted}}
  edges:
    - {from: reader.out, to: denoise.frames}
    - {from: denoise.out, to: count.frames}
"""
COUNTED = '''"""A threshold, for the page."""

from interact import DenseFrames, Param, operator


@operator
def counted(frames: DenseFrames, *, threshold: int = Param(10, minimum=0)) -> None:
    """Takes what comes."""


if __name__ == "__main__":
    counted.main()
'''


def commands(page):
    """The commands a page asks its reader to run."""
    return [
        shlex.split(line)[1:]
        for kind, info, text in BLOCK.findall((GUIDE / page).read_text(encoding="utf-8"))
        if (kind, info) == ("sh", "run")
        for line in text.splitlines()
    ]


@pytest.fixture
def laid_out(desk, operators):
    """The desk with the operators of the pages beside the small ones."""
    (desk.folder / "operators").unlink()
    (desk.folder / "operators").mkdir()
    (desk.folder / "operators" / "counting").symlink_to(operators / "counting")
    [code] = [
        text
        for kind, info, text in BLOCK.findall((GUIDE / "triggers.md").read_text(encoding="utf-8"))
        if info == "title=denoise/run.py"
    ]
    for name, text in (("denoise", code), ("counted", COUNTED)):
        folder = desk.folder / "operators" / name
        folder.mkdir()
        (folder / "run.py").write_text(text)
        (folder / "operator.yaml").write_text(_spec.document(_main.found(folder / "run.py")))
    (desk.folder / "pipeline.yaml").write_text(PIPELINE)
    return desk


@pytest.mark.parametrize("page", ["parameters.md", "triggers.md"])
def test_the_commands_of_a_page_do_what_it_says(laid_out, page):
    with laid_out.under_way("run", "pipeline.yaml", "--set", "reader.mark=mark") as run:
        done = [laid_out.invoke(*command) for command in commands(page)]
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=TIMEOUT_SECONDS)

    assert len(done) >= 3
    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * len(done)
    assert run.returncode == Exit.INTERRUPTED
