"""Kubernetes Jobs against a real API server and Job controller; pods' statuses are set by hand."""

from collections.abc import Callable
from typing import Any

import pytest
from cluster.kube import Kube
from cluster.plane import Plane
from external.drivers.awaiting import until
from interact_api.external import Handle, OperatorResult, Repeat, Run, State
from interact_controller import kube as door
from interact_controller.external.driver import Ambiguous, ExternalError, Refused
from interact_controller.external.drivers import job
from interact_controller.external.drivers.job import JobDriver, manifest
from interact_controller.external.drivers.objects import Requests
from interact_controller.external.drivers.pods import KEY_LABEL

Made = Callable[..., Run]


@pytest.fixture
def driver(api: Requests) -> JobDriver:
    return JobDriver(api)


@pytest.fixture
def make_run(there: Made) -> Made:
    """Makes runs that are there: the garbage collector removes Jobs of those that are not."""

    def make(name: str = "one", attempt: int = 1, **spec: Any) -> Run:
        said = {"image": "example/none:1", "command": ["work"], **spec}
        return there("kubernetes-job", "kubernetesJob", said, name=name, attempt=attempt)

    return make


async def submitted(driver: JobDriver, run: Run) -> Handle:
    return await driver.submit(run, await driver.prepare(run))


async def seen(driver: JobDriver, handle: Handle, state: State) -> Any:
    async def look() -> Any:
        found = await driver.check(handle)
        return found if found.state is state else None

    return await until(look)


async def pod_of(kube: Kube, run: Run) -> str:
    async def look() -> Any:
        return kube.list("pods", labels=f"{KEY_LABEL}={run.key}")

    return str((await until(look))[0]["metadata"]["name"])


def ended(kube: Kube, pod: str, code: int, message: str = "", reason: str = "") -> None:
    """Say what the kubelet would say of a container that has ended."""
    state = {"terminated": {"exitCode": code, "message": message, "reason": reason or "Error"}}
    status = {
        "name": "work",
        "image": "i",
        "imageID": "i",
        "ready": False,
        "restartCount": 0,
        "state": state,
    }
    kube.patch_status(
        "pods", pod, {"phase": "Failed" if code else "Succeeded", "containerStatuses": [status]}
    )


async def test_a_job_is_made_once_and_its_results_are_read(
    driver: JobDriver, kube: Kube, make_run: Made
):
    run = make_run()

    handle = await submitted(driver, run)
    again = await submitted(driver, run)

    assert driver.repeat is Repeat.IDEMPOTENT
    assert handle == again == await driver.lookup(run)
    assert handle.external_id == f"{run.namespace}/{run.key}"
    assert len(kube.list("jobs")) == 1
    pod = await pod_of(kube, run)
    assert (await driver.check(handle)).state is State.QUEUED
    kube.patch_status("pods", pod, {"phase": "Running"})
    await seen(driver, handle, State.RUNNING)
    ended(kube, pod, 0, '{"peak": [1, 2]}')
    # nobody runs the finalizer's part of a kubelet: the Job controller counts the pod itself
    await seen(driver, handle, State.SUCCEEDED)
    assert await driver.collect(handle) == OperatorResult(results={"peak": [1, 2]})
    assert await driver.cancel(handle)
    assert kube.find("jobs", run.key) is not None  # what has ended is left to be looked at


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [(7, "Error", "NonZeroExit"), (137, "OOMKilled", "OutOfMemory")],
)
async def test_a_container_that_fails_is_told_with_its_exit_code(
    driver: JobDriver, kube: Kube, make_run: Made, code: int, reason: str, expected: str
):
    run = make_run()
    handle = await submitted(driver, run)

    ended(kube, await pod_of(kube, run), code, "no\nbeam", reason)
    found = await seen(driver, handle, State.FAILED)

    assert found.reason == expected
    assert found.message == f"exit code {code}: no beam"
    assert found.detail["exitCode"] == code
    with pytest.raises(Refused, match="is gone"):
        await driver.collect(handle)


async def test_what_keeps_a_pod_from_running_is_told(driver: JobDriver, kube: Kube, make_run: Made):
    run = make_run()
    handle = await submitted(driver, run)
    pod = await pod_of(kube, run)

    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "no GPU",
    }
    kube.patch_status("pods", pod, {"conditions": [condition]})
    first = await driver.check(handle)
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    status = {
        "name": "work",
        "image": "i",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": waiting,
    }
    kube.patch_status("pods", pod, {"containerStatuses": [status]})
    second = await driver.check(handle)

    assert (first.state, first.reason, first.message) == (State.QUEUED, "Unschedulable", "no GPU")
    assert (second.state, second.reason) == (State.QUEUED, "PodWaits")
    assert second.message == "ImagePullBackOff: no such image"


async def test_a_cancelled_job_is_gone_with_its_pods(driver: JobDriver, kube: Kube, make_run: Made):
    run = make_run()
    handle = await submitted(driver, run)
    await pod_of(kube, run)

    await until(lambda: driver.cancel(handle))

    assert kube.find("jobs", run.key) is None
    assert kube.list("pods", labels=f"{KEY_LABEL}={run.key}") == []
    assert await driver.cancel(handle)
    assert await driver.lookup(run) is None
    assert (await driver.check(handle)).state is State.LOST


async def test_another_job_of_the_name_is_neither_watched_nor_stopped(
    driver: JobDriver, kube: Kube, make_run: Made
):
    run = make_run()
    handle = await submitted(driver, run)
    await until(lambda: driver.cancel(handle))
    await submitted(driver, run)

    assert (await driver.check(handle)).state is State.LOST
    assert await driver.cancel(handle)
    assert kube.find("jobs", run.key) is not None


async def test_somebody_else_s_job_is_not_taken_for_ours(
    driver: JobDriver, kube: Kube, make_run: Made
):
    run = make_run()
    theirs = manifest(run, driver_section(run), "Always")
    del theirs["metadata"]["ownerReferences"]
    kube.create(theirs)

    with pytest.raises(Refused, match="is not ours"):
        await submitted(driver, run)


async def test_a_job_goes_with_its_run(driver: JobDriver, kube: Kube, make_run: Made):
    run = make_run()
    await submitted(driver, run)

    path = f"/apis/interact.science/v1alpha1/namespaces/{run.namespace}/externalruns/one"
    kube.request("DELETE", path)

    kube.wait_gone("jobs", run.key)


async def test_what_kubernetes_refuses_for_good_is_refused_and_nothing_else(
    driver: JobDriver, kube: Kube, make_run: Made, plane: Plane
):
    run = make_run(template={"env": [{"name": "A", "value": "1"}], "volumeMounts": [
        {"name": "none", "mountPath": "/data"}]})  # fmt: skip

    with pytest.raises(Refused, match="volumeMounts"):
        await submitted(driver, run)
    elsewhere = run.model_copy(update={"namespace": "nowhere", "spec": {"image": "i"}})
    with pytest.raises(Refused, match="not found"):
        await submitted(driver, elsewhere)
    found = await door.connection({"KUBECONFIG": str(plane.kubeconfig)})
    async with door.door(found, "deposed", lambda: False) as api:
        with pytest.raises(Ambiguous, match="does not lead"):
            await submitted(JobDriver(api), make_run("two"))
    assert kube.list("jobs") == []


async def test_an_api_server_that_is_away_is_no_state():
    async with door.door(door.Connection("http://127.0.0.1:1"), "x", lambda: True) as api:
        with pytest.raises(ExternalError, match="does not answer"):
            await JobDriver(api).check(Handle(data={"namespace": "lab", "key": "k"}))


def driver_section(run: Run) -> Any:
    from interact_api.external_sections import JobRun

    return JobRun.model_validate(run.spec)


def run_of(**spec: Any) -> Run:
    return Run(
        namespace="lab", name="one", uid="u", attempt=1, parameters={}, spec={"image": "i", **spec}
    )


@pytest.mark.parametrize(
    ("phase", "state"),
    [("Pending", State.QUEUED), ("Running", State.RUNNING), ("Succeeded", State.RUNNING),
     ("Failed", State.RUNNING)],
)  # fmt: skip
def test_a_pod_that_has_ended_does_not_send_its_job_back_to_the_queue(phase: str, state: State):
    assert job.began([{"status": {"phase": phase}}]).state is state
    assert job.began([]).state is State.QUEUED


def test_a_pod_is_restricted_whatever_its_template_says():
    run = run_of(template={"securityContext": {"runAsUser": 1000}, "resources": {"limits": {"cpu": "1"}},
                           "labels": {KEY_LABEL: "forged"}})  # fmt: skip

    made = manifest(run, driver_section(run), "Always")

    pod = made["spec"]["template"]
    assert pod["metadata"]["labels"][KEY_LABEL] == run.key
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["spec"]["securityContext"] == {
        "runAsUser": 1000, "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}
    }  # fmt: skip
    [container] = pod["spec"]["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True, "runAsNonRoot": True,
    }  # fmt: skip
    assert container["resources"] == {"limits": {"cpu": "1"}}
    assert made == manifest(run, driver_section(run), "Always")


async def test_a_run_that_says_too_much_or_too_little_is_told_so(driver: JobDriver):
    large = run_of().model_copy(update={"parameters": {"x": "y" * 200_000}})

    [missing] = await driver.validate(run_of(image=""))
    [too_large] = await driver.validate(large)

    assert missing.path == "spec.image"
    assert "at most 122,880 reach a container" in too_large.message
    assert await driver.validate(run_of()) == []
