"""The page about external systems: its commands beside a real controller, its objects, its class."""

import asyncio
import re
import shlex
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster.kube import KubeError
from cluster.plane import Plane
from external.rig import Controller, Rig
from interact.cli.app import app
from interact.external import ExternalOperator, ExternalRunStatus, RunHandle, Task
from interact_api.load import load
from interact_controller import kube as door
from interact_controller.external.drivers import known
from interact_controller.policy import Policy
from typer.testing import CliRunner

PAGE = Path(__file__).resolve().parents[2] / "docs/guide/external-systems.md"
SHIPPED = PAGE.parents[2] / "operators"
BLOCK = re.compile(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
FILES = {info.removeprefix("title="): text for _, info, text in BLOCKS if info.startswith("title=")}
OBJECTS = {name: yaml.safe_load(text) for name, text in FILES.items() if name.endswith(".yaml")}


@pytest.fixture
def laid_out(plane: Plane, rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's files in the working directory, and a kubeconfig of the namespace of runs."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    plane.write_kubeconfig(tmp_path / "config", plane.admin_token, rig.kube.namespace)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def done(plane: Plane, rig: Rig, words: list[str]) -> str:
    """What a command of the page says."""
    if words[0] == "kubectl":
        return plane.kubectl(*words[1:], "-n", rig.kube.namespace)
    result = CliRunner().invoke(app, words[1:])
    assert (result.exit_code, result.exception) == (0, None), (words, result.output)
    return result.stdout


async def settle(controller: Controller) -> None:
    """Let the controller see what the command did, and what follows from it."""
    for _ in range(3):
        await controller.hear()
        for name in [key.name for key in controller.given.objects.keys(controller.key("").kind)]:
            await controller.look(name)


async def test_the_commands_of_the_page_do_what_it_says(
    plane: Plane, rig: Rig, laid_out: Path
) -> None:
    commands = [
        shlex.split(line)
        for kind, info, text in BLOCKS
        if (kind, info) == ("sh", "run")
        for line in text.splitlines()
    ]
    said: dict[str, str] = {}
    connection = await door.connection({"KUBECONFIG": str(plane.kubeconfig)})

    async with door.door(connection, "guide", lambda: True) as api:
        rig.makers = known.makers(api, Policy(installation="guide", namespace=rig.release))
        async with rig.controller() as controller:
            for words in commands:
                said[" ".join(words)] = await asyncio.to_thread(done, plane, rig, words)
                await settle(controller)

    assert len(commands) == 15
    results = "kubectl get xrun judge-1 -o jsonpath={.status.results}"
    assert yaml.safe_load(said[results]) == {"verdict": "go on", "dose": 3}
    assert "WAITING_EXTERNAL" in said["interact runs show judge-1"]
    assert said["interact runs watch judge-1"].splitlines()[-1].startswith("judge-1: COMPLETED")
    assert (laid_out / "judge-1.tar").exists()
    assert rig.kube.find("externalruns", "judge-1-r2") is None
    assert rig.claims() == []


@pytest.mark.parametrize("name", OBJECTS)
def test_the_objects_of_the_page_are_right(rig: Rig, name: str) -> None:
    known = [text for name, text in FILES.items() if name.endswith("/operator.yaml")]
    known += [one.read_text() for one in SHIPPED.glob("*/operator.yaml")]
    operators = load("\n---\n".join(known)).catalogue()
    data = OBJECTS[name]
    data["metadata"].pop("namespace", None)

    load(FILES[name], origin=name, operators=operators)
    try:
        rig.kube.apply(data, dry_run=True)
    except KubeError as error:
        pytest.fail(f"{name}: {error}")


def test_every_driver_has_its_example() -> None:
    specs: list[Any] = [one["spec"] for one in OBJECTS.values()]
    drivers = {one.get("driver") or one.get("execution", {}).get("driver") for one in specs}

    assert drivers - {None} == {"human", "slurm", "http", "kubernetes-job", "experiment", "custom"}


def test_the_class_of_the_page_does_its_work_in_thirty_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = types.ModuleType("facility_client")
    client.submit = lambda key, params: f"{key}:{params['energy']}"  # type: ignore[attr-defined]
    client.state = lambda _: "done"  # type: ignore[attr-defined]
    client.result = lambda number: {"number": number}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "facility_client", client)
    code = FILES["facility/run.py"]
    space: dict[str, Any] = {"__name__": "facility"}

    exec(compile(code, "run.py", "exec"), space)  # noqa: S102  # the page's own code
    one: ExternalOperator = space["Facility"]()
    task = Task(task_id="xrun-1", parameters={"energy": 80})
    handle = one.submit(one.prepare_run(RunHandle("uid", tmp_path), task))
    handle = one.check_status(handle)

    assert handle.status is ExternalRunStatus.COMPLETED
    assert one.collect_results(handle).data == {"number": "xrun-1:80"}
    assert len([line for line in code.splitlines() if line.strip()]) <= 30
