"""Rows: frames that must come together, or in their order."""

import time
from dataclasses import replace

from interact._jetstream import _looking
from interact_api import flow
from interact_api.conditions import ConditionType
from interact_api.wire import Json

from chaos.local import Local, LocalRun
from chaos.pipeline import DIAMOND, MIB, ORDERED, Setup
from chaos.runs import PATIENCE
from chaos.table import row

JOINED = Setup(graph=DIAMOND, replicas=1)
HELD, PER_MESSAGE = 40, 4
"""A frame of the first tenth, the first of its message."""
LATER = 1000.0
"""Seconds: far beyond the silence after which a person is told; nobody waits for it here."""


async def _joined(
    on: Local, setup: Setup, bad: int, letters: int, kill: str = ""
) -> list[dict[str, Json]]:
    """All frames but a bad one arrive, which leaves so many letters; what they say."""
    async with on.running(setup) as run:
        if kill:
            await run.reached(0.3)
            await run.kill(kill)
        await run.finished()
        run.exact(gone=frozenset({bad}))
        kept = [letter for _, letter in await run.letters()]
        assert [letter.index.tolist() for letter in kept] == [[bad]] * letters
        return [dict(letter.attributes) for letter in kept]


@row(
    "a branch leaves frames out (filtered)",
    "a join of two branches",
    "the scan completes; frames that one branch left out are missing, the others exact",
)
async def a_join_with_a_filtered_branch(on: Local) -> None:
    parameters = {"others": {"bad": 77, "how": "leave"}}
    await _joined(on, replace(JOINED, parameters=parameters, gate=0), bad=77, letters=0)


@row(
    "an exception on a frame in one branch, kill -9 of the join",
    "a join of two branches",
    "the scan completes; one dead letter; the other frames exact",
)
async def a_join_with_a_poisoned_branch(on: Local) -> None:
    setup = replace(JOINED, parameters={"others": {"bad": 78}})
    await _joined(on, setup, bad=78, letters=1, kill="pair")


@row(
    "one frame kills the process (SIGKILL, as for memory)",
    "a join of two branches",
    "all other frames arrive; both halves of the frame are kept as dead letters; the scan completes",
    settings="ack wait 1 s, attempts 2",
)
async def a_join_is_killed_by_a_frame(on: Local) -> None:
    setup = replace(JOINED, attempts=2, ack_wait="1s", parameters={"pair": {"bad": 79}}, gate=0)
    why = await _joined(on, setup, bad=79, letters=2)
    assert sorted(str(one["port"]) for one in why) == ["left", "right"]
    assert [one["kind"] for one in why] == ["crash", "crash"]


@row(
    "a replica has the next frame and no room to send it: the stream is full of later ones",
    "an operator that asks for order",
    "conditions BackPressured and Stuck name the stream and who waits; given room, all arrives, exact",
    settings="maxBytes 8Ki, ack wait 600 s: nothing waits for it",
)
async def a_ring_of_waits(on: Local) -> None:
    held = {"bad": HELD, "how": "gate", "pause": 0.02}
    setup = Setup(
        graph=ORDERED, port_bytes={"sums": 8 << 10}, ack_wait="600s", gate=0,
        kernel_timeout=PATIENCE, parameters={"sums": held, "frames": {"pause": 0.0}},
    )  # fmt: skip
    async with on.running(setup) as run:
        await _full(run, "sums", gone=HELD // PER_MESSAGE)
        run.open()
        await _all_wait(run, "sums")
        found = await _conditions(run)

        assert run.done == HELD / setup.total
        assert "sums.out" in found[ConditionType.BACK_PRESSURED]
        assert "follow.part has acknowledged nothing" in found[ConditionType.STUCK]
        await _give_room(run)
        await run.finished()
        run.exact()


async def _full(run: LocalRun, operator: str, gone: int) -> None:
    """Wait until so many messages have left the stream, and one more has no room in it."""
    [output] = run.plan.operators[operator].outputs
    end = time.monotonic() + PATIENCE
    while True:
        state = (await run.broker.context.stream_info(output.stream)).state
        room = output.max_bytes - state.bytes
        if state.last_seq - state.messages == gone and room < 0.9 * state.bytes / state.messages:
            return
        assert time.monotonic() < end, f"{output.stream} does not fill: {state}\n{run.words()}"
        await run.lasting(0.1)


async def _all_wait(run: LocalRun, operator: str) -> None:
    """Wait until each replica has waited for room for half a second more."""

    def seconds() -> list[float]:
        told = [run.tells(operator, replica) for replica in run.replicas(operator)]
        return [one.blocked_seconds if one is not None else 0.0 for one in told]

    begun = seconds()
    await run.until(
        lambda: all(now - then > 0.5 for now, then in zip(seconds(), begun, strict=True)),
        "all replicas wait for room",
    )


async def _conditions(run: LocalRun) -> dict[ConditionType, str]:
    """What would be told of the edges if they stayed as they are for long."""
    edges = await _looking.edges(run.broker, run.plan.operators.values())
    return {one.type: one.message for one in flow.troubles([], edges, None, time.time() + LATER)}


async def _give_room(run: LocalRun) -> None:
    stream = run.plan.operators["sums"].outputs[0].stream
    config = (await run.broker.context.stream_info(stream)).config
    config.max_bytes = MIB
    await run.broker.context.update_stream(config)
