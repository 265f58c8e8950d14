"""Which systems a run may use, and whose credentials a driver gets."""

import base64
import json
import logging

import pytest
from cluster.kube import Kube, KubeError, condition
from external.desk import Desk
from external.rig import Rig
from interact_controller.external.driver import ExternalError

CANARY = "s3cret-canary"


def secret(kube: Kube, namespace: str, name: str = "desk-login") -> None:
    kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace},
                "data": {"token": base64.b64encode(CANARY.encode()).decode()}})  # fmt: skip


async def test_a_system_that_is_not_there_is_waited_for_and_the_run_then_goes_on(
    rig: Rig, desk: Desk
) -> None:
    rig.kube.delete("externalsystems", rig.desk)
    name = rig.create()

    async with rig.controller() as controller:
        await controller.drain()
        status = rig.status(name)
        rig.system()
        await controller.hear()
        controller.office.wake(controller.system(rig.desk))
        await controller.until_rest()

    assert (status["phase"], status["reason"]) == ("CREATED", "SystemNotFound")
    assert f"there is no ExternalSystem '{rig.desk}'" in status["message"]
    assert rig.status(name)["phase"] == "COMPLETED"
    assert rig.events(name)[0] == "SystemNotFound"


async def test_a_system_that_is_not_the_namespaces_is_never_asked(rig: Rig, desk: Desk) -> None:
    rig.system(namespaces=["somebody-elses"])
    name = rig.create()

    async with rig.controller() as controller:
        await controller.drain()

    status = rig.status(name)
    assert (status["phase"], status["reason"]) == ("CREATED", "SystemNotAllowed")
    assert "spec.namespaces" in status["message"]
    assert (desk.asked, desk.credentials, rig.claims()) == ([], [], [])


async def test_a_system_of_another_driver_is_not_used(rig: Rig, desk: Desk) -> None:
    name = rig.create(driver="slurm", system=rig.desk, slurm={"script": "true"})
    rig.makers = {**rig.makers, "slurm": rig.makers["http"]}

    async with rig.controller() as controller:
        await controller.drain()

    assert rig.status(name)["reason"] == "SystemNotFound"
    assert "has the driver 'http', the run 'slurm'" in rig.reason(name)
    assert desk.asked == []


async def test_credentials_come_from_the_release_alone_and_are_told_nowhere(
    rig: Rig, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret(rig.kube, rig.kube.namespace)  # one of the same name where runs are
    rig.system(secret="desk-login")  # noqa: S106  # the name of an object
    name = rig.create()

    async with rig.controller() as controller:
        await controller.drain()
        first = rig.status(name)
        secret(rig.kube, rig.release)
        controller.woken.pass_by(60)
        await controller.until_rest()

    assert (first["phase"], first["reason"]) == ("CREATED", "SystemUnreachable")
    assert "desk-login" not in first["message"]
    assert desk.credentials[-1] == {"token": CANARY}
    told = [rig.kube.get("externalruns", name), *rig.kube.list("events")]
    told += [*rig.kube.list("events", rig.release), *rig.claims()]
    assert rig.status(name)["phase"] == "COMPLETED"
    assert CANARY not in json.dumps(told)
    assert CANARY not in caplog.text


async def test_changed_credentials_are_taken_up(rig: Rig, desk: Desk) -> None:
    secret(rig.kube, rig.release)
    rig.system(secret="desk-login")  # noqa: S106
    desk.polls = None
    name = rig.create()

    async with rig.controller() as controller:
        await controller.look(name, times=3)
        before = len(desk.credentials)
        rig.clock.ahead += 61
        await controller.look(name)

    assert (before, len(desk.credentials)) == (1, 2)


async def test_a_driver_that_cannot_be_made_leaves_the_run_waiting(rig: Rig) -> None:
    def broken(*_: object) -> object:
        raise ExternalError("its key is no key")

    rig.makers = {"http": broken}  # type: ignore[dict-item]
    name = rig.create()

    async with rig.controller() as controller:
        await controller.drain()

    assert (rig.status(name)["phase"], rig.status(name)["reason"]) == (
        "CREATED",
        "SystemUnreachable",
    )


async def test_a_system_removed_while_work_goes_on_is_told_and_the_work_left_to_the_sweeper(
    rig: Rig, desk: Desk
) -> None:
    desk.polls = None
    name = rig.create()
    async with rig.controller() as controller:
        await controller.look(name, times=2)
    rig.kube.delete("externalsystems", rig.desk)

    async with rig.controller() as controller:
        await controller.look(name)
        status = rig.status(name)
        rig.kube.patch("externalruns", name, {"spec": {"cancel": True}})
        await controller.look(name)
        done = rig.status(name)
        rig.system()
        await controller.look(name)

    assert (status["phase"], done["phase"]) == ("RUNNING", "CANCELLED")
    assert "cannot be asked for: there is no ExternalSystem" in status["message"]
    assert "may still run" in done["message"]
    assert (desk.busy, rig.claims()) == (0, [])


async def test_a_system_of_namespaces_that_another_controller_watches_is_left_to_that(
    rig: Rig,
) -> None:
    rig.system(namespaces=["elsewhere"])
    async with rig.controller() as controller:
        await controller.office.register.tell()
        before = rig.kube.get("externalsystems", rig.desk).get("status")
        rig.system(namespaces=["elsewhere", rig.kube.namespace])
        await controller.hear()
        await controller.office.register.tell()
        after = rig.kube.get("externalsystems", rig.desk)["status"]["runs"]

    assert (before, after) == (None, 0)


async def test_a_system_says_whether_it_answers_and_how_much_is_on_it(rig: Rig, desk: Desk) -> None:
    desk.polls = None
    name = rig.create()

    def told() -> tuple[str, str, int]:
        found = rig.kube.get("externalsystems", rig.desk)
        ready = condition(found, "Ready")
        return ready["status"], ready["reason"], found["status"]["runs"]

    async with rig.controller() as controller:
        await controller.look(name, times=2)
        await controller.office.register.tell()
        first = told()
        version = rig.kube.get("externalsystems", rig.desk)["metadata"]["resourceVersion"]
        await controller.hear()
        await controller.office.register.tell()  # nothing is new
        again = rig.kube.get("externalsystems", rig.desk)["metadata"]["resourceVersion"]
        desk.away = True
        await controller.look(name, times=3)
        await controller.office.register.tell()
        second = told()
        desk.away = False
        rig.kube.patch("externalruns", name, {"spec": {"cancel": True}})
        await controller.until_ended(name)
        await controller.office.register.tell()

    assert (first, again) == (("True", "Ready", 1), version)
    assert second == ("False", "SystemUnreachable", 1)
    assert told() == ("True", "Ready", 0)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"secret": "desk-login"}, id="a Secret"),
        pytest.param({"url": "http://169.254.169.254/"}, id="an address"),
        pytest.param({"http": {"url": "http://169.254.169.254/"}}, id="a service of one's own"),
    ],
)
def test_a_run_can_name_no_secret_and_no_address(rig: Rig, given: dict[str, object]) -> None:
    body = {"apiVersion": "interact.science/v1alpha1", "kind": "ExternalRun",
            "metadata": {"name": "bold"},
            "spec": {"driver": "http", "system": rig.desk, **given}}  # fmt: skip
    path = rig.kube.path("externalruns")

    with pytest.raises(KubeError, match="unknown field"):
        rig.kube.request("POST", path, body, fieldValidation="Strict")
