"""A message becomes a run, and its results a message: on a real API server and a real nats-server."""

from collections.abc import Iterator

import pytest
from external.desk import Desk
from external.pipes import Pipes, eventually, parts
from external.rig import Rig
from interact._server import Server, nats_server

pytestmark = pytest.mark.nats


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with nats_server() as running:
        yield running


@pytest.fixture
def pipes(rig: Rig, server: Server, desk: Desk) -> Iterator[Pipes]:
    made = Pipes(rig, server, desk)
    yield made
    rig.kube.delete("pipelines", made.name)


async def test_each_message_becomes_a_run_and_its_results_a_message(pipes: Pipes) -> None:
    pipes.declare(*parts(3))

    async with pipes.controller(), pipes.flowing() as flow, flow.relay():
        await eventually(lambda: len(pipes.arrived) == 3)
        letters = await flow.letters()

    runs = pipes.runs()
    arrived = sorted(pipes.arrived, key=lambda one: one.start)
    assert [(one.start, one.stop) for one in arrived] == [(0, 2), (2, 4), (4, 6)]
    found = [run["status"]["results"]["number"] for run in runs]
    assert [one.columns["number"].tolist() for one in arrived] == [[n, n] for n in found]
    assert sorted(found) == [1, 2, 3]
    assert len(pipes.desk.jobs) == 3
    assert letters == 0
    [message] = [one["value"] for one in runs[1]["spec"]["parameters"] if one["name"] == "message"]
    assert message == {"scan": arrived[0].scan.id, "start": 2, "stop": 4, "total": 6, "kind": "values",
                       "index": [2, 3], "values": {"x": [2, 3]}}  # fmt: skip
    assert runs[1]["metadata"]["ownerReferences"][0]["uid"] == pipes.uid
