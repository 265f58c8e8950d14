"""The door to Kubernetes against a real API server."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cluster.kube import Kube
from cluster.plane import Plane
from interact_api.plain import mapping
from interact_controller import events, kube
from interact_controller.errors import ClusterUnreachable, Conflict, Refused
from interact_controller.events import Teller
from interact_controller.hearing import Hearing
from interact_controller.relist import Relist, Scope
from interact_controller.seen import Key, Kind, Manifest
from interact_controller.store import Objects

AGENT = "a_0123"


class World:
    """A door, and what came through it."""

    def __init__(self) -> None:
        self.leads = True
        self.took: list[Manifest] = []
        self.went: list[tuple[Key, str]] = []

    def gone(self, key: Key, uid: str) -> None:
        self.went.append((key, uid))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def teller(plane: Plane, world: World) -> AsyncIterator[Teller]:
    found = await kube.connection({"KUBECONFIG": str(plane.kubeconfig)})
    async with kube.door(found, AGENT, lambda: world.leads) as api:
        yield Teller(api, world.took.append, world.gone, instance=AGENT, page=2)


def deployment(namespace: str, name: str = "d", **spec: Any) -> dict[str, Any]:
    labels = {"interact.science/pipeline": "p"}
    container = {"name": "operator", "image": "example/none:1"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": pod, **spec},
    }  # fmt: skip


def operator(name: str) -> dict[str, Any]:
    return {"apiVersion": "interact.science/v1alpha1", "kind": "InteractOperator",
            "metadata": {"name": name}, "spec": {"image": "example/none:1"}}  # fmt: skip


async def test_what_is_applied_is_there_and_the_answer_is_handed_on(
    teller: Teller, world: World, namespace: str, kube: Kube
) -> None:
    applied = await teller.apply(deployment(namespace), manager="interact-controller")

    live = await teller.live(Key(Kind.DEPLOYMENT, namespace, "d"))
    assert live is not None
    assert world.took == [applied]
    assert mapping(live["metadata"])["uid"] == mapping(applied["metadata"])["uid"]
    managers = kube.get("deployments", "d")["metadata"]["managedFields"]
    assert {"interact-controller"} <= {one["manager"] for one in managers}


async def test_a_field_of_somebody_else_is_taken_by_force_and_others_are_left(
    teller: Teller, namespace: str, kube: Kube
) -> None:
    kube.apply(deployment(namespace, paused=True, replicas=4), manager="somebody")

    given = deployment(namespace, paused=False)
    del given["spec"]["replicas"]
    await teller.apply(given, manager="interact-controller")

    found = kube.get("deployments", "d")["spec"]
    assert found["replicas"] == 4
    assert not found.get("paused")


async def test_an_object_is_deleted_only_if_it_is_still_the_same_one(
    teller: Teller, world: World, namespace: str, kube: Kube
) -> None:
    await teller.apply(deployment(namespace), manager="m")
    key, uid = Key(Kind.DEPLOYMENT, namespace, "d"), kube.get("deployments", "d")["metadata"]["uid"]

    await teller.remove(key, uid="another")
    assert kube.find("deployments", "d") is not None
    assert world.went == []

    await teller.remove(key, uid=uid)
    await teller.remove(key, uid=uid)
    assert kube.find("deployments", "d") is None
    assert world.went == [(key, uid), (key, uid)]


async def test_a_status_is_written_to_the_version_that_was_read_and_to_no_other(
    teller: Teller, namespace: str, kube: Kube
) -> None:
    made = kube.apply(operator("o"))
    key, version = Key(Kind.OPERATOR, namespace, "o"), made["metadata"]["resourceVersion"]

    written = await teller.write_status(key, {"usedBy": 1}, resource_version=version)

    assert written["status"] == {"usedBy": 1}
    assert kube.get("interactoperators", "o")["spec"] == made["spec"]
    with pytest.raises(Conflict, match="modified"):
        await teller.write_status(key, {"usedBy": 2}, resource_version=version)


async def test_a_refusal_has_the_servers_words(teller: Teller, namespace: str) -> None:
    wrong = deployment(namespace, replicas=-1)

    with pytest.raises(Refused, match=r"spec\.replicas") as caught:
        await teller.apply(wrong, manager="m")
    assert caught.value.status == 422

    with pytest.raises(Refused, match="not found") as caught:
        await teller.apply(deployment("nowhere-at-all"), manager="m")
    assert caught.value.status == 404


async def test_nothing_is_there_is_no_error(teller: Teller, namespace: str) -> None:
    assert await teller.live(Key(Kind.POD, namespace, "none")) is None


async def test_who_does_not_lead_reads_and_writes_nothing(
    teller: Teller, world: World, plane: Plane, namespace: str, kube: Kube
) -> None:
    made = kube.apply(operator("o"))
    key = Key(Kind.OPERATOR, namespace, "o")
    world.leads = False

    with pytest.raises(ClusterUnreachable, match="does not lead"):
        await teller.apply(deployment(namespace), manager="m")
    with pytest.raises(ClusterUnreachable, match="does not lead"):
        await teller.remove(key, uid=made["metadata"]["uid"])
    with pytest.raises(ClusterUnreachable, match="does not lead"):
        await teller.write_status(key, {}, resource_version=made["metadata"]["resourceVersion"])
    await teller.tell(made, warning=False, reason="R", message="m")

    assert await teller.live(key) is not None
    world.leads = True
    await teller.apply(deployment(namespace), manager="m")
    (asked,) = plane.audit("interact-controller", namespace=namespace)  # reads are not in it
    assert (asked["verb"], asked["objectRef"]["resource"]) == ("patch", "deployments")


async def test_the_audit_log_shows_which_process_asked(
    teller: Teller, plane: Plane, namespace: str
) -> None:
    await teller.apply(deployment(namespace), manager="m")

    agents = {one["userAgent"] for one in plane.audit("interact-controller", namespace=namespace)}
    assert agents == {kube.agent(AGENT)}


async def test_an_event_told_again_counts_up_and_one_that_was_forgotten_is_made_anew(
    teller: Teller, namespace: str, kube: Kube
) -> None:
    made = kube.apply(operator("o"))

    for _ in range(3):
        await teller.tell(made, warning=True, reason="Healed", message="a" * 3000)
    (found,) = kube.list("events")
    assert (found["count"], found["type"], found["reason"]) == (3, "Warning", "Healed")
    assert len(found["message"]) == events.LONGEST
    assert found["involvedObject"]["uid"] == made["metadata"]["uid"]

    kube.delete("events", found["metadata"]["name"])
    await teller.tell(made, warning=True, reason="Healed", message="a" * 3000)
    await teller.tell(made, warning=False, reason="Healed", message="b")
    again = {one["message"]: one for one in kube.list("events")}
    assert again["a" * events.LONGEST]["count"] == 1
    assert again["b"]["type"] == "Normal"


async def test_an_event_that_is_refused_is_logged_and_no_more(
    teller: Teller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    about: Manifest = {"kind": "Pod", "metadata": {"name": "x", "namespace": "nowhere-at-all"}}

    await teller.tell(about, warning=False, reason="R", message="m")

    assert [one.message for one in caplog.records] == ["an event was not posted"]


async def test_the_id_of_an_installation_is_made_once(teller: Teller, namespace: str) -> None:
    asked = [teller.installation(namespace, "id", f"fresh-{number}") for number in range(5)]

    first = set(await asyncio.gather(*asked))

    assert len(first) == 1
    assert await teller.installation(namespace, "id", "later") == first.pop()


async def test_lists_come_in_pages_and_a_glance_says_the_same(
    teller: Teller, namespace: str, kube: Kube
) -> None:
    for number in range(5):
        kube.apply(operator(f"o{number}"))

    pages = [page async for page in teller.pages(Kind.OPERATOR, namespace)]
    glance = await teller.glance(Kind.OPERATOR, namespace)

    assert [len(page) for page in pages] == [2, 2, 1]
    about = [mapping(one["metadata"]) for page in pages for one in page]
    assert {one["kind"] for page in pages for one in page} == {"InteractOperator"}
    assert glance.objects == {
        Key(Kind.OPERATOR, namespace, one["name"]): (one["uid"], int(one["resourceVersion"]))
        for one in about
    }
    assert glance.version >= max(version for _, version in glance.objects.values())


async def test_a_server_that_is_not_there_is_unreachable(plane: Plane, tmp_path: Path) -> None:
    closed = plane.url.rsplit(":", 1)[0] + ":1"
    nowhere = kube.Connection(url=closed, ca_file=str(plane.authority))
    stranger = kube.Connection(url=plane.url)  # it trusts other authorities

    for connection in (nowhere, stranger):
        async with kube.door(connection, AGENT, lambda: True) as api:
            with pytest.raises(ClusterUnreachable, match="does not answer"):
                await api.request("GET", "/version")


async def test_a_token_is_read_anew_for_each_request(plane: Plane, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("wrong")
    connection = kube.Connection(url=plane.url, ca_file=str(plane.authority), token_file=str(token))
    async with kube.door(connection, AGENT, lambda: True) as api:
        with pytest.raises(ClusterUnreachable, match="Unauthorized"):
            await api.request("GET", "/api/v1/nodes")

        token.write_text(plane.admin_token)
        assert json.loads(await api.request("GET", "/api/v1/nodes"))["kind"] == "NodeList"


async def test_a_pod_finds_its_cluster_and_everybody_else_is_told_what_to_do(
    tmp_path: Path,
) -> None:
    inside = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}

    found = await kube.connection(inside)

    assert found.url == "https://[fd00::1]:6443"
    assert found.token_file.endswith("serviceaccount/token")
    with pytest.raises(ClusterUnreachable, match="set KUBECONFIG"):
        await kube.connection({"KUBECONFIG": str(tmp_path / "none")})


async def test_a_kubeconfig_that_asks_for_no_check_gets_none(plane: Plane, tmp_path: Path) -> None:
    given = json.loads(plane.kubeconfig.read_text())
    given["clusters"][0]["cluster"] = {"server": plane.url, "insecure-skip-tls-verify": True}
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(given))

    found = await kube.connection({"KUBECONFIG": str(path)})

    assert found.ssl_context().verify_mode is ssl.CERT_NONE
    async with kube.door(found, AGENT, lambda: True) as api:
        assert b"NodeList" in await api.request("GET", "/api/v1/nodes")


# -- the look at the whole cluster ----------------------------------------------------------------


class Woken:
    def __init__(self) -> None:
        self.keys: list[Key] = []

    def wake(self, key: Key) -> None:
        self.keys.append(key)

    def wake_after(self, key: Key, seconds: float) -> None:
        del seconds
        self.keys.append(key)


async def test_what_a_watch_did_not_tell_is_found(
    teller: Teller, namespace: str, kube: Kube
) -> None:
    objects, woken = Objects(), Woken()
    hearing = Hearing(objects, woken, lambda: None)
    kinds = (Kind.PIPELINE, Kind.OPERATOR, Kind.DEPLOYMENT)
    relist = Relist(teller, objects, hearing, (Scope(kinds, (namespace,)),), lambda: None)
    for name in ("goes", "changes", "stays", "anew"):
        kube.apply(operator(name))
    kube.apply(deployment(namespace))
    await relist.first()
    assert woken.keys == []

    kube.delete("interactoperators", "goes")
    kube.apply(operator("changes") | {"spec": {"image": "example/other:1"}})
    kube.delete("interactoperators", "anew")
    kube.apply(operator("anew"))
    kube.delete("deployments", "d")
    kube.wait_gone("deployments", "d")
    await relist.once(grace=0)

    named = {Key(Kind.OPERATOR, namespace, one) for one in ("goes", "changes", "anew")}
    assert set(woken.keys) == named | {Key(Kind.PIPELINE, namespace, "p")}
    assert {key.name for key in objects.keys(Kind.OPERATOR)} == {"changes", "stays", "anew"}
    assert objects.keys(Kind.DEPLOYMENT) == ()
    changed = objects.get(Key(Kind.OPERATOR, namespace, "changes"))
    assert changed is not None
    assert mapping(changed["spec"])["image"] == "example/other:1"

    woken.keys.clear()
    await relist.once(grace=0)
    assert woken.keys == []


async def test_the_first_list_waits_for_a_server_that_has_the_kinds(
    teller: Teller, namespace: str, kube: Kube
) -> None:
    kube.apply(operator("o"))
    asked = 0

    class Late:
        glance, live = teller.glance, teller.live

        async def pages(
            self, kind: Kind, namespace: str = "", *, labels: str = ""
        ) -> AsyncIterator[list[Manifest]]:
            nonlocal asked
            asked += 1
            if asked < 3:
                raise Refused("the server could not find the requested resource", 404)
            async for page in teller.pages(kind, namespace, labels=labels):
                yield page

    objects = Objects()
    hearing = Hearing(objects, Woken(), lambda: None)
    await Relist(
        Late(), objects, hearing, (Scope((Kind.OPERATOR,), (namespace,)),), lambda: None
    ).first(again=0)

    assert objects.keys(Kind.OPERATOR) == (Key(Kind.OPERATOR, namespace, "o"),)
