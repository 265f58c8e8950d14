"""Rows: a frame that a kernel cannot do."""

from chaos.local import Local
from chaos.pipeline import Setup
from chaos.table import CLUSTER, LOCAL, Substrate, row

BAD = 501
THOUSAND = Setup(rows=25, parameters={"sums": {"bad": BAD}, "frames": {"pause": 0.0}}, gate=0)
GONE = frozenset({BAD})
KEPT = "999 of 1,000 frames arrive, one dead letter with the frame in it, and the scan completes"


@row(
    "an exception on one frame in a thousand; when it is mended, it is sent again",
    "a kernel",
    f"{KEPT}; then the thousandth arrives, and the result is exact",
)
async def a_poison_frame_is_kept_aside_and_sent_again(on: Local) -> None:
    async with on.running(THOUSAND) as run:
        await run.finished()
        run.exact(gone=GONE)
        [(header, letter)] = await run.letters()
        assert letter.index.tolist() == [BAD]
        assert header.kind == "dense"
        assert "a frame nobody can sum" in str(letter.attributes["error"])

        await run.set_and_heard("sums", bad=-1)
        assert await run.redrive() == [""]
        await run.until(lambda: run.picture()[1]["missing"] == {}, "the result is corrected")
        run.exact()
        assert await run.letters() == []


@row(
    "an exception on one frame, and kill -9 of the replica that keeps it",
    "a kernel",
    KEPT.replace("999 of 1,000 frames arrive", "all other frames arrive"),
)
async def a_poison_frame_and_deaths(on: Local) -> None:
    setup = Setup(parameters={"sums": {"bad": 200}})
    async with on.running(setup) as run:
        await run.reached(0.3)
        await run.kill("sums")
        await run.reached(0.5)
        await run.kill("sums")
        await run.finished()
        run.exact(gone=frozenset({200}))
        assert [letter.index.tolist() for _, letter in await run.letters()] == [[200]]


@row(
    "a message that cannot be decoded",
    "a kernel",
    "kept as a dead letter at once; no other frame is touched",
)
async def a_foreign_message_is_kept_aside(on: Local) -> None:
    async with on.running(Setup()) as run:
        await run.reached(0.2)
        subject = run.plan.operators["frames"].outputs[0].subject
        await run.broker.publish(f"{subject}.foreign", b"who are you")
        await run.finished()
        run.exact()
        [raw] = await run.raw_letters()
        assert raw.endswith(b"who are you")


ENDS = (
    "all other frames arrive; the frame is tried alone, then kept as a dead letter; "
    "the scan completes"
)
TIMEOUT = ("timeout", "crash")
"""The second where another replica took the frame before the ended one could say how it ended."""
TRIED = "kernelTimeout 1 s, ack wait 2 s, attempts 2"


async def _given_up(on: Substrate, how: str, *kinds: str) -> None:
    setup = Setup(
        attempts=2, ack_wait="2s", kernel_timeout=1.0, parameters={"sums": {"bad": 201, "how": how}}
    )
    async with on.running(setup) as run:
        await run.finished()
        run.exact(gone=frozenset({201}))
        [(_, letter)] = await run.letters()
        assert letter.index.tolist() == [201]
        assert letter.attributes["kind"] in kinds


@row("the kernel never returns from one frame", "a kernel", ENDS, settings=TRIED)
async def a_kernel_hangs(on: Local) -> None:
    await _given_up(on, "wait", *TIMEOUT)


@row("the kernel never returns and holds the interpreter's lock", "a kernel", ENDS, settings=TRIED)
async def a_kernel_holds_the_lock_for_ever(on: Local) -> None:
    await _given_up(on, "hold", *TIMEOUT)


@row(
    "one frame kills the process (SIGKILL, as for memory; on a cluster for memory)",
    "a kernel",
    ENDS,
    settings=TRIED,
    on=(LOCAL, CLUSTER),
)
async def a_kernel_is_killed_by_a_frame(on: Substrate) -> None:
    await _given_up(on, "kill", "crash")


@row("the kernel asks for another try each time", "a kernel", ENDS, settings="attempts 2")
async def a_kernel_asks_for_ever(on: Local) -> None:
    await _given_up(on, "again", "transient")


@row(
    "the kernel holds the interpreter's lock for three times the ack wait, and returns",
    "a kernel",
    "exact, and no dead letter",
    settings="ack wait 1 s, kernelTimeout 30 s",
)
async def a_kernel_holds_the_lock(on: Local) -> None:
    setup = Setup(ack_wait="1s", parameters={"sums": {"bad": 202, "how": "slow"}})
    async with on.running(setup) as run:
        await run.finished()
        run.exact()
        assert await run.letters() == []
