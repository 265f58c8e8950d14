"""What tests of drivers on a real API server and a real nats-server share."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from cluster.kube import Kube, KubeError
from cluster.plane import Plane
from external.drivers.awaiting import until
from interact._server import Server, nats_server
from interact_api.external import Run
from interact_controller import jetstream
from interact_controller import kube as door
from interact_controller.external.drivers.objects import Requests


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with nats_server() as running:
        yield running


@pytest.fixture
async def broker(server: Server) -> AsyncIterator[jetstream.JetStream]:
    async with jetstream.connect(server.url, str(server.token_file), "test") as made:

        async def connected() -> bool:
            return made.connected

        await until(connected)
        yield made


@pytest.fixture
async def api(plane: Plane) -> AsyncIterator[Requests]:
    found = await door.connection({"KUBECONFIG": str(plane.kubeconfig)})
    async with door.door(found, "job-driver", lambda: True) as made:
        yield made


@pytest.fixture
def there(kube: Kube, namespace: str) -> Callable[..., Run]:
    """Makes runs that are there, so that what they own stays, as a driver is told of them."""

    def make(
        driver: str, section: str, said: Any, name: str = "one", attempt: int = 1, **told: Any
    ) -> Run:
        path = f"/apis/interact.science/v1alpha1/namespaces/{namespace}/externalruns"
        body = {"apiVersion": "interact.science/v1alpha1", "kind": "ExternalRun",
                "metadata": {"name": name}, "spec": {"driver": driver, section: said}}  # fmt: skip
        try:
            made = kube.request("POST", path, body)
        except KubeError as error:
            if error.status != 409:
                raise
            made = kube.request("GET", f"{path}/{name}")
        given = {"parameters": {"gain": 2.5, "$(HOME)": "x"}, "spec": said, **told}
        return Run.model_validate({"namespace": namespace, "name": name, "attempt": attempt,
                                   "uid": made["metadata"]["uid"], **given})  # fmt: skip

    return make
