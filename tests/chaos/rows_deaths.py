"""Rows: somebody is gone without a word."""

from dataclasses import replace
from typing import TYPE_CHECKING

from interact_api.choices import Storage

from chaos.pipeline import SHOWN, Setup
from chaos.table import CLUSTER, EXACT, FILE, LOCAL, NODE, Substrate, row

if TYPE_CHECKING:
    from chaos.local import Local
    from chaos.node import OnNode

BOTH = (LOCAL, NODE)
PODS = (NODE, CLUSTER)
EVERYWHERE = (LOCAL, NODE, CLUSTER)
EVERYBODY = ("frames", "sums", "total", "kept")
NATS = "nats-server"
FILES = Setup(storage=Storage.FILE)
AGAIN = "exact, but the sink is given again what came after its last checkpoint"


async def _killed(
    on: Substrate,
    setup: Setup,
    *deaths: tuple[float, str] | tuple[float, str, int],
    once: bool = True,
) -> None:
    """Kill these operators, or replicas, at these parts of the scan: all arrives all the same."""
    async with on.running(setup) as run:
        for part, victim, *replicas in deaths:
            await run.reached(part)
            await (run.kill_nats() if victim == NATS else run.kill(victim, *replicas))
        await run.finished()
        run.exact(once=once)


@row("none", "nobody")
async def nothing_happens(on: Substrate) -> None:
    await _killed(on, Setup(gate=0))


@row("kill -9", "the source", on=BOTH)
async def the_source_is_killed(on: Substrate) -> None:
    await _killed(on, Setup(), (0.2, "frames"))


@row("kill -9", "one replica of a kernel")
async def a_kernel_replica_is_killed(on: Substrate) -> None:
    await _killed(on, Setup(), (0.2, "sums", 1))


@row("kill -9", "all replicas of a kernel", on=EVERYWHERE)
async def all_kernel_replicas_are_killed(on: Substrate) -> None:
    await _killed(on, Setup(), (0.2, "sums"))


@row("kill -9, twice", "a reducer", on=EVERYWHERE)
async def the_reducer_is_killed(on: Substrate) -> None:
    await _killed(on, Setup(), (0.2, "total"), (0.6, "total"))


@row("kill -9, twice", "a sink", AGAIN, on=BOTH)
async def the_sink_is_killed(on: Substrate) -> None:
    await _killed(on, Setup(), (0.2, "kept"), (0.6, "kept"), once=False)


@row(
    "kill -9, twice while a scan runs and once after its end",
    "a display",
    "the picture kept for people is the final one, and exact",
)
async def the_display_is_killed(on: "Local") -> None:
    async with on.running(Setup(graph=SHOWN)) as run:
        for part in (0.2, 0.6):
            await run.reached(part)
            await run.kill("shown")
        await run.finished("shown")
        await run.kill("shown")
        await run.finished("shown")
        run.exact()
        run.exact_picture(await run.shown("shown", "total"))


@row("kill -9", "every process of the pipeline at once", AGAIN)
async def every_operator_is_killed(on: Substrate) -> None:
    await _killed(on, Setup(), *((0.3, one) for one in EVERYBODY), once=False)


@row("kill -9, started again with its files", "nats-server", EXACT, storage=FILE, on=PODS)
async def the_server_is_killed(on: Substrate) -> None:
    await _killed(on, FILES, (0.3, NATS))


@row("kill -9, three times", "nats-server", EXACT, storage=FILE)
async def the_server_is_killed_again_and_again(on: Substrate) -> None:
    await _killed(on, FILES, (0.15, NATS), (0.35, NATS), (0.55, NATS))


@row("kill -9 of both at once", "nats-server and every process", AGAIN, storage=FILE)
async def everything_is_killed(on: Substrate) -> None:
    await _killed(on, FILES, *((0.3, one) for one in (*EVERYBODY, NATS)), once=False)


@row(
    "kill -9 of both at once, in the moment in which a scan is over",
    "nats-server and every process",
    "what was kept stays exact, and the picture stays the final one",
    storage=FILE,
)
async def everything_is_killed_at_the_end(on: Substrate) -> None:
    async with on.running(replace(FILES, gate=0)) as run:
        await run.finished()
        await run.kill_nats()
        for operator in EVERYBODY:
            await run.kill(operator)
        await run.finished()
        run.exact(once=False)


@row("kill -9, another one starts", "the controller", on=PODS)
async def the_controller_is_killed(on: "OnNode") -> None:
    async with on.running(Setup()) as run:
        await run.reached(0.2)
        await run.kill_controller()
        await run.finished()
        run.exact()
