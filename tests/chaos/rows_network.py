"""Rows: the way between a process and nats-server, or a process that stands still."""

import signal
from collections.abc import Callable, Sequence

from interact_api.choices import Storage

from chaos.local import Local, LocalRun
from chaos.pipeline import Setup
from chaos.runs import Replica
from chaos.table import EXACT, FILE, row

SHORT = Setup(ack_wait="1s")
LONGER = 1.5
"""Seconds: longer than the ack wait of 1 s, whatever is rounded."""
TWICE = "exact, though messages are delivered twice"
SETTINGS = "ack wait 1 s, the fault lasts longer"
Change = Callable[[LocalRun], None]


async def _away_and_back(
    on: Local, leave: Change, come: Change, *, relayed: Sequence[Replica] = (), whole: bool = False
) -> None:
    """Somebody is away for longer than the ack wait, or until all frames are there without him."""
    async with on.running(SHORT, relayed=relayed) as run:
        await run.reached(0.2)
        leave(run)
        run.open()
        await run.lasting(LONGER)
        if whole:
            await run.reached(1.0)
        come(run)
        await run.finished()
        run.exact()


async def _cut_off(on: Local, who: Replica, *, silent: bool = False, whole: bool = False) -> None:
    def leave(run: LocalRun) -> None:
        relay = run.relays[who]
        relay.blackhole() if silent else relay.cut()

    await _away_and_back(on, leave, lambda run: run.relays[who].mend(), relayed=[who], whole=whole)


async def _frozen(on: Local, who: Replica, *, whole: bool = False) -> None:
    await _away_and_back(
        on,
        lambda run: run.signal(signal.SIGSTOP, *who),
        lambda run: run.signal(signal.SIGCONT, *who),
        whole=whole,
    )


@row("the connection is cut", "the source", settings=SETTINGS)
async def the_source_is_cut_off(on: Local) -> None:
    await _cut_off(on, ("frames", 0))


@row("the connection is cut", "one replica of a kernel", TWICE, settings=SETTINGS)
async def a_kernel_replica_is_cut_off(on: Local) -> None:
    await _cut_off(on, ("sums", 1), whole=True)


@row("the connection is cut", "a reducer", TWICE, settings=SETTINGS)
async def the_reducer_is_cut_off(on: Local) -> None:
    await _cut_off(on, ("total", 0))


@row("packets vanish, the connection stays", "one replica of a kernel", TWICE, settings=SETTINGS)
async def a_kernel_replica_is_in_a_black_hole(on: Local) -> None:
    await _cut_off(on, ("sums", 1), silent=True, whole=True)


@row("SIGSTOP, later SIGCONT", "one replica of a kernel", TWICE, settings=SETTINGS)
async def a_kernel_replica_stands_still(on: Local) -> None:
    await _frozen(on, ("sums", 1), whole=True)


@row("SIGSTOP, later SIGCONT", "a reducer", TWICE, settings=SETTINGS)
async def the_reducer_stands_still(on: Local) -> None:
    await _frozen(on, ("total", 0))


@row("SIGSTOP, later SIGCONT", "nats-server", TWICE, settings=SETTINGS)
async def the_server_stands_still(on: Local) -> None:
    await _away_and_back(on, lambda run: run.nats.freeze(), lambda run: run.nats.thaw())


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
