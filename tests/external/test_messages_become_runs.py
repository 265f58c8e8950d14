"""A message becomes a run, and its results a message: on a real API server and a real nats-server."""

import hashlib
import io
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
from external.desk import Desk
from external.pipes import Pipes, eventually, parts
from external.rig import Rig
from interact import Image, Scan
from interact._server import Server, nats_server
from interact_api import names
from interact_api.external import Observation, State
from nats.js.errors import ObjectNotFoundError

pytestmark = pytest.mark.nats


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with nats_server() as running:
        yield running


@pytest.fixture
def pipes(rig: Rig, server: Server, desk: Desk) -> Iterator[Pipes]:
    made = Pipes(rig, server, desk)
    yield made
    if rig.kube.find("pipelines", made.name) is not None:
        rig.kube.delete("pipelines", made.name)


async def test_each_message_becomes_a_run_and_its_results_a_message(pipes: Pipes) -> None:
    pipes.declare(*parts(3))

    async with pipes.controller(), pipes.flowing() as flow, flow.relay():
        await eventually(lambda: flow.complete)
        letters = await flow.letters()

    runs = pipes.runs()
    arrived = pipes.in_order()
    assert [(one.start, one.stop) for one in arrived] == [(0, 2), (2, 4), (4, 6)]
    found = [run["status"]["results"]["number"] for run in runs]
    assert [one.columns["number"].tolist() for one in arrived] == [[n, n] for n in found]
    assert sorted(found) == [1, 2, 3]
    assert len(pipes.desk.jobs) == 3
    assert letters == []
    [message] = [one["value"] for one in runs[1]["spec"]["parameters"] if one["name"] == "message"]
    assert message == {"scan": arrived[0].scan.id, "start": 2, "stop": 4, "total": 6, "kind": "values",
                       "index": [2, 3], "values": {"x": [2, 3]}}  # fmt: skip
    assert runs[1]["metadata"]["ownerReferences"][0]["uid"] == pipes.uid


async def test_a_message_given_again_finds_its_run(pipes: Pipes) -> None:
    pipes.declare(*parts(3))
    pipes.desk.polls = None

    async with pipes.controller() as controller, pipes.flowing() as flow:
        async with flow.relay():
            await eventually(lambda: pipes.desk.busy == 3)
        before = {run["metadata"]["uid"] for run in pipes.runs()}
        pipes.desk.polls = 1
        controller.wake()
        async with flow.relay():
            await eventually(lambda: len(pipes.arrived) == 3)

    assert {run["metadata"]["uid"] for run in pipes.runs()} == before
    assert len(pipes.desk.jobs) == 3
    assert sorted(part.columns["number"][0] for part in pipes.in_order()) == [1, 2, 3]


async def test_a_run_that_fails_leaves_a_dead_letter_with_its_reason(pipes: Pipes) -> None:
    pipes.declare(*parts(2))
    pipes.desk.say(
        "check", Observation(state=State.FAILED, reason="Diverged", message="no minimum")
    )

    async with pipes.controller(), pipes.flowing() as flow, flow.relay():
        await eventually(lambda: flow.complete)
        [letter] = await flow.letters()

    [failed] = [run for run in pipes.runs() if run["status"]["phase"] == "FAILED"]
    words = f"ExternalRun {failed['metadata']['name']} FAILED: Diverged: no minimum"
    assert letter.attributes["error"] == words
    assert letter.attributes["kind"] == "external"
    [whole] = pipes.arrived
    assert {(letter.start, letter.stop), (whole.start, whole.stop)} == {(0, 2), (2, 4)}
    assert str(letter.start) == failed["metadata"]["labels"]["interact.science/index"]
    assert len(pipes.desk.jobs) == 2


async def test_no_more_runs_than_the_operator_may_have_and_in_order(pipes: Pipes) -> None:
    pipes.declare(*parts(7), most=2)
    desk = pipes.desk
    desk.polls = None

    async with pipes.controller() as controller, pipes.flowing() as flow, flow.relay():
        for done in range(7):
            await eventually(partial(_has, desk, min(done + 2, 7)))
            going = [run for run in pipes.runs() if "completionTime" not in run.get("status", {})]
            assert len(going) <= 2
            desk.jobs[done].state = State.SUCCEEDED
            controller.wake()
        await eventually(lambda: len(pipes.arrived) == 7)

    assert desk.most == 2
    keys = [run["status"]["idempotencyKey"] for run in pipes.runs()]
    assert [job.key for job in desk.jobs] == keys


def _has(desk: Desk, jobs: int) -> bool:
    return len(desk.jobs) == jobs


async def test_deleting_a_pipeline_cancels_the_work_of_its_messages(pipes: Pipes) -> None:
    pipes.declare(*parts(2))
    pipes.desk.polls = None

    async with pipes.controller() as controller, pipes.flowing() as flow, flow.relay():
        await eventually(lambda: pipes.desk.busy == 2)
        pipes.rig.kube.delete("pipelines", pipes.name)
        await eventually(lambda: pipes.runs() == [])
        await controller.hear()
        await eventually(lambda: pipes.desk.busy == 0)
        asked = await flow.asks(3)

    assert [job.state for job in pipes.desk.jobs] == [State.CANCELLED] * 2
    assert len(asked) == 3
    assert pipes.runs() == []


async def test_messages_wait_for_a_controller_that_is_away(pipes: Pipes) -> None:
    pipes.declare(*parts(2))

    async with pipes.flowing() as flow, flow.relay():
        await eventually(lambda: any("waits for the controller" in one for one in pipes.warnings()))
        async with pipes.controller():
            await eventually(lambda: len(pipes.arrived) == 2)

    assert len(pipes.desk.jobs) == 2


async def test_a_large_message_is_an_input_of_its_run(pipes: Pipes) -> None:
    picture = Image(
        scan=Scan("scan-1", (2, 3)), start=0, stop=6, total=6,
        channels={"sum": np.arange(6.0).reshape(2, 3)},
    )  # fmt: skip
    pipes.declare(picture)
    pipes.desk.polls = None

    async with pipes.controller() as controller, pipes.flowing() as flow, flow.relay():
        await eventually(lambda: pipes.desk.busy == 1)
        [run] = pipes.runs()
        [given] = run["spec"]["inputs"]
        data = await flow.read(given["object"])
        pipes.desk.polls = 1
        controller.wake()
        await eventually(lambda: flow.complete)
        with pytest.raises(ObjectNotFoundError):
            await flow.read(given["object"])

    arrays = np.load(io.BytesIO(data))
    [arrived] = pipes.arrived
    bucket = names.messages_bucket(pipes.rig.kube.namespace, pipes.name)
    assert given["object"].startswith(f"{bucket}/{pipes.name}/")
    assert (given["name"], given["bytes"]) == ("message.npz", len(data))
    assert given["sha256"] == hashlib.sha256(data).hexdigest()
    assert arrays["sum"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (arrived.index.tolist(), arrived.columns["number"].tolist()) == ([0], [1])
    assert (arrived.start, arrived.stop) == (0, 6)


async def test_giving_up_a_scan_stops_its_runs(pipes: Pipes) -> None:
    pipes.declare(*parts(2))
    pipes.desk.polls = None

    async with pipes.controller() as controller, pipes.flowing() as flow, flow.relay():
        await eventually(lambda: pipes.desk.busy == 2)
        [run, _] = pipes.runs()
        await flow.give_up(run["metadata"]["labels"]["interact.science/scan"])
        await eventually(lambda: pipes.runs() == [])
        await controller.hear()
        await eventually(lambda: pipes.desk.busy == 0)
        await eventually(lambda: flow.complete)

    assert pipes.arrived == []


async def test_an_external_operator_may_be_the_last_one(pipes: Pipes) -> None:
    pipes.declare(*parts(2), spec={"outputs": []})

    async with pipes.controller(), pipes.flowing() as flow, flow.relay():
        await eventually(lambda: pipes.tally is not None and pipes.tally.state == "done")

    assert [run["status"]["phase"] for run in pipes.runs()] == ["COMPLETED"] * 2
    assert len(pipes.desk.jobs) == 2


async def test_a_dead_letter_that_is_sent_again_makes_another_run(pipes: Pipes) -> None:
    pipes.declare(*parts(1))
    pipes.desk.say("check", Observation(state=State.FAILED, reason="Diverged"))

    async with pipes.controller(), pipes.flowing() as flow, flow.relay():
        await eventually(lambda: flow.complete)
        refused = await flow.send_again()
        await eventually(lambda: pipes.arrived)
        left = await flow.letters()

    [arrived] = pipes.arrived
    assert (refused, left) == ([""], [])
    assert arrived.columns["number"].tolist() == [2, 2]
    phases = sorted(run["status"]["phase"] for run in pipes.runs())
    assert phases == ["COMPLETED", "FAILED"]
