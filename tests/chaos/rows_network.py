"""Rows: the way between a process and nats-server, or a process that stands still."""

import signal

from interact_api.pipeline import Storage

from chaos.local import Local, LocalRun
from chaos.pipeline import Setup
from chaos.table import EXACT, FILE, row

SHORT = Setup(ack_wait="1s")
LONGER = 2.5
"""Seconds: longer than the ack wait of 1 s, whatever is rounded."""
TWICE = "exact, though messages are delivered twice"
SETTINGS = "ack wait 1 s, the fault lasts 2.5 s"


async def _away_and_back(run: LocalRun, operator: str, replica: int, how: str) -> None:
    await run.reached(0.2)
    relay = run.relays[operator, replica]
    getattr(relay, how)()
    run.open()
    await run.lasting(LONGER)
    relay.mend()
    await run.finished()
    run.exact()


@row("the connection is cut", "the source", settings=SETTINGS)
async def the_source_is_cut_off(on: Local) -> None:
    async with on.running(SHORT, relayed=[("frames", 0)]) as run:
        await _away_and_back(run, "frames", 0, "cut")


@row("the connection is cut", "one replica of a kernel", TWICE, settings=SETTINGS)
async def a_kernel_replica_is_cut_off(on: Local) -> None:
    async with on.running(SHORT, relayed=[("sums", 1)]) as run:
        await _away_and_back(run, "sums", 1, "cut")


@row("the connection is cut", "a reducer", TWICE, settings=SETTINGS)
async def the_reducer_is_cut_off(on: Local) -> None:
    async with on.running(SHORT, relayed=[("total", 0)]) as run:
        await _away_and_back(run, "total", 0, "cut")


@row("packets vanish, the connection stays", "one replica of a kernel", TWICE, settings=SETTINGS)
async def a_kernel_replica_is_in_a_black_hole(on: Local) -> None:
    async with on.running(SHORT, relayed=[("sums", 1)]) as run:
        await _away_and_back(run, "sums", 1, "blackhole")


@row("packets vanish, the connection stays", "a reducer", TWICE, settings=SETTINGS)
async def the_reducer_is_in_a_black_hole(on: Local) -> None:
    async with on.running(SHORT, relayed=[("total", 0)]) as run:
        await _away_and_back(run, "total", 0, "blackhole")


@row("SIGSTOP, later SIGCONT", "one replica of a kernel", TWICE, settings=SETTINGS)
async def a_kernel_replica_stands_still(on: Local) -> None:
    async with on.running(SHORT) as run:
        await run.reached(0.2)
        run.signal(signal.SIGSTOP, "sums", 1)
        await run.reached(0.6)  # the other replica has what this one holds
        run.open()
        await run.lasting(LONGER)
        run.signal(signal.SIGCONT, "sums", 1)
        await run.finished()
        run.exact()


@row("SIGSTOP, later SIGCONT", "a reducer", TWICE, settings=SETTINGS)
async def the_reducer_stands_still(on: Local) -> None:
    async with on.running(SHORT) as run:
        await run.reached(0.2)
        run.signal(signal.SIGSTOP, "total")
        run.open()
        await run.lasting(LONGER)
        run.signal(signal.SIGCONT, "total")
        await run.finished()
        run.exact()


@row("SIGSTOP, later SIGCONT", "nats-server", TWICE, settings=SETTINGS)
async def the_server_stands_still(on: Local) -> None:
    async with on.running(SHORT) as run:
        await run.reached(0.2)
        run.nats.freeze()
        run.open()
        await run.lasting(LONGER)
        run.nats.thaw()
        await run.finished()
        run.exact()


@row("the connections of all are cut, and nats-server is killed meanwhile", "every process", EXACT, storage=FILE)  # fmt: skip
async def everybody_is_cut_off(on: Local) -> None:
    everybody = [("frames", 0), ("sums", 0), ("sums", 1), ("total", 0), ("kept", 0)]
    async with on.running(Setup(storage=Storage.FILE), relayed=everybody) as run:
        await run.reached(0.3)
        for relay in run.relays.values():
            relay.cut()
        await run.kill_nats()
        for relay in run.relays.values():
            relay.mend()
        await run.finished()
        run.exact()
