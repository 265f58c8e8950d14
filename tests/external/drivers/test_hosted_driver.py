"""Classes in pods of their own, asked over a real NATS: the pod's process runs in this one here."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cluster.kube import Kube
from external.drivers import my_api_client
from external.drivers.awaiting import until
from external.drivers.guides_operator import MyCustomOperator
from interact import SettingsError
from interact._server import Server
from interact.external import ExternalOperator, ExternalRunHandle, PathRefused
from interact.external_experiment import Experiment
from interact.external_serving import Place, place, serve
from interact_api import names
from interact_api.border import decode, encode
from interact_api.external import Repeat, Run, State
from interact_api.external_calls import ExternalAnswer, ExternalCall, Method
from interact_api.external_sections import ExperimentRun
from interact_api.operator import InteractOperator
from interact_controller import jetstream
from interact_controller.external import reading
from interact_controller.external.driver import Ambiguous, ExternalError, Refused, repeat_of
from interact_controller.external.drivers import hosts
from interact_controller.external.drivers.hosted import HostedDriver
from interact_controller.external.drivers.hosts import CustomHost, Hosting
from interact_controller.external.drivers.objects import Requests
from interact_controller.external.drivers.pods import KEY_LABEL

pytestmark = pytest.mark.nats
Make = Callable[..., Run]


@pytest.fixture
def custom(api: Requests, broker: jetstream.JetStream) -> HostedDriver:
    return HostedDriver(api, broker.ask, Hosting("nats://nats"), CustomHost)


@pytest.fixture
def make(namespace: str) -> Make:
    my_api_client.jobs.clear()

    def made(attempt: int = 1, **said: Any) -> Run:
        spec = {"image": "example/robot:1", "callTimeout": "5s", **said}
        return Run(namespace=namespace, name="one", uid="u", attempt=attempt,
                   parameters={"gain": 2.5}, spec=spec)  # fmt: skip

    return made


@asynccontextmanager
async def pod(
    operator: ExternalOperator, run: Run, server: Server, root: Path, idle: float = 60.0
) -> AsyncIterator["asyncio.Task[None]"]:
    """What the pod's process does, once it listens."""
    where = Place(run.namespace, run.key, server.url, root, server.token, idle)
    task = asyncio.ensure_future(serve(operator, where))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def prepared(driver: HostedDriver, run: Run) -> Any:
    async def look() -> Any:
        try:
            return await driver.prepare(run)
        except Refused:
            raise
        except ExternalError:  # it does not listen yet
            return None

    return await until(look)


async def test_a_class_in_a_pod_does_the_work_from_its_beginning_to_its_end(
    custom: HostedDriver, make: Make, server: Server, kube: Kube, tmp_path: Path
):
    run = make()
    with pytest.raises(ExternalError, match="does not listen yet"):
        await custom.prepare(run)
    name = hosts.name(run.key)
    job = kube.get("jobs", name)

    async with pod(MyCustomOperator(), run, server, tmp_path):
        handle = await custom.submit(run, await prepared(custom, run))
        assert await custom.lookup(run) == handle
        running = await custom.check(handle)
        my_api_client.jobs["job-1"]["status"] = "DONE"
        done = await custom.check(handle)
        result = await custom.collect(handle)
        assert await custom.cancel(handle)

    assert "ownerReferences" not in job["metadata"]
    assert handle.external_id == "job-1"
    assert (running.state, done.state) == (State.RUNNING, State.SUCCEEDED)
    assert result.results["gain"] == 2.5
    await until(lambda: asyncio.to_thread(lambda: kube.find("jobs", name) is None))


async def test_a_pod_that_ended_because_nobody_asked_is_started_again(
    custom: HostedDriver, make: Make, server: Server, kube: Kube, tmp_path: Path
):
    run = make()
    with pytest.raises(ExternalError):
        await custom.prepare(run)
    async with pod(MyCustomOperator(), run, server, tmp_path, idle=0.5) as process:
        handle = await custom.submit(run, await prepared(custom, run))
        await asyncio.wait_for(process, 30)
    [pod_of_it] = kube.list("pods", labels=f"{KEY_LABEL}={run.key}")
    kube.patch_status("pods", pod_of_it["metadata"]["name"], {"phase": "Succeeded"})

    async def again() -> Any:
        with pytest.raises(ExternalError):
            await custom.check(handle)
        return await asyncio.to_thread(kube.find, "jobs", hosts.name(run.key, 2))

    second = await until(again)
    async with pod(MyCustomOperator(), run, server, tmp_path):
        assert (await custom.submit(run, await prepared(custom, run))).external_id == "job-1"
        assert (await custom.check(handle)).state is State.RUNNING
        my_api_client.jobs["job-1"]["status"] = "DONE"
        assert await custom.cancel(handle)

    container = second["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "example/robot:1"
    await until(lambda: asyncio.to_thread(lambda: kube.list("jobs") == []))
    assert len(my_api_client.jobs) == 1


class Slow(MyCustomOperator):
    """Begins the work and holds its answer back."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def submit(self, handle: ExternalRunHandle) -> ExternalRunHandle:
        made = super().submit(handle)
        self.go_on.wait(60)
        return made


async def test_a_submit_without_an_answer_is_found_again_and_never_repeated(
    custom: HostedDriver, make: Make, server: Server, tmp_path: Path
):
    run = make(callTimeout="1s")
    operator = Slow()
    async with pod(operator, run, server, tmp_path):
        handle = await prepared(custom, run)
        with pytest.raises(Ambiguous, match="gave no answer"):
            await custom.submit(run, handle)
        operator.go_on.set()
        found = await custom.lookup(run)
        again = await custom.submit(run, handle)

    assert found == again
    assert again.external_id == "job-1"
    assert len(my_api_client.jobs) == 1


async def test_a_class_that_refuses_a_run_is_heard(
    custom: HostedDriver, make: Make, server: Server, tmp_path: Path
):
    class Picky(MyCustomOperator):
        def validate(self, run: Any, task: Any) -> list[str]:
            return ["gain is at most 2"]

    async with pod(Picky(), make(), server, tmp_path):
        with pytest.raises(Refused, match="gain is at most 2"):
            await prepared(custom, make())


async def test_rubbish_from_a_pod_is_no_state(
    custom: HostedDriver, make: Make, server: Server, broker: jetstream.JetStream, tmp_path: Path
):
    run = make()
    async with pod(MyCustomOperator(), run, server, tmp_path):
        handle = await custom.submit(run, await prepared(custom, run))

    async def rubbish(message: Any) -> None:
        await broker.client.publish(message.reply, b"[" * 9000)

    subject = names.external_subject(run.namespace, run.key)
    subscription = await broker.client.subscribe(subject, cb=rubbish)
    await broker.client.flush()
    for call in (custom.check, custom.collect, custom.cancel):
        with pytest.raises(ExternalError, match="answers rubbish"):
            await call(handle)
    with pytest.raises(Ambiguous, match="answers rubbish"):
        await custom.submit(run, handle)
    await subscription.unsubscribe()


async def test_work_that_was_never_prepared_is_not_looked_for(
    custom: HostedDriver, make: Make, kube: Kube
):
    assert await custom.lookup(make()) is None
    assert kube.list("jobs") == []
    with pytest.raises(ExternalError, match="does not listen yet"):
        await custom.lookup(make(repeat="Lookup"))  # its class can say, so a pod is made
    assert len(kube.list("jobs")) == 1
    elsewhere = make(repeat="Lookup").model_copy(update={"namespace": "nowhere"})
    assert await custom.lookup(elsewhere) is None


@pytest.mark.parametrize("repeat", list(Repeat))
def test_each_run_says_how_its_submit_may_be_repeated(api: Requests, make: Make, repeat: Repeat):
    driver = HostedDriver(api, no_answer, Hosting("nats://nats"), CustomHost)
    experiments = HostedDriver(api, no_answer, Hosting("nats://nats"), ExperimentRun)

    assert repeat_of(driver, make(repeat=repeat)) is repeat
    assert repeat_of(experiments, make()) is Repeat.IDEMPOTENT


async def no_answer(subject: str, payload: bytes, seconds: float) -> bytes | None:
    return None


async def test_an_experiment_is_exchanged_in_the_volume_of_the_run_s_namespace(
    api: Requests, broker: jetstream.JetStream, namespace: str, server: Server, kube: Kube, tmp_path: Path
):  # fmt: skip
    hosting = Hosting("nats://nats", "nats-token", image="example/interact:1")
    driver = HostedDriver(api, broker.ask, hosting, ExperimentRun)
    spec = {"claim": "scope", "folder": "queue", "config": {"kV": 200}}
    run = Run(namespace=namespace, name="one", uid="u", attempt=1, spec=spec)
    with pytest.raises(ExternalError, match="does not listen yet"):
        await driver.prepare(run)
    spec_of_pod = kube.get("jobs", hosts.name(run.key))["spec"]["template"]["spec"]

    async with pod(Experiment(), run, server, tmp_path):
        handle = await driver.submit(run, await prepared(driver, run))
        waiting = await driver.check(handle)
        folder = tmp_path / "operators" / "Experiment" / run.key
        (folder / "experiment_result.json").write_text('{"status": "COMPLETED", "data": {"n": 1}}')
        done = await driver.check(handle)
        result = await driver.collect(handle)

    assert spec_of_pod["volumes"][0]["persistentVolumeClaim"] == {"claimName": "scope"}
    [container] = spec_of_pod["containers"]
    assert container["image"] == "example/interact:1"
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment["INTERACT_RUN_FOLDER"] == "queue"
    assert environment["INTERACT_NATS_TOKEN_FILE"] == f"{hosts.TOKEN_FOLDER}/token"
    assert (waiting.state, waiting.reason) == (State.WAITING, "WaitingForResult")
    assert done.state is State.SUCCEEDED
    assert result.results == {"n": 1}


async def test_an_experiment_that_cannot_be_is_told_before(api: Requests, make: Make):
    driver = HostedDriver(api, no_answer, Hosting("nats://nats"), ExperimentRun)

    def experiment(**said: Any) -> Run:
        return make().model_copy(update={"spec": {"claim": "c", "image": "i", **said}})

    [folder] = await driver.validate(experiment(folder="../other"))
    [image] = await driver.validate(experiment(image=""))

    assert "'..'" in folder.message
    assert "name one" in image.message
    assert await driver.validate(experiment(folder="a/b")) == []


def test_a_process_reads_which_run_it_serves(tmp_path: Path):
    given = {"INTERACT_NAMESPACE": "lab", "INTERACT_RUN_KEY": "k", "INTERACT_NATS_URL": "nats://n",
             "INTERACT_RUN_ROOT": str(tmp_path), "INTERACT_RUN_FOLDER": "queue/one"}  # fmt: skip

    found = place(given)

    assert (found.namespace, found.key, found.root) == ("lab", "k", tmp_path / "queue" / "one")
    assert found.root.is_dir()
    with pytest.raises(SettingsError, match="INTERACT_RUN_KEY"):
        place({**given, "INTERACT_RUN_KEY": ""})
    with pytest.raises(PathRefused, match="leads out of"):
        place({**given, "INTERACT_RUN_FOLDER": "../up"})


async def test_the_process_of_a_pod_answers_and_ends_when_it_is_told(
    server: Server, broker: jetstream.JetStream, tmp_path: Path
):
    environment = {
        **os.environ, "INTERACT_NAMESPACE": "lab", "INTERACT_RUN_KEY": "k", "INTERACT_NATS_URL": server.url,
        "INTERACT_NATS_TOKEN_FILE": str(server.token_file), "INTERACT_RUN_ROOT": str(tmp_path),
    }  # fmt: skip
    run = Run(namespace="lab", name="one", uid="u", attempt=1)
    call = encode(ExternalCall(method=Method.PREPARE, run=run))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "interact.external_experiment", env=environment,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        subject = names.external_subject("lab", "k")
        told = await until(lambda: broker.ask(subject, call, 10.0))
        answer = decode(ExternalAnswer, told)
        process.terminate()
        said = (await asyncio.wait_for(process.communicate(), 60))[1].decode()
    finally:
        if process.returncode is None:
            process.kill()

    assert answer.handle is not None, answer.message
    assert (tmp_path / "operators" / "Experiment" / run.key / "manifest.json").is_file()
    assert process.returncode == 0
    assert "Traceback" not in said


def test_the_image_that_is_given_the_token_is_the_release_s_or_an_operator_s():
    manifest = {"kind": "ExternalRun", "metadata": {"name": "one", "namespace": "lab", "uid": "u"},
                "spec": {"driver": "experiment", "experiment": {"claim": "scope"}}}  # fmt: skip

    made = reading.read(manifest, {}).run

    assert ExperimentRun.model_validate(made.spec).image == ""
    forged = {
        **manifest,
        "spec": {"driver": "experiment", "experiment": {"claim": "c", "image": "mine"}},
    }
    with pytest.raises(reading.Unreadable, match="image is an operator's to say"):
        reading.read(forged, {})


def test_an_operator_s_class_runs_in_the_operator_s_image():
    execution = {"mode": "external", "driver": "custom", "custom": {"repeat": "Lookup"}}
    operator = InteractOperator.model_validate(
        {"metadata": {"name": "robot", "namespace": "lab"},
         "spec": {"image": "example/robot:1", "command": ["python", "run.py"], "execution": execution}}
    )  # fmt: skip
    manifest = {"kind": "ExternalRun", "metadata": {"name": "one", "namespace": "lab", "uid": "u"},
                "spec": {"operator": {"name": "robot"}}}  # fmt: skip

    made = CustomHost.model_validate(reading.read(manifest, {"lab/robot": operator}).run.spec)

    assert (made.image, made.command, made.repeat) == (
        "example/robot:1", ("python", "run.py"), Repeat.LOOKUP,
    )  # fmt: skip
