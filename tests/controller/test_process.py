"""The controller as a process, against a real API server and a real nats-server."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import urllib3
from cluster import kube as client
from cluster import processes
from cluster.plane import Plane
from cluster.waiting import eventually
from interact_controller import election, settings
from scenarios import stage as stages
from scenarios.stage import Stage

MUTATING = ("create", "update", "patch", "delete")
EXIT_SECONDS = 20


@pytest.fixture(scope="module")
def theatre(plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stages.opened(plane, tmp_path_factory.mktemp("process")) as one:
        yield one


@pytest.fixture
def stage(theatre: Stage) -> Iterator[Stage]:
    yield theatre
    theatre.stop()


def accepted(given: client.Object) -> bool:
    return client.condition(given, "Accepted").get("status") == "True"


def deployments(kube: client.Kube) -> set[str]:
    return {one["metadata"]["name"] for one in kube.list("deployments")}


def test_a_pipeline_becomes_deployments_and_streams_and_goes_without_a_trace(
    stage: Stage, namespace: str, kube: client.Kube
) -> None:
    stage.controller(INTERACT_HTTP_PORT="0")
    kube.apply(stages.moments("run"))
    for one in stages.MOMENTS:
        kube.apply(stages.operators(one))

    kube.wait("pipelines", "run", accepted)
    eventually(lambda: len(deployments(kube)) == 4, lambda: deployments(kube))
    assert len(stages.streams(stage, namespace)) >= 4

    kube.delete("pipelines", "run")
    kube.wait_gone("pipelines", "run")
    eventually(lambda: not deployments(kube), lambda: deployments(kube))
    eventually(lambda: not stages.streams(stage, namespace), "all streams are swept")


def test_a_stop_is_clean_and_the_next_one_leads_at_once(
    stage: Stage, namespace: str, kube: client.Kube
) -> None:
    first = stage.controller(INTERACT_HTTP_PORT="0", INTERACT_LEASE_SECONDS="600")
    eventually(first.leads, "it leads")
    kube.apply(operator())
    kube.wait("interactoperators", "one", ready)

    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(EXIT_SECONDS) == 0
    kube.delete("interactoperators", "one")
    second = stage.controller(INTERACT_HTTP_PORT="0", INTERACT_LEASE_SECONDS="600")

    eventually(second.leads, "it leads at once, not in ten minutes")
    kube.apply(operator())
    kube.wait("interactoperators", "one", ready)
    assert [line for line in first.words.splitlines() if "traceback" in line] == []


def test_one_that_waits_for_the_lead_can_be_stopped_too(stage: Stage) -> None:
    stage.controller("leader", INTERACT_HTTP_PORT="0")
    stage.kube.wait("leases", stages.AGENT, lambda one: one["spec"]["holderIdentity"], stage.system)
    second = stage.controller("second", INTERACT_HTTP_PORT="0")
    eventually(lambda: "waiting for the lead" in second.words, "it waits")

    second.process.send_signal(signal.SIGINT)

    assert second.process.wait(EXIT_SECONDS) == 0
    assert stage.controllers[0].alive


def test_health_and_figures_are_served(stage: Stage, namespace: str, kube: client.Kube) -> None:
    address = processes.Address()
    try:
        one = stage.controller(INTERACT_HTTP_HOST=address.host, INTERACT_HTTP_PORT="8080")
        eventually(one.leads, "it leads")
        kube.apply(operator())
        kube.wait("interactoperators", "one", ready)

        def asked(path: str) -> urllib3.BaseHTTPResponse:
            url = f"http://{address.host}:8080/{path}"
            return urllib3.request("GET", url, retries=False, timeout=5)

        assert asked("healthz").status == 200
        assert asked("readyz").status == 200
        counted = 'interact_reconcile_total{kind="InteractOperator",result="ok"}'
        figures = eventually(  # it counts a look when all of it is done, its last write included
            lambda: text if counted in (text := asked("metrics").data.decode()) else "", counted
        )
        assert "interact_leading 1.0" in figures
    finally:
        address.close()


def test_the_controller_writes_under_its_own_name_and_leaves_no_mark_on_peoples_objects(
    stage: Stage, namespace: str, kube: client.Kube
) -> None:
    stage.controller(INTERACT_HTTP_PORT="0")
    made = kube.apply(operator())
    kube.wait("interactoperators", "one", ready)

    live = kube.get("interactoperators", "one")
    assert live["metadata"]["generation"] == made["metadata"]["generation"]
    assert not live["metadata"].get("annotations")
    assert not live["metadata"].get("finalizers")
    asked = stage.plane.audit(namespace=namespace, verbs=MUTATING)
    ours = [one for one in asked if "system:serviceaccount" in one["user"]["username"]]
    written = {
        (one["userAgent"].split("/")[0], one["objectRef"].get("subresource", "")) for one in ours
        if one["objectRef"]["resource"] == "interactoperators"
    }  # fmt: skip
    assert written == {("interact-controller", "status")}


def test_only_the_watched_namespaces_are_looked_after_and_catalogues_are_read(
    stage: Stage, make_namespace: Callable[..., str], plane: Plane
) -> None:
    watched, catalogue, other = make_namespace(), make_namespace(), make_namespace()
    stage.controller(
        INTERACT_HTTP_PORT="0",
        INTERACT_WATCH_NAMESPACES=watched,
        INTERACT_CATALOGUE_NAMESPACES=catalogue,
    )
    for namespace in (other, catalogue, watched):
        plane.kube(namespace).apply(operator())

    plane.kube(watched).wait("interactoperators", "one", ready)
    plane.kube(catalogue).wait("interactoperators", "one", ready)

    plane.kube(watched).apply(operator("two"))
    plane.kube(watched).wait("interactoperators", "two", ready)
    assert "status" not in plane.kube(other).get("interactoperators", "one")


def test_the_help_names_every_variable_and_exit_code() -> None:
    told = ended("--help")

    assert told.returncode == 0
    for one in settings.VARIABLES:
        assert f"INTERACT_{one.name} " in told.stdout
    assert f"\n  {election.LOST}  it lost the Lease" in told.stdout


def test_a_wrong_environment_ends_it_with_every_mistake() -> None:
    told = ended(INTERACT_LOG="loud", INTERACT_HTTP_PORT="x")

    assert told.returncode == 2
    assert len(told.stderr.splitlines()) == 2
    assert "Traceback" not in told.stderr


def test_without_a_cluster_it_says_what_to_do() -> None:
    told = ended(KUBECONFIG="/nowhere", INTERACT_HTTP_PORT="0")

    assert told.returncode == 1
    last = json.loads(told.stderr.splitlines()[-1])
    assert "set KUBECONFIG" in last["error"]


def operator(name: str = "one") -> client.Object:
    return {"apiVersion": "interact.science/v1alpha1", "kind": "InteractOperator",
            "metadata": {"name": name}, "spec": {"image": "example/none:1"}}  # fmt: skip


def ready(given: client.Object) -> bool:
    return client.condition(given, "Ready").get("status") == "True"


def ended(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "interact_controller", *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
