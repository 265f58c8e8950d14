"""Each driver with the controller ended at each step: one job over there, its results, nothing left."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cluster.kube import Kube
from external.drivers import my_api_client
from external.drivers.awaiting import until
from external.drivers.guides_operator import MyCustomOperator
from external.drivers.rest_service import Service, system
from external.rig import Rig
from interact.external_calling import Calling
from interact.external_experiment import Experiment
from interact.external_operator import ExternalOperator
from interact_api.border import decode, encode
from interact_api.external import Handle, Observation, State
from interact_api.external_calls import ExternalCall
from interact_api.external_sections import ExperimentRun
from interact_controller.external import failpoints
from interact_controller.external.driver import Ask
from interact_controller.external.drivers.hosted import HostedDriver
from interact_controller.external.drivers.hosts import CustomHost, Hosting
from interact_controller.external.drivers.http import HttpDriver
from interact_controller.external.drivers.human import HumanDriver
from interact_controller.external.drivers.job import JobDriver
from interact_controller.external.drivers.objects import Requests
from interact_controller.external.drivers.pods import KEY_LABEL

POINTS = [one for one in failpoints.POINTS if one != failpoints.CANCELLED]
AROUND = [failpoints.CLAIMED, failpoints.PREPARED, failpoints.SUBMITTED, failpoints.NOTED,
          failpoints.CHECKED, failpoints.COLLECTED]  # fmt: skip
"""Those next to a driver's calls; at the others nothing differs between drivers."""
Begin = Callable[[], str]


async def survives(rig: Rig, begin: Begin, point: str) -> dict[str, Any]:
    """End the controller at a point, begin again, and give the run's last status."""
    name = begin()
    async with rig.controller(failpoints.once(point, failpoints.broken)) as controller:
        with pytest.raises(failpoints.Broken):
            await controller.until_ended(name)
    async with rig.controller() as controller:
        status = await controller.until_ended(name)
    assert (status["phase"], len(status["attempts"])) == ("COMPLETED", 1), status
    assert rig.claims() == []
    return status


@pytest.mark.parametrize("header", [None, "Idempotency-Key"], ids=["lookup", "idempotent"])
async def test_a_service_is_given_each_job_once(rig: Rig, header: str | None):
    async with Service().serving() as service:
        said = {} if header is None else {"idempotencyHeader": header}
        declared = system(service.url, **said)
        rig.system(http=declared.to_object())
        rig.makers = {"http": lambda spec, credentials: HttpDriver(declared, credentials)}

        def done(request: web.Request) -> None:
            for one in service.jobs.values():
                one |= {"status": "done", "result": {"of": one["key"]}}

        service.behaviour = lambda request: done(request) if request.method == "GET" else None
        for number, point in enumerate(AROUND if header else POINTS, 1):
            status = await survives(rig, rig.create, point)

            assert status["results"] == {"of": status["idempotencyKey"]}
            assert len(service.jobs) == number, point


class WithKubelet(JobDriver):
    """Before each look, containers have done their work."""

    def __init__(self, api: Requests, kube: Kube) -> None:
        super().__init__(api)
        self._kube = kube

    async def check(self, handle: Handle) -> Observation:
        label = f"{KEY_LABEL}={handle.data['key']}"

        async def ended() -> Observation | None:
            for pod in self._kube.list("pods", labels=label):
                state = {"terminated": {"exitCode": 0, "message": '{"n": 1}'}}
                status = {"name": "work", "image": "i", "imageID": "i", "ready": False,
                          "restartCount": 0, "state": state}  # fmt: skip
                self._kube.patch_status("pods", pod["metadata"]["name"],
                                        {"phase": "Succeeded", "containerStatuses": [status]})  # fmt: skip
            found = await super(WithKubelet, self).check(handle)
            return found if found.state is State.SUCCEEDED else None

        found = await until(ended)
        assert found is not None
        return found


async def test_a_job_is_made_once(rig: Rig, api: Requests):
    rig.makers = {"kubernetes-job": lambda spec, credentials: WithKubelet(api, rig.kube)}

    for number, point in enumerate(AROUND, 1):
        status = await survives(
            rig, lambda: rig.create(driver="kubernetes-job", kubernetesJob={"image": "i"}), point
        )

        assert status["results"] == {"n": 1}
        assert len(rig.kube.list("jobs")) == number, point


class WithPerson(HumanDriver):
    """Before each look, somebody has answered."""

    def __init__(self, api: Requests, kube: Kube) -> None:
        super().__init__(api)
        self._kube = kube

    async def check(self, handle: Handle) -> Observation:
        name = str(handle.data["name"])
        if not self._kube.get("configmaps", name).get("immutable"):
            text = '{"status": "COMPLETED", "data": {"good": true}}'
            self._kube.patch("configmaps", name, {"data": {"1.json": text}})
        return await super().check(handle)


async def test_a_person_is_asked_once(rig: Rig, api: Requests):
    rig.makers = {"human": lambda spec, credentials: WithPerson(api, rig.kube)}

    for point in AROUND:
        status = await survives(
            rig, lambda: rig.create(driver="human", human={"instructions": "Look."}), point
        )

        assert status["results"] == {"good": True}
        questions = rig.kube.list("configmaps", labels=f"{KEY_LABEL}={status['idempotencyKey']}")
        assert len(questions) == 1, point


def pod(operator: ExternalOperator, root: Path, turn: Callable[[], object]) -> Ask:
    """A pod's process, in this one: called with what travels, after what the other side does."""

    async def ask(subject: str, payload: bytes, seconds: float) -> bytes | None:
        turn()
        return encode(Calling(operator, root).answer(decode(ExternalCall, payload)))

    return ask


async def test_a_class_of_an_operator_begins_its_work_once(rig: Rig, api: Requests, tmp_path: Path):  # fmt: skip
    my_api_client.jobs.clear()
    execution = {"mode": "external", "driver": "custom", "custom": {"repeat": "Lookup"}}
    rig.kube.create({"apiVersion": "interact.science/v1alpha1", "kind": "InteractOperator",
                     "metadata": {"name": "robot"},
                     "spec": {"image": "example/robot:1", "execution": execution}})  # fmt: skip
    ask = pod(MyCustomOperator(), tmp_path, lambda: [
        one.update(status="DONE") for one in my_api_client.jobs.values()
    ])  # fmt: skip
    driver = HostedDriver(api, ask, Hosting("nats://nats"), CustomHost)
    rig.makers = {"custom": lambda spec, credentials: driver}
    names = iter(f"robot-{number}" for number in range(100))

    def begin() -> str:
        name = next(names)
        rig.kube.create({"apiVersion": "interact.science/v1alpha1", "kind": "ExternalRun",
                         "metadata": {"name": name},
                         "spec": {"operator": {"name": "robot"},
                                  "parameters": [{"name": "gain", "value": 3}]}})  # fmt: skip
        return name

    for number, point in enumerate(AROUND, 1):
        status = await survives(rig, begin, point)

        assert status["results"]["gain"] == 3
        assert len(my_api_client.jobs) == number, point
    rig.kube.delete("interactoperators", "robot")


def requests(root: Path) -> list[Path]:
    """What an instrument was asked for."""
    return list(root.glob("operators/Experiment/*/experiment_request.json"))


async def test_an_instrument_is_asked_once(rig: Rig, api: Requests, tmp_path: Path):
    def measured() -> None:
        for request in requests(tmp_path):
            request.with_name("experiment_result.json").write_text(
                '{"status": "COMPLETED", "data": {"dose": 3}}'
            )

    hosting = Hosting("nats://nats", image="example/interact:1")
    driver = HostedDriver(api, pod(Experiment(), tmp_path, measured), hosting, ExperimentRun)
    rig.makers = {"experiment": lambda spec, credentials: driver}

    for number, point in enumerate(AROUND, 1):
        status = await survives(
            rig, lambda: rig.create(driver="experiment", experiment={"claim": "scope"}), point
        )

        assert status["results"] == {"dose": 3}
        assert len(requests(tmp_path)) == number, point
