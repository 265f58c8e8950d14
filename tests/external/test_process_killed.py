"""External runs looked after by the controller's own process, killed, and frozen past its lease."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cluster import kube as client
from cluster.plane import Plane
from cluster.waiting import eventually
from external.drivers.rest_service import Service, system
from interact_controller import election
from interact_controller.external import failpoints
from interact_controller.external.drivers.pods import KEY_LABEL
from scenarios import stage as stages
from scenarios.stage import Controller, Stage

FIRST = failpoints.POINTS[:5]
"""Until the claim has the work's id."""
LAST = failpoints.POINTS[5:10]
"""Until the claim is released."""
KILLED = -9
MUTATING = ("create", "update", "patch", "delete")
WITHIN_SECONDS = 60


@pytest.fixture(scope="module")
def theatre(plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stages.opened(plane, tmp_path_factory.mktemp("external")) as one:
        yield one


@pytest.fixture
def stage(theatre: Stage) -> Iterator[Stage]:
    yield theatre
    theatre.stop()


RUNS: dict[str, client.Object] = {
    "job": {"driver": "kubernetes-job", "kubernetesJob": {"image": "example/none:1"}},
    "person": {"driver": "human", "human": {"instructions": "Look."}},
    "service": {"driver": "http"},
}


def create(kube: client.Kube, name: str = "job", **said: object) -> None:
    """A run."""
    kube.create({"apiVersion": "interact.science/v1alpha1", "kind": "ExternalRun",
                 "metadata": {"name": name}, "spec": {**RUNS[name], **said}})  # fmt: skip


@contextmanager
def serving() -> Iterator[Service]:
    """A service beside the test, which waits for controllers to die."""
    service, loop = Service(), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    line = service.serving()
    try:
        asyncio.run_coroutine_threadsafe(line.__aenter__(), loop).result(WITHIN_SECONDS)
        yield service
        asyncio.run_coroutine_threadsafe(line.__aexit__(None, None, None), loop).result(WITHIN_SECONDS)  # fmt: skip
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WITHIN_SECONDS)
        loop.close()


def finish(kube: client.Kube, service: Service) -> None:
    """What a kubelet, a person and the service do, each in his time."""
    end_pod(kube)
    for job in service.jobs.values():
        job |= {"status": "done", "result": {"peak": 3}}
    for question in questions(kube):
        text = '{"status": "COMPLETED", "data": {"peak": 3}}'
        kube.patch("configmaps", question, {"data": {"1.json": text}})


def questions(kube: client.Kube) -> list[str]:
    """What people were asked."""
    found = kube.list("configmaps", labels=KEY_LABEL)
    return [one["metadata"]["name"] for one in found]


def end_pod(kube: client.Kube) -> None:
    """Say what a kubelet says of a container that has ended well."""
    pod = eventually(lambda: kube.list("pods"), "the job has its pod")[0]["metadata"]["name"]
    ended = {"name": "work", "image": "i", "imageID": "i", "ready": False, "restartCount": 0,
             "state": {"terminated": {"exitCode": 0, "message": '{"peak": 3}'}}}  # fmt: skip
    kube.patch_status("pods", pod, {"phase": "Succeeded", "containerStatuses": [ended]})


def dead(one: Controller) -> int:
    """The exit code of a controller that ends by itself."""
    eventually(lambda: not one.alive, lambda: one.words[-2000:], within=WITHIN_SECONDS)
    return int(one.process.returncode)


def claims(stage: Stage) -> list[client.Object]:
    return stage.kube.list("configmaps", stage.system, labels="interact.science/claim")


def completed(stage: Stage, kube: client.Kube, name: str = "job") -> client.Object:
    """Wait as people do; the status."""
    stage.plane.kubectl(
        "wait", f"externalrun/{name}", "--for=condition=Completed",
        "--namespace", kube.namespace, "--timeout=50s",
    )  # fmt: skip
    found: client.Object = kube.get("externalruns", name)["status"]
    return found


@pytest.mark.timeout(300)  # six controllers begin
@pytest.mark.parametrize("steps", [FIRST, LAST], ids=["first", "last"])
def test_killed_at_steps_in_turn_there_is_one_job_and_its_results(
    stage: Stage, namespace: str, kube: client.Kube, steps: tuple[str, ...]
) -> None:
    """Runs of three drivers come to each step together, and all are there when it ends."""
    with serving() as service:
        declared = {"driver": "http", "namespaces": [namespace],
                    "http": system(service.url, timeout="2s").to_object()}  # fmt: skip
        stage.kube.apply({"apiVersion": "interact.science/v1alpha1", "kind": "ExternalSystem",
                          "metadata": {"name": namespace}, "spec": declared})  # fmt: skip
        for name in RUNS:
            create(kube, name, **({"system": namespace} if name == "service" else {}))

        for point in steps:
            one = stage.controller(
                point, INTERACT_WATCH_NAMESPACES=namespace, INTERACT_LEASE_SECONDS="600",
                INTERACT_FAILPOINT=f"{point}=kill*{len(RUNS)}",
            )  # fmt: skip
            assert dead(one) == KILLED, one.words[-2000:]
            stage.kube.delete("leases", stages.AGENT, stage.system)  # nobody waits ten minutes
            if point in {failpoints.NOTED, failpoints.TOLD}:
                finish(kube, service)
        stage.controller("last", INTERACT_WATCH_NAMESPACES=namespace)

        told = {name: completed(stage, kube, name) for name in RUNS}
        eventually(lambda: not claims(stage), "the claims are released")
    stage.kube.delete("externalsystems", namespace)
    keys = {name: one["idempotencyKey"] for name, one in told.items()}
    assert [one["results"] for one in told.values()] == [{"peak": 3}] * 3
    assert [len(one["attempts"]) for one in told.values()] == [1] * 3
    assert [one["metadata"]["name"] for one in kube.list("jobs")] == [keys["job"]]
    assert [one["key"] for one in service.jobs.values()] == [keys["service"]]
    assert len(questions(kube)) == 1


def test_a_leader_that_thaws_after_its_lease_does_nothing_more(
    stage: Stage, namespace: str, kube: client.Kube
) -> None:
    create(kube)
    old = stage.controller(
        "old", INTERACT_WATCH_NAMESPACES=namespace, INTERACT_FAILPOINT="prepared=stop"
    )
    eventually(lambda: claims(stage), "the old one has claimed it", within=WITHIN_SECONDS)
    eventually(lambda: stopped(old.process.pid), "it is frozen before its submit")

    stage.controller("new", INTERACT_WATCH_NAMESPACES=namespace)
    end_pod(kube)
    completed(stage, kube)
    asked = len(stage.plane.audit(namespace=namespace, verbs=MUTATING))
    old.thaw()

    assert dead(old) == election.LOST
    since = stage.plane.audit(namespace=namespace, verbs=MUTATING)[asked:]
    assert not [one for one in since if "(old_" in one["userAgent"]]
    assert len(kube.list("jobs")) == 1
    eventually(lambda: not claims(stage), "the claim is released")


def test_a_person_is_asked_and_answers_with_the_rights_of_the_chart(
    stage: Stage, namespace: str, kube: client.Kube
) -> None:
    kube.create({"apiVersion": "interact.science/v1alpha1", "kind": "ExternalRun",
                 "metadata": {"name": "one"},
                 "spec": {"driver": "human", "human": {
                     "instructions": "Is the beam on?",
                     "form": {"type": "object", "required": ["on"],
                              "properties": {"on": {"type": "boolean"}}}}}})  # fmt: skip
    stage.controller(INTERACT_WATCH_NAMESPACES=namespace, INTERACT_RESYNC_SECONDS="1")
    kube.wait("externalruns", "one", client.has_condition("WaitingExternal"))
    answers = kube.get("externalruns", "one")["status"]["answers"]

    for number, said in [("1", '{"status": "COMPLETED", "data": {"on": "perhaps"}}'),
                         ("2", '{"status": "COMPLETED", "data": {"on": true}}')]:  # fmt: skip
        kube.patch("configmaps", answers, {"data": {f"{number}.json": said}})

    assert completed(stage, kube, "one")["results"] == {"on": True}
    eventually(lambda: not claims(stage), "the claim is released")
    asked = stage.plane.audit("interact-controller", namespace=namespace)
    assert asked
    assert not [one for one in asked if one["responseStatus"]["code"] == 403]


def stopped(pid: int) -> bool:
    """Whether a process is frozen."""
    state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    return state == "T"
