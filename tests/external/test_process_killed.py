"""External runs looked after by the controller's own process, killed, and frozen past its lease."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import kube as client
from cluster.plane import Plane
from cluster.waiting import eventually
from interact_controller import election
from interact_controller.external import failpoints
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


def create(kube: client.Kube) -> None:
    """A run whose work is a Job."""
    kube.create({"apiVersion": "interact.science/v1alpha1", "kind": "ExternalRun",
                 "metadata": {"name": "one"},
                 "spec": {"driver": "kubernetes-job",
                          "kubernetesJob": {"image": "example/none:1"}}})  # fmt: skip


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


def completed(stage: Stage, kube: client.Kube) -> client.Object:
    """Wait as people do; the status."""
    stage.plane.kubectl(
        "wait", "externalrun/one", "--for=condition=Completed",
        "--namespace", kube.namespace, "--timeout=50s",
    )  # fmt: skip
    found: client.Object = kube.get("externalruns", "one")["status"]
    return found


@pytest.mark.timeout(300)  # six controllers begin
@pytest.mark.parametrize("steps", [FIRST, LAST], ids=["first", "last"])
def test_killed_at_steps_in_turn_there_is_one_job_and_its_results(
    stage: Stage, namespace: str, kube: client.Kube, steps: tuple[str, ...]
) -> None:
    create(kube)

    for point in steps:
        one = stage.controller(
            point, INTERACT_WATCH_NAMESPACES=namespace, INTERACT_LEASE_SECONDS="600",
            INTERACT_FAILPOINT=f"{point}=kill",
        )  # fmt: skip
        assert dead(one) == KILLED, one.words[-2000:]
        stage.kube.delete("leases", stages.AGENT, stage.system)  # nobody waits ten minutes
        if point in {failpoints.SUBMITTED, failpoints.TOLD}:
            end_pod(kube)
    stage.controller("last", INTERACT_WATCH_NAMESPACES=namespace)

    status = completed(stage, kube)
    assert status["results"] == {"peak": 3}
    jobs = [one["metadata"]["name"] for one in kube.list("jobs")]
    assert jobs == [status["idempotencyKey"]]
    assert len(status["attempts"]) == 1
    eventually(lambda: not claims(stage), "the claim is released")


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

    assert completed(stage, kube)["results"] == {"on": True}
    eventually(lambda: not claims(stage), "the claim is released")
    asked = stage.plane.audit("interact-controller", namespace=namespace)
    assert asked
    assert not [one for one in asked if one["responseStatus"]["code"] == 403]


def stopped(pid: int) -> bool:
    """Whether a process is frozen."""
    state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    return state == "T"
