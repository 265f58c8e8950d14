"""What kopf hears on a real API server, and what it leaves alone."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import kopf
import psutil
import pytest
from cluster.kube import Kube
from cluster.plane import Plane
from cluster.waiting import eventually
from interact_api.plain import mapping
from interact_controller import handlers, kube, labels
from interact_controller.relist import Scope
from interact_controller.seen import Key, Kind, Manifest
from interact_controller.store import key_of
from kopf._cogs.clients import watching
from kopf._cogs.structs import references
from sdk.looking import pause

PATIENCE_SECONDS = 30
PODS = references.Resource("", "v1", "pods")


@dataclass
class Heard:
    """Notes what it is told."""

    there: dict[Key, Manifest] = field(default_factory=dict)
    went: list[tuple[Key, str, int]] = field(default_factory=list)

    def heard(self, manifest: Manifest) -> None:
        self.there[key_of(manifest)] = manifest

    def took(self, manifest: Manifest) -> None:
        raise AssertionError(manifest)

    def gone(self, key: Key, uid: str, version: int = 0) -> None:
        self.went.append((key, uid, version))


@pytest.mark.parametrize("verb", [None, "ADDED", "MODIFIED"])
def test_what_is_there_is_told_with_its_kind_even_if_a_list_left_that_out(
    verb: str | None,
) -> None:
    heard = Heard()

    handlers.hand_on(Kind.POD, verb, {"metadata": {"name": "p", "namespace": "lab"}}, heard)

    key = Key(Kind.POD, "lab", "p")
    assert heard.there[key]["kind"] == "Pod"
    assert heard.there[key]["apiVersion"] == "v1"


def test_what_went_is_told_with_its_uid_and_its_last_version() -> None:
    heard = Heard()
    about: Manifest = {"name": "p", "namespace": "lab", "uid": "1", "resourceVersion": "7"}

    handlers.hand_on(Kind.PIPELINE, "DELETED", {"metadata": about}, heard)

    assert heard.went == [(Key(Kind.PIPELINE, "lab", "p"), "1", 7)]


def operator(name: str) -> dict[str, Any]:
    return {"apiVersion": "interact.science/v1alpha1", "kind": "InteractOperator",
            "metadata": {"name": name}, "spec": {"image": "example/none:1"}}  # fmt: skip


def deployment(name: str, **labelled: str) -> dict[str, Any]:
    matched = {"app": name}
    container = {"name": "operator", "image": "example/none:1"}
    pod = {"metadata": {"labels": matched}, "spec": {"containers": [container]}}
    return {"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "labels": labelled},
            "spec": {"replicas": 0, "selector": {"matchLabels": matched}, "template": pod}}  # fmt: skip


async def until(condition: Callable[[], object]) -> None:
    await asyncio.to_thread(eventually, condition)


def test_only_of_kopf_s_own_streams_the_end_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    async def ours() -> AsyncIterator[None]:
        yield

    theirs = watching.infinite_watch(
        settings=kopf.OperatorSettings(), resource=PODS, namespace=None
    )
    with closing(asyncio.new_event_loop()) as loop:
        handlers.without_theirs(loop, {"message": "theirs", "asyncgen": theirs})
        handlers.without_theirs(loop, {"message": "ours", "asyncgen": ours()})
        handlers.without_theirs(loop, {"message": "anything"})

    assert [one.message.splitlines()[0] for one in caplog.records] == ["ours", "anything"]


async def test_objects_are_heard_of_when_they_come_change_and_go(
    plane: Plane, namespace: str, kube: Kube
) -> None:
    heard, taken = Heard(), asyncio.Event()
    named = Key(Kind.OPERATOR, namespace, "o")
    kube.apply(operator("before"))
    connection = await handlers_connection(plane)
    watching = asyncio.create_task(
        handlers.watch(Scope(tuple(Kind), (namespace,)), connection, heard, taken.set)
    )
    other = asyncio.create_task(asyncio.Event().wait())  # somebody else's, begun later

    async with asyncio.timeout(PATIENCE_SECONDS):
        await taken.wait()
        await until(lambda: Key(Kind.OPERATOR, namespace, "before") in heard.there)
        made = await asyncio.to_thread(kube.apply, operator("o"))
        await until(lambda: named in heard.there)
        await asyncio.to_thread(kube.apply, operator("o") | {"spec": {"image": "example/b:1"}})
        await until(lambda: mapping(heard.there[named]["spec"])["image"] == "example/b:1")
        await asyncio.to_thread(kube.apply, deployment("foreign"))
        await asyncio.to_thread(kube.apply, deployment("ours", **{labels.PIPELINE: "p"}))
        await until(lambda: Key(Kind.DEPLOYMENT, namespace, "ours") in heard.there)
        await asyncio.to_thread(kube.delete, "interactoperators", "o")
        await until(lambda: heard.went)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching

    ((key, uid, version),) = heard.went
    assert (key, uid) == (named, made["metadata"]["uid"])
    assert version > int(made["metadata"]["resourceVersion"])
    assert Key(Kind.DEPLOYMENT, namespace, "foreign") not in heard.there
    assert not other.done()
    other.cancel()


async def handlers_connection(plane: Plane) -> kube.Connection:
    return await kube.connection({"KUBECONFIG": str(plane.kubeconfig)})


async def test_a_watch_that_is_cut_short_leaves_no_task_and_no_connection_behind(
    plane: Plane, namespace: str
) -> None:
    connection = await handlers_connection(plane)
    before, connected = asyncio.all_tasks(), connections(plane)
    watching = asyncio.create_task(
        handlers.watch(Scope(tuple(Kind), (namespace,)), connection, Heard(), lambda: None)
    )

    async with asyncio.timeout(PATIENCE_SECONDS):
        while not any("_read_version" in repr(task) for task in asyncio.all_tasks()):
            await pause(0)  # until kopf asks which kinds there are
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        while asyncio.all_tasks() != before:
            await pause(0)  # the loop closes the generators of those that are cancelled
        while connections(plane) - connected:
            await pause()  # TLS ends with a word of the server's


def connections(plane: Plane) -> set[int]:
    """Ports of this process's connections to the API server."""
    opened = psutil.Process().net_connections("tcp")
    return {one.laddr.port for one in opened if one.raddr and one.raddr.ip == plane.host}


async def test_hearing_writes_nothing(plane: Plane, namespace: str, kube: Kube) -> None:
    heard, taken = Heard(), asyncio.Event()
    made = kube.apply(operator("o"))
    connection = await handlers_connection(plane)
    watching = asyncio.create_task(
        handlers.watch(Scope((Kind.OPERATOR,), (namespace,)), connection, heard, taken.set)
    )

    async with asyncio.timeout(PATIENCE_SECONDS):
        await until(lambda: heard.there)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching

    assert kube.get("interactoperators", "o") == made


async def test_kopf_keeps_nothing_of_the_objects_it_hears_of():
    memories = handlers._NoMemories()

    await memories.recall({"metadata": {"uid": "u"}})

    assert list(memories.iter_all_memories()) == []
