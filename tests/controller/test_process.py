"""The controller as a process, against a real API server and a real nats-server."""

import itertools
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator

import pytest
from cluster import kube as client
from cluster.plane import Plane
from cluster.waiting import eventually
from interact import _server
from interact_controller import settings
from scenarios import stage as stages
from scenarios.stage import Stage

MUTATING = ("create", "update", "patch", "delete")
_NAMES = itertools.count()


@pytest.fixture(scope="module")
def theatre(plane: Plane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("process")
    system = f"system-{secrets.token_hex(3)}"
    kube = plane.kube()
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": system}})
    stages.grant(plane, system)
    account = plane.user(stages.AGENT, system)
    with _server.nats_server(folder / "nats", max_file=1 << 40) as nats:
        one = Stage(plane, nats, system, account, folder, f"test-{system}")
        yield one
        one.stop()
    kube.delete("namespaces", system)


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
):
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
