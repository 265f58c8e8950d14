"""Rows: somebody is gone without a word."""

from typing import TYPE_CHECKING

from interact_api.pipeline import Storage

from chaos.pipeline import Setup
from chaos.table import CLUSTER, EXACT, FILE, LOCAL, NODE, Substrate, row

if TYPE_CHECKING:
    from chaos.node import OnNode

BOTH = (LOCAL, NODE)
EVERYWHERE = (LOCAL, NODE, CLUSTER)
FILES = Setup(storage=Storage.FILE)
AGAIN = "exact, but the sink is given again what came after its last checkpoint"


@row("none", "nobody")
async def nothing_happens(on: Substrate) -> None:
    async with on.running(Setup()) as run:
        await run.finished()
        run.exact()


@row("kill -9", "the source", on=BOTH)
async def the_source_is_killed(on: Substrate) -> None:
    async with on.running(Setup()) as run:
        await run.reached(0.2)
        await run.kill("frames")
        await run.finished()
        run.exact()


@row("kill -9", "one replica of a kernel")
async def a_kernel_replica_is_killed(on: Substrate) -> None:
    async with on.running(Setup()) as run:
        await run.reached(0.2)
        await run.kill("sums", 1)
        await run.finished()
        run.exact()


@row("kill -9", "all replicas of a kernel", on=EVERYWHERE)
async def all_kernel_replicas_are_killed(on: Substrate) -> None:
    async with on.running(Setup()) as run:
        await run.reached(0.2)
        await run.kill("sums")
        await run.finished()
        run.exact()


@row("kill -9, twice", "a reducer", on=EVERYWHERE)
async def the_reducer_is_killed(on: Substrate) -> None:
    async with on.running(Setup()) as run:
        await run.reached(0.2)
        await run.kill("total")
        await run.reached(0.6)
        await run.kill("total")
        await run.finished()
        run.exact()


@row("kill -9, twice", "a sink", AGAIN, on=BOTH)
async def the_sink_is_killed(on: Substrate) -> None:
    async with on.running(Setup()) as run:
        await run.reached(0.2)
        await run.kill("kept")
        await run.reached(0.6)
        await run.kill("kept")
        await run.finished()
        run.exact(once=False)


@row("kill -9", "every process of the pipeline at once", AGAIN)
async def every_operator_is_killed(on: Substrate) -> None:
    async with on.running(Setup()) as run:
        await run.reached(0.3)
        for operator in ("frames", "sums", "total", "kept"):
            await run.kill(operator)
        await run.finished()
        run.exact(once=False)


@row("kill -9, started again with its files", "nats-server", EXACT, storage=FILE, on=EVERYWHERE)
async def the_server_is_killed(on: Substrate) -> None:
    async with on.running(FILES) as run:
        await run.reached(0.3)
        await run.kill_nats()
        await run.finished()
        run.exact()


@row("kill -9, three times", "nats-server", EXACT, storage=FILE)
async def the_server_is_killed_again_and_again(on: Substrate) -> None:
    async with on.running(FILES) as run:
        for part in (0.15, 0.35, 0.55):
            await run.reached(part)
            await run.kill_nats()
        await run.finished()
        run.exact()


@row("kill -9 of both at once", "nats-server and every process", AGAIN, storage=FILE)
async def everything_is_killed(on: Substrate) -> None:
    async with on.running(FILES) as run:
        await run.reached(0.3)
        for operator in ("frames", "sums", "total", "kept"):
            await run.kill(operator)
        await run.kill_nats()
        await run.finished()
        run.exact(once=False)


@row("kill -9, another one starts", "the controller", on=(NODE, CLUSTER))
async def the_controller_is_killed(on: "OnNode") -> None:
    async with on.running(Setup()) as run:
        await run.reached(0.2)
        await run.kill_controller()
        await run.finished()
        run.exact()
