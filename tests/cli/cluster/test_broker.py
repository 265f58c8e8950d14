"""The NATS of a cluster, found by its Service and reached through a tunnel."""

import asyncio
from dataclasses import dataclass

import pytest
from cli.cluster import stored, streaming
from cli.cluster.stored import kubeconfig
from interact import _jetstream, _server
from interact.cli.app import app
from interact.cli.cluster import broker, connecting
from interact.cli.cluster.api import Api, ApiError
from interact.cli.cluster.broker import PodPort
from interact.cli.cluster.objects import Place
from interact.cli.cluster.options import Where
from interact.cli.exits import CommandError, Exit
from typer.testing import CliRunner

LABELS = {"app.kubernetes.io/part-of": "interact", "app.kubernetes.io/component": "nats"}
CONTAINER = {
    "name": "nats",
    "image": "example.org/nats:1",
    "ports": [{"name": "monitor", "containerPort": 8222}, {"name": "client", "containerPort": 4333}],
    "securityContext": {
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}  # fmt: skip


def service(name="nats", labels=LABELS, ports=None):
    ports = ports or [{"name": "nats", "port": 4222, "targetPort": "client"}]
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "labels": labels},
        "spec": {"selector": {"app": name}, "ports": ports},
    }  # fmt: skip


def pod(kube, name, *, ready=True, app="nats"):
    kube.create({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": app}},
        "spec": {"containers": [CONTAINER]},
    })  # fmt: skip
    status = {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    kube.patch_status("pods", name, status)


@pytest.fixture
def place(plane, namespace):
    return connecting.place(Where(str(plane.kubeconfig), namespace="default"))


def refused(place, namespace=""):
    with pytest.raises(CommandError) as raised:
        broker.pod_port(place, namespace)
    return raised.value.code, str(raised.value)


def test_a_ready_pod_behind_the_service_is_found_by_the_port_s_name(place, kube, namespace):
    kube.apply(service())
    pod(kube, "nats-0", ready=False)
    pod(kube, "nats-1")
    pod(kube, "other", app="other")

    assert broker.pod_port(place, namespace) == PodPort(namespace, "nats-1", 4333)


@pytest.mark.parametrize(
    ("ports", "port"),
    [
        pytest.param([{"port": 4222}], 4222, id="without a target"),
        pytest.param([{"name": "a", "port": 80}, {"name": "b", "port": 4222, "targetPort": 9}], 9, id="by its number"),
        pytest.param([{"name": "a", "port": 80}, {"name": "client", "port": 81}], 81, id="by its name"),
        pytest.param([{"name": "a", "port": 80, "targetPort": 5000}], 5000, id="the only one"),
        pytest.param([{"name": "nats", "port": 80, "targetPort": "absent"}], 4222, id="a name nobody has"),
    ],
)  # fmt: skip
def test_the_port_for_clients_is_told_from_others(place, kube, namespace, ports, port):
    kube.apply(service(ports=ports))
    pod(kube, "nats-0")

    assert broker.pod_port(place, namespace).port == port


def test_a_namespace_without_nats_says_how_to_name_another(place, kube, namespace):
    kube.apply(service(labels={"app.kubernetes.io/component": "nats"}))

    code, words = refused(place, namespace)

    assert (code, "--nats-namespace" in words, "--nats" in words) == (Exit.NO_NATS, True, True)


def test_two_of_them_are_not_guessed_between(place, kube, namespace):
    kube.apply(service("one"))
    kube.apply(service("two"))

    code, words = refused(place, namespace)

    assert (code, "2 Services" in words) == (Exit.USAGE, True)


def test_a_service_without_a_ready_pod_is_named(place, kube, namespace):
    kube.apply(service())
    pod(kube, "nats-0", ready=False)

    code, words = refused(place, namespace)

    assert (code, "none of its 1 pods is ready" in words) == (Exit.NO_NATS, True)


def test_all_namespaces_are_looked_through():
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    only = {"metadata": {"name": "nats", "namespace": "far"}, "spec": {"selector": {"app": "nats"}}}
    found = {"metadata": {"name": "nats-0"}, "status": ready}
    where = stored.place(
        paths={
            "/api/v1/services": {"items": [only]},
            "/api/v1/namespaces/far/pods": {"items": [found]},
        }
    )

    assert broker.pod_port(where) == PodPort("far", "nats-0", 4222)


def test_who_may_not_look_in_all_namespaces_is_told_to_name_one(plane, namespace):
    user = connecting.place(Where(str(plane.user("nobody", namespace))))

    code, words = refused(user)

    assert (code, "--nats-namespace" in words) == (Exit.FORBIDDEN, True)


def test_images_of_a_pipeline_that_is_not_there_say_so_before_nats_is_looked_for(plane, namespace):
    where = ["--kubeconfig", str(plane.kubeconfig), "-n", namespace]

    done = CliRunner().invoke(app, ["images", "absent", "-o", "out", *where])

    assert isinstance(done.exception, CommandError)
    assert done.exception.code is Exit.NOT_FOUND
    assert "there is no pipeline 'absent'" in str(done.exception)


@dataclass(frozen=True)
class Split:
    """An API server whose pods' ports another one forwards."""

    api: Api
    pods: Api

    def request(self, *arguments, **options):
        return self.api.request(*arguments, **options)

    def lines(self, *arguments, **options):
        return self.api.lines(*arguments, **options)

    def tunnel(self, *arguments):
        return self.pods.tunnel(*arguments)


def test_a_server_behind_the_tunnel_is_used_like_any_other(place, kube, namespace, nats, tmp_path):
    kube.apply(service())
    pod(kube, "nats-0")
    host, _, port = nats.url.rpartition("/")[2].partition(":")
    payload = bytes(range(256)) * (8 << 10)

    async def echoed(url):
        token = nats.token_file.read_text().strip()
        async with _jetstream.connect(url, name="test", token=token) as there:
            await there.context.add_stream(name="s", subjects=["a"])
            await there.context.publish("a", payload)
            return (await there.context.get_last_msg("s", "a")).data

    with streaming.api_server((host, int(port))) as (server, asked):
        file = kubeconfig(tmp_path / "config", server=server)
        pods = connecting.place(Where(str(file))).api
        with broker.reached(Place(Split(place.api, pods), "default"), namespace) as url:
            assert url != nats.url
            _server.check_version(str(_server.greeting(url)["version"]), url)
            heard = asyncio.run(echoed(url))

    assert heard == payload
    assert set(asked) == {f"/api/v1/namespaces/{namespace}/pods/nats-0/portforward"}


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        pytest.param("nats-0", 400, "does not have a host assigned", id="a pod without a node"),
        pytest.param("absent", 404, "not found", id="no such pod"),
    ],
)
def test_a_tunnel_that_cannot_be_is_refused_in_the_server_s_words(
    place, kube, namespace, name, code, words
):
    pod(kube, "nats-0")

    with pytest.raises(ApiError) as raised:
        place.api.tunnel(namespace, name, 4222)

    assert (raised.value.code, words in str(raised.value)) == (code, True), str(raised.value)


def test_who_may_not_forward_ports_is_told(plane, namespace):
    user = connecting.place(Where(str(plane.user("nobody", namespace))))

    with pytest.raises(ApiError) as raised:
        user.api.tunnel(namespace, "nats-0", 4222)

    assert (raised.value.code, "pods/portforward" in str(raised.value)) == (403, True)


def test_a_way_that_is_closed_is_told_before_anything_is_connected(place, kube, namespace):
    kube.apply(service())
    pod(kube, "nats-0")

    with pytest.raises(CommandError) as raised, broker.reached(place, namespace):
        raise AssertionError("there is no way")

    assert raised.value.code is Exit.INVALID
    assert "pod 'nats-0'" in str(raised.value)
    assert "does not have a host assigned" in str(raised.value)
