"""Rows: somebody changes what runs while it runs."""

from collections.abc import Mapping

import numpy as np

from chaos.local import Local, LocalRun, Nats
from chaos.pipeline import Setup
from chaos.table import CLUSTER, LOCAL, Substrate, row

LONG = Setup(ack_wait="600s", replicas=3)
SETTINGS = "ack wait 600 s: nothing waits for it"


@row(
    "SIGTERM and start, one after the other (rolling update)",
    "every process",
    settings=SETTINGS,
    on=(LOCAL, CLUSTER),
)
async def every_operator_is_rolled(on: Substrate) -> None:
    async with on.running(LONG) as run:
        await run.reached(0.1)
        for operator in run.setup.graph.code:
            await run.update(operator)
        await run.finished()
        run.exact()


@row("scaled from 3 replicas to 1", "a kernel", settings=SETTINGS)
async def a_kernel_is_scaled_down(on: Local) -> None:
    async with on.running(LONG) as run:
        await run.reached(0.2)
        await run.stop(("sums", 1), ("sums", 2))
        await run.finished()
        run.exact()


@row("suspended, later resumed", "the pipeline", settings=SETTINGS)
async def a_pipeline_is_suspended_and_resumed(on: Local) -> None:
    async with on.running(LONG) as run:
        await run.reached(0.2)
        await run.stop(*run.processes)
        run.start_all()
        await run.finished()
        run.exact()


@row(
    "drained: the source is stopped",
    "the pipeline",
    "every frame that was stored arrives, each once",
    settings=SETTINGS,
)
async def a_pipeline_is_drained(on: Local) -> None:
    async with on.running(LONG) as run:
        await run.reached(0.2)
        await run.stop(("frames", 0))
        stored = await run.position()
        await run.until(lambda: len(run.kept) >= stored, f"{stored} frames arrive")
        await run.stop(*run.processes)

        assert 0 < stored < run.setup.total
        assert sorted(run.kept["index"].tolist()) == list(range(stored))


@row(
    "a parameter of scope frame changes five times in a scan",
    "a kernel",
    "each message is made with one revision and stamped with it; the last one is used to the end",
)
async def a_parameter_changes_between_messages(on: Local) -> None:
    async with on.running(Setup(replicas=2)) as run:
        gains = {1: 1.0}
        for part in (0.1, 0.2, 0.3, 0.4, 0.5):
            await run.reached(part)
            gains[await run.set("sums", gain=10 * part)] = 10 * part
        await run.in_effect("sums", max(gains))
        await run.finished()

        run.exact()
        used = _each_message_used_one(run, "gain", gains)
        assert {1, max(gains)} <= used
        last = run.kept[run.kept["index"] == run.setup.total - 1]
        assert last["revision"].tolist() == [max(gains)]


@row(
    "a parameter of scope scan changes in a scan, and kill -9 of all replicas after it",
    "a kernel",
    "the scan goes on with the old value on every replica, the next one has the new value",
)
async def a_parameter_of_scans_changes(on: Local) -> None:
    async with on.running(Setup(parameters={"frames": {"scans": 2}})) as run:
        await run.reached(0.2)
        await run.set("sums", shift=7.0)
        await run.kill("sums")
        await run.finished()

        for ordinal, shift in ((0, 0.0), (1, 7.0)):
            run.exact(ordinal=ordinal)
            kept = run.kept
            assert set(kept["shift"][kept["scan"] == ordinal].tolist()) == {shift}


@row(
    "another pipeline of the same name in another namespace of the same nats-server",
    "the pipeline",
    "neither sees a frame of the other",
)
async def two_pipelines_of_one_name(on: Local) -> None:
    with Nats.shared(on.folder("nats")) as nats:
        mine, theirs = Setup(replicas=1), Setup(replicas=1, parameters={"sums": {"gain": 5.0}})
        async with (
            on.running(mine, "one", nats=nats, namespace="one") as one,
            on.running(theirs, "two", nats=nats, namespace="two") as two,
        ):
            await one.reached(0.2)
            await one.kill("sums")
            for run, gain in ((one, 1.0), (two, 5.0)):
                await run.finished()
                run.exact()
                assert set(run.kept["gain"].tolist()) == {gain}


def _each_message_used_one(run: LocalRun, column: str, values: Mapping[int, float]) -> set[int]:
    """The revisions used; fails if a message mixes two, or says another one than it was made with."""
    kept = run.kept
    for start in np.unique(kept["message"]):
        lines = kept[kept["message"] == start]
        [revision] = set(lines["revision"].tolist())
        assert set(lines[column].tolist()) == {values[revision]}, f"the message from {start}"
    return set(kept["revision"].tolist())
