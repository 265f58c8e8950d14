"""The page about cluster commands, run from top to bottom, and the help of every command."""

import re
import shlex
import threading
from pathlib import Path

import pytest
import typer.main
import yaml
from cli.cluster.labs import OPERATORS, pipeline
from cli.cluster.stored import condition, operator_state
from cluster.kube import KubeError
from interact.cli.app import app
from interact.cli.cluster import commands
from interact.cli.exits import Exit
from typer.testing import CliRunner

PAGE = Path(__file__).resolve().parents[3] / "docs/guide/cluster-commands.md"
BLOCK = re.compile(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = sorted(one.name or one.callback.__name__ for one in commands.app.registered_commands)


def lines(*infos):
    """The commands of the page's blocks of these kinds, in their order."""
    found = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    return [
        shlex.split(line)
        for kind, info, text in found
        for line in text.splitlines()
        if kind == "sh" and info in infos
    ]


class Standin:
    """Writes the status a controller would write of each new specification, at once."""

    def __init__(self, kube):
        self.kube = kube
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.work)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join(30)

    def work(self):
        while not self.ended.wait(0.05):
            found = self.kube.find("pipelines", "demo")
            if found is not None:
                self.answer(found)

    def answer(self, found):
        spec, generation = found["spec"], found["metadata"]["generation"]
        if found.get("status", {}).get("observedGeneration") == generation:
            return
        still = spec.get("suspend") or spec.get("drain")
        phase = "Suspended" if spec.get("suspend") else "Draining" if still else "Running"
        reason = "Drained" if spec.get("drain") else phase
        numbers = [0 if still else one.get("replicas", 1) for one in spec["operators"]]
        states = [
            operator_state(one["name"], ready=n, replicas=n, parameterRevision=generation)
            for one, n in zip(spec["operators"], numbers, strict=True)
        ]
        status = {
            "observedGeneration": generation, "phase": phase, "operators": states,
            "conditions": [{**condition("Ready", reason=reason), "observedGeneration": generation}],
        }  # fmt: skip
        try:
            self.kube.patch_status("pipelines", "demo", status)
        except KubeError as error:
            if error.status != 404:  # deleted meanwhile
                raise


def test_the_page_works_from_top_to_bottom(plane, kube, namespace, tmp_path, monkeypatch):
    plane.write_kubeconfig(tmp_path / "config", plane.admin_token, namespace)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    kube.apply(OPERATORS)
    kube.apply(pipeline())

    with Standin(kube):
        for command in lines("run"):
            done = CliRunner().invoke(app, command[1:])
            assert (done.exit_code, done.exception) == (0, None), (command, done.output)
            assert done.stdout, command

    assert kube.find("pipelines", "demo") is None
    assert {command[1] for command in lines("run", "")} == {*COMMANDS, "images"}


def test_the_commands_that_need_more_than_a_cluster_are_written_right():
    group = typer.main.get_command(app)

    for command in lines(""):
        name, rest = command[1], list(command[2:])
        assert group.commands[name].make_context(name, rest).params, command


def test_the_exit_codes_of_the_page_are_those_of_the_program():
    rows = re.findall(r"^\| (\d+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    codes = {int(row) for row in rows}
    assert codes <= set(map(int, Exit))
    assert codes >= {code.value for code in Exit if Exit.STALLED < code < Exit.INTERRUPTED}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_teaches_with_commands_that_parse(command):
    said = CliRunner().invoke(app, [command, "--help"]).output
    group = typer.main.get_command(app)

    examples = re.findall(
        r"^    interact (.*?)(?:   +.*)?$", said.split("Options:")[0], re.MULTILINE
    )
    assert examples, said
    for example in examples:
        name, *rest = shlex.split(example)
        assert name == command
        group.commands[name].make_context(name, rest)


def applied_again(kube, found):
    kube.apply(found, manager="gitops")


def test_a_value_outside_the_file_stays_when_the_file_is_applied_again(kube, plane, namespace):
    where = ["--kubeconfig", str(plane.kubeconfig), "-n", namespace]
    kube.apply(OPERATORS)
    applied_again(kube, pipeline())

    for command in (["set", "demo", "sum.gain=7", "sum.mode=exact"], ["scale", "demo", "sum=3"]):
        assert CliRunner().invoke(app, [*command, *where]).exit_code == 0
    applied_again(kube, pipeline())

    entry = kube.get("pipelines", "demo")["spec"]["operators"][1]
    assert entry["parameters"] == {"gain": 7, "mode": "fast"}
    assert entry["replicas"] == 3


def test_the_fields_argo_cd_is_told_to_ignore_are_those_the_commands_own(kube, plane, namespace):
    [(_, _, text)] = [block for block in BLOCK.findall(PAGE.read_text()) if block[0] == "yaml"]
    [ignored] = yaml.safe_load(text)["spec"]["ignoreDifferences"]
    where = ["--kubeconfig", str(plane.kubeconfig), "-n", namespace]
    kube.apply(OPERATORS)
    applied_again(kube, pipeline())

    CliRunner().invoke(app, ["set", "demo", "sum.mode=exact", *where])

    managers = {
        one["manager"]: one["fieldsV1"]
        for one in kube.get("pipelines", "demo")["metadata"]["managedFields"]
    }
    [owner] = ignored["managedFieldsManagers"]
    assert "f:mode" in str(managers[owner])
    assert "f:mode" not in str(managers["gitops"])
    assert (ignored["group"], ignored["kind"]) == ("interact.science", "Pipeline")
