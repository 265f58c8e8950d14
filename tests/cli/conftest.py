"""A folder of small operators, and the command line as a person starts it."""

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from cli import programs
from interact import _main, _server, _spec
from interact.cli.app import app
from interact.cli.exits import CommandError
from interact_api.board import Board
from interact_api.load import load
from interact_api.report import Report, ScanReport
from interact_api.stream_plan import PlanSettings
from interact_api.streams import plan
from typer.testing import CliRunner

COMMAND = [sys.executable, "-c", "from interact.cli import main; main()"]
TIMEOUT_SECONDS = 60
LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Desk:
    """A working directory with a pipeline and its operators, and a place for temporary files."""

    folder: Path

    @property
    def leftovers(self):
        """What commands left in the place for temporary files."""
        return sorted(path.name for path in (self.folder / "tmp").iterdir())

    @property
    def environment(self):
        """The environment of the commands."""
        runs = self.folder / "runs"
        runs.mkdir(exist_ok=True)
        return {
            **os.environ, "TMPDIR": str(self.folder / "tmp"), "COLUMNS": "100",
            "XDG_RUNTIME_DIR": str(runs), "KUBECONFIG": str(self.folder / "no-kubeconfig"),
        }  # fmt: skip

    def start(self, *arguments):
        """Start a command in the background."""
        return subprocess.Popen(
            [*COMMAND, *map(str, arguments)], cwd=self.folder, env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    @contextmanager
    def under_way(self, *arguments):
        """Start a command whose source writes to the pipe ``mark`` once frames have gone."""
        os.mkfifo(self.folder / "mark")
        mark = os.open(self.folder / "mark", os.O_RDONLY | os.O_NONBLOCK)
        with self.start(*arguments) as process:
            while not select.select([mark], [], [], LOOK_SECONDS)[0]:
                assert process.poll() is None, process.communicate()
            os.close(mark)
            yield process

    def do(self, *arguments):
        """Run a command to its end."""
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=TIMEOUT_SECONDS)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def invoke(self, *arguments):
        """Run a command that starts no process to its end, in this one: it need not be imported."""
        result = CliRunner().invoke(app, [*map(str, arguments)], env=self.environment)
        if isinstance(result.exception, CommandError):
            err = "\n".join(result.exception.lines)
            return subprocess.CompletedProcess(
                arguments, int(result.exception.code), result.stdout, err
            )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return subprocess.CompletedProcess(
            arguments, result.exit_code, result.stdout, result.stderr
        )

    def run(self, *arguments):
        """`interact run pipeline.yaml …`; its exit code and its JSON document."""
        done = self.do("run", "pipeline.yaml", "--output", "json", *arguments)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="session")
def operators(tmp_path_factory) -> Path:
    """The folder of the small operators, each with its operator.yaml."""
    folder = tmp_path_factory.mktemp("operators")
    for name, code in programs.OPERATORS.items():
        (folder / name).mkdir()
        file = folder / name / "run.py"
        file.write_text(code)
        (folder / name / "operator.yaml").write_text(_spec.document(_main.found(file)))
    return folder


@pytest.fixture
def desk(tmp_path, operators) -> Desk:
    """A desk with the pipeline of `programs.pipeline`."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "pipeline.yaml").write_text(programs.pipeline())
    (tmp_path / "operators").symlink_to(operators)
    return Desk(tmp_path)


@pytest.fixture
def nats() -> Iterator[_server.Server]:
    """A nats-server that is not the run's own."""
    with _server.nats_server() as server:
        yield server


def sums(rows, columns, gain=1):
    """What the pipeline makes of counting's frames: 12 pixels of i + 10 r + c."""
    index = np.arange(rows * columns).reshape(rows, columns)
    return gain * (12 * index + 10 * (0 + 1 + 2) * 4 + (0 + 1 + 2 + 3) * 3)


def by_name(document, kind="operators", pipeline=0):
    """Entries of a run's document by their name."""
    return {entry["name"]: entry for entry in document["pipelines"][pipeline][kind]}


ROLES = {"reader": "source", "sum": "kernel", "picture": "reducer", "show": "kernel"}


@pytest.fixture
def board(operators):
    """A board of the small pipeline with two replicas of its kernel."""
    texts = [(operators / name / "operator.yaml").read_text() for name in programs.OPERATORS]
    resources = load("---\n".join([programs.pipeline(), *texts]), origin="test")
    settings = PlanSettings(namespace="n", installation="i", run="0" * 32)
    planned = plan(resources.pipelines[0], resources.catalogue(), settings)
    configs = {("demo", name): config for name, config in planned.operators.items()}
    return Board(configs, {key: 2 if key[1] == "sum" else 1 for key in configs})


def hear(board, operator, *, replica=0, pid=1, state="running", now=1.0, **counts):
    report = Report(operator, replica, pid, state, ROLES[operator], **counts)
    board.hear("demo", report, now)


def scan(covered, *, complete=False, **missing):
    return {"s-reader-0": ScanReport(covered, 45, complete, missing, (5, 9))}
