"""The reconcile against a real API server: who owns replicas, and nothing twice."""

from datetime import UTC, datetime

import pytest
from cluster.kube import KubeError
from cluster.waiting import eventually
from controller.building import Boards, catalogue, chain
from controller.streams_in_memory import Streams
from interact_controller import labels
from interact_controller.errors import Conflict, Refused
from interact_controller.policy import Policy
from interact_controller.ports import World
from interact_controller.reconcile import reconcile
from interact_controller.seen import Key, Kind
from interact_controller.store import references

RESOURCES = {
    Kind.EXTERNAL_RUN: "externalruns",
    Kind.PIPELINE: "pipelines",
    Kind.OPERATOR: "interactoperators",
    Kind.DEPLOYMENT: "deployments",
    Kind.POD: "pods",
}
FREE = {"ref": "centre"}


class Server:
    """Store and Cluster over the tests' own client; every read is live."""

    def __init__(self, kube):
        self.kube = kube
        self.writes = []

    def get(self, key):
        return self.kube.find(RESOURCES[key.kind], key.name)

    def of_pipeline(self, kind, namespace, pipeline):
        found = self.kube.list(RESOURCES[kind], labels=f"interact.science/pipeline={pipeline}")
        return [{"kind": kind.value, **one} for one in found]

    def phases(self, namespace, pipeline):
        runs = self.of_pipeline(Kind.EXTERNAL_RUN, namespace, pipeline)
        return [
            (one["metadata"]["labels"][labels.OPERATOR], one["status"]["phase"]) for one in runs
        ]

    def users(self, operator):
        return [one for one in self.kube.list("pipelines") if operator in references(one)]

    async def apply(self, manifest, *, manager):
        self.writes.append(("apply", manifest["metadata"]["name"]))
        try:
            return self.kube.apply(manifest, manager=manager)
        except KubeError as error:
            kind = Conflict if error.status == 409 else Refused
            raise kind(str(error), error.status) from error

    async def remove(self, key, *, uid):
        self.writes.append(("remove", key.name))
        self.kube.delete(RESOURCES[key.kind], key.name)

    async def write_status(self, key, status, *, resource_version):
        self.writes.append(("status", key.name))
        found = self.get(key)
        found["metadata"]["resourceVersion"] = resource_version
        path = self.kube.path(RESOURCES[key.kind], f"{key.name}/status")
        try:
            return self.kube.request("PUT", path, {**found, "status": status})
        except KubeError as error:
            kind = Conflict if error.status == 409 else Refused
            raise kind(str(error), error.status) from error

    async def tell(self, about, *, warning, reason, message):
        pass

    async def live(self, key):
        return self.get(key)


class Place:
    """A namespace with the small catalogue and one pipeline."""

    def __init__(self, kube, pipeline):
        self.kube = kube
        self.server = Server(kube)
        self.world = World(
            self.server, self.server, Streams(), Boards(), Policy(installation="here"),
            lambda: datetime.now(UTC),
        )  # fmt: skip
        for one in [*catalogue(), pipeline]:
            self.apply(one)
        self.key = Key(Kind.PIPELINE, kube.namespace, "scan")

    def apply(self, manifest):
        about = {"name": manifest["metadata"]["name"], "namespace": self.kube.namespace}
        self.kube.apply({**manifest, "metadata": about})

    async def look(self, times=1):
        for _ in range(times):
            await reconcile(self.key, self.world)

    def deployment(self, operator):
        return self.kube.get("deployments", f"scan--{operator}")

    async def settle(self):
        """Look until nothing is left to do and the Deployments' controller has caught up."""
        for _ in range(20):
            self.server.writes.clear()
            await self.look()
            eventually(lambda: all(map(caught_up, self.kube.list("deployments"))))
            if not self.server.writes:
                return
        raise AssertionError(f"never at rest: {self.server.writes}")


def caught_up(deployment):
    return (
        deployment.get("status", {}).get("observedGeneration", 0)
        >= (deployment["metadata"]["generation"])
    )


@pytest.fixture
def place(kube):
    return lambda pipeline: Place(kube, pipeline)


async def test_what_the_server_makes_of_our_objects_differs_in_nothing_of_ours(place):
    here = place(chain(c={"ref": "centre", "replicas": 2, "template": {
        "resources": {"requests": {"cpu": "0.5", "memory": "1000Mi"}, "limits": {"memory": "2Gi"}},
        "env": [{"name": "EMPTY"}, {"name": "A", "value": "1"}],
        "volumes": [{"name": "w", "emptyDir": {"sizeLimit": "1.5Gi"}}],
        "volumeMounts": [{"name": "w", "mountPath": "/w"}],
        "tolerations": [{"key": "gpu", "operator": "Exists"}, {"key": "a", "value": "b"}],
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone"}],
        "securityContext": {"runAsUser": 1000, "supplementalGroups": [5, 6]},
    }}))  # fmt: skip
    await here.settle()
    generations = [one["metadata"]["generation"] for one in here.kube.list("deployments")]

    await here.look(times=5)

    assert here.server.writes == []
    assert generations == [1, 1, 1, 1]


async def test_giving_up_a_number_keeps_it_and_somebody_else_may_choose(place):
    here = place(chain(c={"ref": "centre", "replicas": 3}))
    await here.settle()
    seen = [here.deployment("c")["spec"]["replicas"]]

    here.apply(chain(c={"ref": "centre", "replicas": 4}))
    await here.settle()
    seen.append(here.deployment("c")["spec"]["replicas"])
    here.apply(chain(c=FREE))
    await here.settle()
    seen.append(here.deployment("c")["spec"]["replicas"])
    scale = {"spec": {"replicas": 6}}
    here.kube.patch("deployments", "scan--c/scale", scale)
    await here.settle()
    seen.append(here.deployment("c")["spec"]["replicas"])
    here.apply(chain(c={"ref": "centre", "replicas": 2}))
    await here.settle()
    seen.append(here.deployment("c")["spec"]["replicas"])

    assert seen == [3, 4, 4, 6, 2]


async def test_suspending_and_resuming_goes_back_to_the_number_somebody_chose(place):
    here = place(chain(c=FREE))
    await here.settle()
    here.kube.patch("deployments", "scan--c/scale", {"spec": {"replicas": 5}})

    here.kube.patch("pipelines", "scan", {"spec": {"suspend": True}})
    await here.settle()
    stopped = [one["spec"]["replicas"] for one in here.kube.list("deployments")]
    here.kube.patch("pipelines", "scan", {"spec": {"suspend": False}})
    await here.settle()

    assert stopped == [0, 0, 0, 0]
    assert [one["spec"]["replicas"] for one in here.kube.list("deployments")] == [5, 1, 1, 1]


async def test_an_operator_may_become_parallel_and_stop_being_so(place):
    here = place(chain())
    await here.settle()
    parallel = {"parallelConfig": {"type": "embarrassing"}}

    here.kube.patch("interactoperators", "show", {"spec": parallel})
    await here.settle()
    first = here.deployment("s")["spec"]["strategy"]["type"]
    here.kube.patch("interactoperators", "show", {"spec": {"parallelConfig": {"type": "none"}}})
    await here.settle()

    assert (first, here.deployment("s")["spec"]["strategy"]) == (
        "RollingUpdate",
        {"type": "Recreate"},
    )


async def test_removed_fields_of_a_template_go_away_and_others_fields_stay(place):
    env = {"env": [{"name": "A", "value": "1"}]}
    here = place(chain(s={"ref": "show", "template": env}))
    await here.settle()
    here.kube.patch("deployments", "scan--s", {"metadata": {"annotations": {"mesh": "on"}}})

    here.apply(chain())
    await here.settle()

    found = here.deployment("s")
    (container,) = found["spec"]["template"]["spec"]["containers"]
    assert "A" not in {one["name"] for one in container["env"]}
    assert found["metadata"]["annotations"]["mesh"] == "on"
    assert found["spec"]["replicas"] == 1


async def test_what_the_server_refuses_is_told_in_its_words(place):
    affinity = {"affinity": {"nodeAffinity": {"surprise": 1}}}
    here = place(chain(s={"ref": "show", "template": affinity}))

    await here.look(times=2)

    status = here.kube.get("pipelines", "scan")["status"]
    ready = next(one for one in status["conditions"] if one["type"] == "Ready")
    assert ready["reason"] == "InvalidTemplate"
    assert "surprise" in ready["message"]
