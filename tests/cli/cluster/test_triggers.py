"""`interact trigger` on a cluster: the API server says what there is, replicas answer over NATS."""

import asyncio
import json
import threading
from contextlib import contextmanager

import pytest
from cli.cluster.stored import operator_state
from interact._jetstream import connect
from interact._jetstream._talking import Talk
from interact._server import nats_server
from interact.cli.exits import Exit
from interact_api import calls, names
from interact_api.calls import Answer, Outcome

pytestmark = pytest.mark.nats

ASKED = """\
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {name: adding}
spec:
  image: example.org/adding:1
  inputs: [{name: in, type: dense}]
  outputs: [{name: out, type: dense}]
  parallelConfig: {type: embarrassing}
  parameters:
  - {name: gain, type: int, default: "1", minimum: 1, maximum: 100}
  - {name: mode, type: str-enum, options: [fast, exact]}
  triggers:
  - name: retrain
    parameters: [{name: epochs, type: int, default: 3, minimum: 1}]
"""


@pytest.fixture
def server():
    with nats_server() as running:
        yield running


@contextmanager
def replicas(server, namespace, numbers):
    """Replicas of sum that answer calls of its trigger with their arguments."""
    subject = names.trigger_subject(namespace, "demo", "sum", "retrain")
    ready, loop = threading.Event(), asyncio.new_event_loop()
    over = asyncio.Event()

    async def heard(payload, reply):
        call = calls.call(payload)
        for number in numbers:
            await reply(calls.encode(Answer(call.id, number, Outcome.DONE, call.arguments)))

    async def serve():
        async with (
            connect(server.url, name="sum", token=server.token) as broker,
            Talk(broker).answering(subject, heard),
        ):
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(30)
        loop.close()


@pytest.fixture
def asked(lab, server, kube):
    """The lab with an operator that has a trigger, two replicas ready, and how to call it."""
    kube.apply(ASKED)
    lab.write_status(
        phase="Running",
        operators=[operator_state("reader"), operator_state("sum", ready=2, replicas=2)],
    )
    lab.call = (
        "trigger", "demo", "sum.retrain", "--nats", server.url, "--nats-token-file",
        server.token_file, "--timeout", "1",
    )  # fmt: skip
    return lab


def test_every_replica_the_status_tells_of_answers(asked, server, namespace):
    with replicas(server, namespace, [0, 1]):
        answers = json.loads(asked.said(*asked.call, "epochs=5", "-o", "json"))

    assert [(one["replica"], one["result"]) for one in answers] == [
        (0, {"epochs": "5"}), (1, {"epochs": "5"}),
    ]  # fmt: skip


def test_a_replica_that_says_nothing_is_unknown(asked, server, namespace):
    with replicas(server, namespace, [1]):
        code, words = asked.refused(*asked.call)

    assert code is Exit.TIMEOUT
    assert "replica 1: " in words
    assert "unknown: no answer within 1 s" in words


def test_nobody_is_called_with_arguments_that_are_wrong_or_where_nobody_runs(asked):
    wrong = asked.refused(*asked.call, "epochs=0", "rate=1")
    absent = asked.refused(*asked.call)

    assert (wrong[0], absent[0]) == (Exit.INVALID, Exit.NOT_FOUND)
    assert "at least 1" in wrong[1]
    assert "no parameter 'rate'" in wrong[1]
    assert "no replica of 'sum' runs" in absent[1]
