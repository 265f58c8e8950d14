"""What a local run finds on its edges, on a real nats-server."""

import io
import time

import pytest
from interact import DenseFrames, operator
from interact.cli import screen, troubles
from interact_api.board import Board
from interact_api.conditions import ConditionType
from rich.console import Console
from sdk.at_work import SCAN, given, planned, running

pytestmark = pytest.mark.nats


@operator(name="collect")
def collect(part: DenseFrames) -> None:
    """Keeps nothing."""


@pytest.fixture(scope="module")
def server():
    from interact._server import nats_server

    with nats_server() as one:
        yield one


async def test_a_run_sees_what_waits_and_says_what_is_abnormal(server):
    source, _ = given(SCAN)
    plan = planned("watched", [source, collect], [("given.out", "collect.part")])
    config = plan.operators["collect"]
    board = Board({("watched", name): one for name, one in plan.operators.items()})
    async with running(server, plan) as run:
        jetstream = run.broker.context
        for _ in range(3):
            await jetstream.publish(plan.operators["given"].outputs[0].subject + ".s", b"x" * 50)
        pull = await jetstream.pull_subscribe_bind(
            config.inputs[0].durable, config.inputs[0].stream
        )
        [message] = await pull.fetch(1)
        await jetstream.publish(config.dead_letter_subject, b"a bad frame")
        before = time.time()

        await troubles.look(run.broker, board, {"watched": plan})
        [edge] = board.edges["watched"]
        await message.ack_sync()
        await troubles.look(run.broker, board, {"watched": plan})
        [later] = board.edges["watched"]

    assert (edge.source, edge.target, edge.pending, edge.held) == (
        "given.out",
        "collect.part",
        2,
        1,
    )
    assert 150 < edge.bytes < edge.bytes_limit == 16 << 20
    assert 0 <= edge.age(before) < 60
    assert (edge.acknowledged_at, later.held) == (0.0, 0)
    assert later.acknowledged_at >= edge.oldest_at
    letters = board.letters["watched"]
    assert letters is not None
    assert letters.by_operator == {"collect": 1}
    [trouble] = board.troubles["watched"]
    assert trouble.type is ConditionType.DEAD_LETTERING
    [line] = troubles.lines(board)
    assert line.startswith("DeadLettering (FramesFailed): 1 dead letter kept (collect: 1)")
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(screen.picture(board))
    assert line in console.export_text()
