"""Edits by hand: healed where a field is ours, left alone where it is not."""

import asyncio
import secrets

import pytest
from cluster.kube import has_condition
from cluster.waiting import eventually
from interact_api import names

from scenarios import ownership
from scenarios import stage as stages
from scenarios.stage import ENDLESS, MOMENTS, moments, operators

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def lab(theatre, plane, node):
    """A namespace with two running pipelines: one fixes its replicas, one leaves them to others."""
    node.images.update(stages.commands())
    namespace = f"owned-{secrets.token_hex(3)}"
    plane.kube().apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    node.namespaces.append(namespace)
    theatre.open(namespace)
    theatre.controller()
    kube = plane.kube(namespace)
    kube.apply(operators(*MOMENTS))
    for name, replicas in (("fixed", 1), ("free", None)):
        kube.apply(moments(name, replicas=replicas, parameters=ENDLESS))
    for name in ("fixed", "free"):
        kube.wait("pipelines", name, has_condition("Ready"), within=90)
    yield kube
    theatre.stop()
    plane.kube().delete("namespaces", namespace)


def at(value, path):
    for step in path:
        value = value[step]
    return value


def events(kube):
    return [
        (one.get("reason"), one.get("message"), one.get("count")) for one in kube.list("events")
    ]


def healings(kube):
    """What was healed so far, repeated as often as it was."""
    return [
        message
        for reason, message, count in events(kube)
        if reason == "Healed"
        for _ in range(count or 1)
    ]


def test_the_page_shows_the_table():
    assert ownership.PAGE.read_text() == ownership.page(), (
        "run: PYTHONPATH=tests python -m scenarios.ownership"
    )


@pytest.mark.parametrize("row", ownership.ROWS, ids=lambda row: row.what)
def test_an_edit_by_somebody_else(row, theatre, lab):
    pipeline = "fixed" if row.fixed else "free"
    deployment = names.workload(pipeline, "moments")
    told = len(healings(lab))

    if row.stream:
        play_stream(row, theatre, lab.namespace, pipeline)
    elif row.patch is None:
        play_deletion(lab, deployment)
    else:
        play_patch(row, lab, pipeline, deployment)

    if row.healed:
        eventually(lambda: len(healings(lab)) > told, lambda: events(lab))
    else:
        assert len(healings(lab)) == told


def play_patch(row, kube, pipeline, deployment):
    before = at(kube.get("deployments", deployment), row.path) if row.healed else None
    edited = kube.request(
        "PATCH",
        kube.path("deployments", deployment),
        row.patch,
        "application/strategic-merge-patch+json",
        fieldManager="somebody",
    )
    theirs = at(edited, row.path)
    if row.healed:
        assert theirs != before
        kube.wait("deployments", deployment, lambda one: at(one, row.path) == before)
    else:
        touched = {"spec": {"description": row.what}}  # wakes the controller; nothing else
        generation = kube.patch("pipelines", pipeline, touched)["metadata"]["generation"]
        kube.wait("pipelines", pipeline, lambda p: p["status"]["observedGeneration"] == generation)
        assert at(kube.get("deployments", deployment), row.path) == theirs


def play_deletion(kube, deployment):
    before = kube.get("deployments", deployment)["metadata"]["uid"]
    kube.delete("deployments", deployment)
    kube.wait("deployments", deployment, lambda one: one["metadata"]["uid"] != before)


def play_stream(row, stage, namespace, pipeline):
    stream = names.stream(namespace, pipeline, "scan", "out")
    durable = names.durable("moments", "frames")

    async def edit(jetstream):
        if row.stream == "delete":
            await jetstream.delete_stream(stream)
        elif row.stream == "consumer":
            await jetstream.delete_consumer(stream, durable)
        else:
            info = await jetstream.stream_info(stream)
            info.config.max_bytes *= 2
            await jetstream.update_stream(info.config)

    async def healed(jetstream):
        try:
            info = await jetstream.stream_info(stream)
            await jetstream.consumer_info(stream, durable)
        except Exception:  # not there yet
            await asyncio.sleep(0)
            return False
        return info.config.max_bytes == 16 << 20

    stages.ask(stage, edit)
    eventually(lambda: stages.ask(stage, healed), "the stream is as it was", 60)
