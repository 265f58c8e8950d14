"""`interact runs` on a real API server: lists, tells, cancels, retries, follows, exports."""

import hashlib
import io
import json
import re
import shlex
import tarfile
import threading

import pytest
import typer.main
from cli.cluster.runs_at_work import SLURM, TIME, Runs
from interact.cli.app import app
from interact.cli.cluster import runs_commands
from interact.cli.exits import Exit
from typer.testing import CliRunner


@pytest.fixture
def desk(plane, kube, namespace):
    """A person's commands in a namespace of runs."""
    return Runs(kube, plane.kubeconfig, namespace)


def test_runs_are_listed_with_the_columns_of_kubectl(desk, plane, namespace):
    desk.made("reduce-1", phase="RUNNING", driver="slurm", externalId="991", reason="Running")
    desk.made("reduce-2")

    shown = [line.split() for line in desk.said("runs", "list").splitlines()]
    kubectl = plane.kubectl("get", "xrun", "-n", namespace).splitlines()[0].split()

    assert shown[0] == kubectl
    assert shown[1][:5] == ["reduce-1", "slurm", "RUNNING", "991", "1"]
    assert shown[2][0] == "reduce-2"
    assert "SYSTEM" in desk.said("runs", "list", "-o", "wide")
    assert json.loads(desk.said("runs", "list", "reduce-2", "-o", "json"))["kind"] == "ExternalRun"
    assert desk.said("get", "runs", "-o", "name", "-l", "scan=reduce-2").split() == [
        "externalrun.interact.science/reduce-2"
    ]


def test_a_run_is_told_with_its_attempts_results_and_artifacts(desk):
    spec = SLURM | {"parameters": [{"name": "threshold", "value": 3.5}]}
    desk.ended(
        "reduce-1", spec, driver="slurm", system="hpc", results={"total": 12},
        artifacts=[{"name": "sum", "path": "sum.npy", "bytes": 3, "sha256": "ab" * 32}],
        attempts=[{"number": 1, "phase": "COMPLETED", "externalId": "991", "createdTime": TIME}],
        conditions=[{"type": "Completed", "status": "True", "reason": "Completed",
                     "lastTransitionTime": TIME}],
    )  # fmt: skip

    said = desk.said("runs", "show", "reduce-1")

    for words in (
        "Driver:", "hpc", "COMPLETED", "991", "threshold", "3.5", '"total": 12', "sum.npy",
        "ab" * 32, "Completed", "Events",
    ):  # fmt: skip
        assert words in said, (words, said)
    described = desk.said("describe", "run/reduce-1")
    assert [one.split()[:1] for one in described.splitlines()] == [
        one.split()[:1] for one in said.splitlines()
    ]
    shown = json.loads(desk.said("runs", "show", "reduce-1", "-o", "json"))
    assert shown["status"]["results"] == {"total": 12}


def test_a_run_that_is_not_there_is_told_with_those_that_are(desk):
    desk.made("reduce-1")

    for command in ("show", "cancel", "retry", "export", "logs", "watch", "answer"):
        code, words = desk.refused("runs", command, "absent")
        assert code is Exit.NOT_FOUND, command
        assert "there are reduce-1" in words, command


def test_cancel_is_asked_once_and_never_of_a_run_that_has_ended(desk):
    desk.made("reduce-1", phase="RUNNING")
    desk.ended("reduce-2")

    said = desk.said("runs", "cancel", "reduce-1", "reduce-2").splitlines()

    assert "is being cancelled" in said[0]
    assert said[1] == "run 'reduce-2': has ended already: COMPLETED"
    assert desk.kube.get("externalruns", "reduce-1")["spec"]["cancel"] is True
    assert desk.kube.get("externalruns", "reduce-2")["spec"]["cancel"] is False


def test_a_retry_is_another_run_that_asks_for_the_same(desk):
    before = desk.ended("reduce-1", SLURM | {"cancel": True, "deadline": "1h"}, phase="CANCELLED")

    desk.said("runs", "retry", "reduce-1")
    again = json.loads(desk.said("runs", "retry", "reduce-1", "-o", "json"))
    desk.said("runs", "retry", "reduce-1", "--name", "by-hand")

    first = desk.kube.get("externalruns", "reduce-1-r2")
    assert again["metadata"]["name"] == "reduce-1-r3"
    assert first["spec"] == before["spec"] | {"cancel": False}
    assert "status" not in first
    assert first["metadata"]["annotations"] == {
        "interact.science/retry-of": f"reduce-1/{before['metadata']['uid']}"
    }
    assert desk.kube.get("externalruns", "reduce-1") == before
    code, words = desk.refused("runs", "retry", "reduce-1", "--name", "by-hand")
    assert (code, "choose another --name" in words) == (Exit.INVALID, True)


def test_a_run_that_goes_on_is_neither_retried_nor_exported(desk, tmp_path):
    desk.made("reduce-1", phase="RUNNING")
    out = tmp_path / "evidence.tar"

    for command in (["retry", "reduce-1"], ["export", "reduce-1", "--out", out]):
        code, words = desk.refused("runs", *command)
        assert code is Exit.INVALID
        assert "has not ended: it is RUNNING" in words
    desk.said("runs", "export", "reduce-1", "--out", out, "--partial")
    assert out.exists()


def test_the_evidence_of_a_run_is_the_same_bytes_each_time(desk, tmp_path):
    desk.asked("judge-1")
    desk.said("runs", "answer", "judge-1", "--value", "verdict=accept")
    artifacts = [
        {"name": name, "path": f"{name}.npy", "bytes": 3, "sha256": "ab" * 32}
        for name in ("sum", "mask")
    ]
    desk.at("judge-1", phase="COMPLETED", results={"verdict": "accept"}, artifacts=artifacts)

    desk.said("runs", "export", "judge-1", "--out", tmp_path / "a.tar")
    desk.kube.patch("externalruns", "judge-1", {"metadata": {"annotations": {"looked": "at"}}})
    said = desk.said("runs", "export", "judge-1", "--out", tmp_path / "b.tar")
    manifest = json.loads(
        desk.said("runs", "export", "judge-1", "--out", tmp_path / "c.tar", "-o", "json")
    )

    first, second = ((tmp_path / name).read_bytes() for name in ("a.tar", "b.tar"))
    assert first == second
    assert hashlib.sha256(second).hexdigest() in said
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        members = archive.getmembers()
        files = {one.name: archive.extractfile(one).read() for one in members}
    assert list(files) == sorted(files)
    assert {(one.mtime, one.uid, one.gid, one.uname) for one in members} == {(0, 0, 0, "")}
    assert {one["path"]: one["sha256"] for one in manifest["files"]} == {
        name.removeprefix("judge-1/"): hashlib.sha256(data).hexdigest()
        for name, data in files.items()
        if name != "judge-1/manifest.json"
    }
    assert json.loads(files["judge-1/answers/1.json"])["data"] == {"verdict": "accept"}
    assert json.loads(files["judge-1/results.json"]) == {"verdict": "accept"}
    assert [one["name"] for one in manifest["artifacts"]] == ["mask", "sum"]
    assert "resourceVersion" not in json.loads(files["judge-1/run.json"])["metadata"]


def test_a_watch_tells_each_change_and_ends_with_the_runs(desk):
    desk.made("reduce-1", phase="SUBMITTED", externalId="991")
    desk.made("reduce-2", phase="RUNNING")
    done = []
    watching = threading.Thread(
        target=lambda: done.append(
            desk.do("runs", "watch", "reduce-1", "reduce-2", "--timeout", "60")
        )
    )
    watching.start()

    desk.at("reduce-1", phase="RUNNING", reason="Running")
    desk.at("reduce-1", phase="COMPLETED", reason="Completed")
    desk.at("reduce-2", phase="FAILED", reason="OutOfMemory", message="killed at 4 GiB")
    watching.join(60)

    [(code, out, err)] = done
    assert (code, err) == (Exit.FAILED, "")
    last = {line.split(":")[0]: line for line in out.splitlines()}
    assert last["reduce-1"] == "reduce-1: COMPLETED, 991 (Completed)"
    assert last["reduce-2"] == "reduce-2: FAILED (OutOfMemory: killed at 4 GiB)"


def test_a_watch_of_what_has_completed_ends_at_once_and_json_is_for_programs(desk):
    desk.ended("reduce-1")

    code, out, _ = desk.do("runs", "watch", "reduce-1", "-o", "json")

    told = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(one["event"], one["run"]["status"]["phase"]) for one in told] == [
        ("ADDED", "COMPLETED")
    ]


def test_a_watch_ends_when_its_time_is_up_or_its_run_is_deleted(desk):
    desk.made("reduce-1", phase="RUNNING")
    code, words = desk.refused("runs", "watch", "reduce-1", "--timeout", "1")
    assert (code, "not ended after 1 s: reduce-1" in words) == (Exit.TIMEOUT, True)

    done = []
    watching = threading.Thread(
        target=lambda: done.append(desk.do("runs", "watch", "reduce-1", "--timeout", "60"))
    )
    watching.start()
    desk.at("reduce-1", phase="WAITING_EXTERNAL")
    desk.kube.delete("externalruns", "reduce-1")
    watching.join(60)

    assert done[0][0] is Exit.NOT_FOUND


def test_logs_of_work_elsewhere_are_told_where_they_are(desk):
    desk.made(
        "reduce-1", phase="RUNNING", system="hpc", externalId="991",
        attempts=[{"number": 1, "phase": "RUNNING", "externalId": "991"}],
    )  # fmt: skip

    code, words = desk.refused("runs", "logs", "reduce-1")

    assert code is Exit.NOT_FOUND
    assert "attempt 1 of run 'reduce-1' is '991' on system 'hpc'" in words
    assert "was not submitted" in desk.refused("runs", "logs", "reduce-1", "--attempt", "2")[1]


COMMANDS = sorted(
    one.name or one.callback.__name__ for one in runs_commands.app.registered_commands
)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_teaches_with_commands_that_parse(command):
    said = CliRunner().invoke(app, ["runs", command, "--help"]).output
    group = typer.main.get_command(app).commands["runs"]

    examples = re.findall(
        r"^    interact runs (.*?)(?:   +.*)?$", said.split("Options:")[0], re.MULTILINE
    )
    assert examples, said
    for example in examples:
        name, *rest = shlex.split(example)
        assert name == command
        assert group.commands[name].make_context(name, rest).params
