"""What was deleted while nobody told: watches expired, and nothing stale is left anywhere."""

import secrets

import pytest
import urllib3
from cluster.processes import Address
from cluster.waiting import eventually
from interact import _server

from scenarios import stage as stages
from scenarios.stage import MOMENTS, moments, operators, streams

pytestmark = pytest.mark.timeout(240)

GONE, STAYS = "goes", "stays"


@pytest.fixture
def stage(separate_plane, tmp_path):
    """A control plane that may be torn down, its controller's rights, and a nats-server."""
    plane = separate_plane()
    system = f"system-{secrets.token_hex(3)}"
    plane.kube().apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": system}})
    stages.grant(plane, system)
    account = plane.user(stages.AGENT, system)
    with _server.nats_server(tmp_path / "nats", max_file=1 << 40) as nats:
        one = stages.Stage(plane, nats, system, account, tmp_path, f"test-{system}")
        yield one
        one.stop()


@pytest.fixture
def address():
    made = Address()
    yield made
    made.close()


def series(address):
    """What the controller measures."""
    return urllib3.request("GET", f"http://{address.host}:8080/metrics").data.decode()


def used_by(kube):
    return [one.get("status", {}).get("usedBy") for one in kube.list("interactoperators")]


def made(kube, *pipelines):
    """Whether these pipelines, and no others, have their Deployments, pods and streams."""

    def holds():
        owners = [
            (kind, one["metadata"]["labels"]["interact.science/pipeline"])
            for kind in ("deployments", "pods")
            for one in kube.list(kind)
        ]
        wanted = {(kind, name) for kind in ("deployments", "pods") for name in pipelines}
        return (
            set(owners) == wanted
            and len(owners) == len(wanted) * len(MOMENTS)
            and used_by(kube) == [len(pipelines)] * len(MOMENTS)
        )

    return holds


def test_what_was_deleted_while_the_watches_expired_is_forgotten(stage, address):
    plane, kube = stage.plane, stage.plane.kube(stage.system)
    controller = stage.controller(
        INTERACT_HTTP_HOST=address.host, INTERACT_HTTP_PORT="8080", INTERACT_LEASE_SECONDS="600"
    )
    kube.apply(operators(*MOMENTS))
    for name in (GONE, STAYS):
        kube.apply(moments(name))
    eventually(made(kube, GONE, STAYS), "both pipelines made", 60)
    eventually(lambda: f'pipeline="{GONE}"' in series(address), "a series of it")
    before = streams(stage, stage.system)

    controller.freeze()
    plane.stop_api()  # its watches are cut first, so that no news wait in its sockets
    plane.start_api()
    kube.delete("pipelines", GONE)
    eventually(lambda: len(kube.list("pods")) == len(MOMENTS), "its pods collected", 60)
    plane.forget_history()
    assert streams(stage, stage.system) == before
    controller.thaw()

    eventually(lambda: f'pipeline="{GONE}"' not in series(address), "no series of it", 60)
    eventually(made(kube, STAYS), "the operators used by one", 60)
    kept = {one for one in before if STAYS in one}
    eventually(lambda: streams(stage, stage.system) == kept, "its streams swept")
    assert kept < before
    assert f'pipeline="{STAYS}"' in series(address)

    kube.apply(moments(GONE))
    eventually(made(kube, GONE, STAYS), "a pipeline of the old name made anew", 60)
    assert len(streams(stage, stage.system)) == len(before)
    assert controller.alive
