"""Parameters that change while operators run, on a real nats-server."""

import asyncio

import numpy as np
import pytest
from interact import DenseFrames, Param, Reducer, Resume, Scan, Values, _runtime
from interact import operator as make_operator
from interact import source as make_source
from interact._live_values import KEY, written
from interact.testing import split
from interact_api import report
from sdk.at_work import PATIENCE, SCAN, collector, planned, running
from sdk.live_at_work import UNKNOWN, Live, at_work, fed, numbered, scale

pytestmark = pytest.mark.nats


async def test_a_frame_scoped_value_applies_with_the_next_message(server):
    read, parts = fed()
    messages = numbered("a")
    async with at_work(server, "frame", read, scale) as live:
        await parts.put(messages[0])
        await live.took(5)
        await live.set(gain=3.0, offset=0.0)
        told = await live.run.until("scale", lambda told: told.revision == 2)
        for part in messages[1:]:
            await parts.put(part)
        await live.took(35)

    assert live.used("gain") == [1.0] + [3.0] * 6
    assert [part.revision for part in sorted(live.arrived, key=lambda p: p.start)] == [1] + [2] * 6
    assert not told.refused


async def test_a_scan_scoped_value_waits_for_the_next_scan(server):
    read, parts = fed()
    first, second = numbered("a"), numbered("b")
    async with at_work(server, "scan", read, scale) as live:
        await parts.put(first[0])
        await live.took(5)
        await live.set_and_heard(gain=1.0, offset=5.0)
        for part in first[1:]:
            await parts.put(part)
        await live.took(35)
        assert live.run.told["scale"].revision == 1, "not all of it is in effect"
        for part in second:
            await parts.put(part)
        await live.took(70)
        await live.run.until("scale", lambda told: told.revision == live.revision)

    former, later = live.scans
    assert live.used("offset", former) == [0.0] * 7
    assert {part.revision for part in live.arrived if part.scan.id == former} == {1}
    assert live.used("offset", later) == [5.0] * 7
    assert {part.revision for part in live.arrived if part.scan.id == later} == {live.revision}


async def test_a_frame_scoped_value_does_not_wait_for_a_scan_scoped_one(server):
    read, parts = fed()
    messages = numbered("a")
    async with at_work(server, "both", read, scale) as live:
        await parts.put(messages[0])
        await live.took(5)
        await live.set_and_heard(gain=2.0, offset=5.0)
        for part in messages[1:]:
            await parts.put(part)
        await live.took(35)

    assert live.used("gain") == [1.0] + [2.0] * 6
    assert live.used("offset") == [0.0] * 7


async def test_a_replica_that_starts_within_a_scan_uses_the_scan_s_values(server):
    """It has never seen the scan's first message, nor the values that held then."""
    read, parts = fed()
    messages = numbered("a")
    collect, arrived = collector()
    plan = planned("late", [read, scale, collect], [("given.out", "scale.part"), ("scale.out", "collect.part")])  # fmt: skip
    async with running(server, plan) as run, run.start(read, collect):
        live = Live(run, arrived)
        await live.set("scale", gain=1.0, offset=2.0)
        await run.until("given", lambda told: told.state == "running")
        async with run.start(scale):
            await parts.put(messages[0])
            await live.took(5)
        run.told.pop("scale")
        await live.set("scale", gain=4.0, offset=7.0)
        async with run.start(scale):
            await run.until("scale", lambda told: told.state == "running")
            for part in messages[1:]:
                await parts.put(part)
            await live.took(35)

    assert live.used("offset") == [2.0] * 7
    assert live.used("gain") == [1.0] + [4.0] * 6


async def test_replicas_compute_a_scan_with_the_same_values(server):
    """Values change within the first scan; which replica gets which message is left to chance."""
    read, parts = fed()
    collect, arrived = collector()
    plan = planned("shared", [read, scale, collect], [("given.out", "scale.part"), ("scale.out", "collect.part")])  # fmt: skip
    stop = asyncio.Event()
    async with running(server, plan) as run:
        heard = {}

        async def hear(payload, _):
            told = report.decode(payload)
            heard[told.operator, told.replica] = told
            run.news.set()

        await run.broker.watch(f"{plan.operators['scale'].status_subject}.*", hear)
        live = Live(run, arrived)
        async with run.start(read, collect), asyncio.TaskGroup() as group:
            for number in (0, 1):
                config = plan.operators["scale"]
                group.create_task(
                    _runtime.serve(scale, config, run.broker, replica=number, stop=stop)
                )
            for part in numbered("a", 20)[:10]:
                await parts.put(part)
            await live.took(50)
            await live.set("scale", gain=1.0, offset=5.0, **UNKNOWN)
            async with asyncio.timeout(PATIENCE):
                while not all((one := heard.get(("scale", n))) and one.refused for n in (0, 1)):
                    run.news.clear()
                    await run.news.wait()
            for part in (*numbered("a", 20)[10:], *numbered("b", 20)):
                await parts.put(part)
            await live.took(200)
            stop.set()

    former, later = sorted(live.scans)
    assert live.used("offset", former) == [0.0] * 20
    assert live.used("offset", later) == [5.0] * 20


@pytest.mark.parametrize(
    ("values", "name", "words"),
    [
        pytest.param({"gain": -1.0}, "gain", "at least 0", id="out of bounds"),
        pytest.param({"gain": "much"}, "gain", "takes a number", id="of another type"),
        pytest.param({"gian": 1.0}, "gian", "has no parameter", id="unknown"),
    ],
)
async def test_a_refused_value_leaves_the_former_one_and_says_why(server, values, name, words):
    read, parts = fed()
    messages = numbered("a")
    async with at_work(server, "refused", read, scale) as live:
        await live.set(gain=2.0, offset=0.0)
        await live.run.until("scale", lambda told: told.revision == 2)
        await live.set(**{"gain": 2.0, "offset": 0.0, **values})
        told = await live.run.until("scale", lambda told: told.refused)
        await parts.put(messages[0])
        await live.took(5)
        await live.set(gain=4.0, offset=0.0)
        await live.run.until("scale", lambda told: told.revision == 4 and not told.refused)
        await parts.put(messages[1])
        await live.took(10)

    assert list(told.refused) == [name]
    assert words in told.refused[name]
    assert live.used("gain") == [2.0, 4.0]


async def test_a_reducer_takes_values_between_messages(server):
    class Total(Reducer[dict]):
        """Counts what it was told to."""

        step: int = Param(1)

        def zero(self, scan):
            return {"sum": 0}

        def add(self, state: dict, part: Values) -> None:
            state["sum"] += self.step

        def result(self, state: dict, progress) -> Values | None:
            if not progress.complete:
                return None
            column = np.full(progress.total, state["sum"])
            return Values(scan=progress.scan, start=0, stop=progress.total, columns={"sum": column})

    read, parts = fed()
    messages = numbered("a")
    async with at_work(server, "reduced", read, make_operator(name="total")(Total)) as live:
        await parts.put(messages[0])
        await live.run.until("total", lambda told: told.frames_in == 5)
        await live.set("total", step=10)
        await live.run.until("total", lambda told: told.revision == 2)
        for part in messages[1:]:
            await parts.put(part)
        await live.took(35)

    assert live.used("sum") == [61.0]
    assert [part.revision for part in live.arrived] == [2]


@pytest.mark.parametrize("resumes", [True, False], ids=["that resumes", "that starts over"])
async def test_a_source_takes_values_with_its_next_scan(server, resumes):
    """Also where its next frames are there at once, so that nobody has to wait for them."""
    gate = asyncio.Semaphore(0)
    began: list[tuple[int, int]] = []

    async def levels(first, level):
        began.append((first, level))
        for number in range(first, 3):
            scan = Scan(f"s{number}", (4,))
            for start in (0, 2):
                sent = number * 2 + start // 2
                if sent >= passed[0]:
                    await gate.acquire()
                    passed[0] += 1
                yield Values(
                    scan=scan, start=start, stop=start + 2, columns={"level": np.full(2, level)}
                )

    passed = [0]

    if resumes:

        @make_source(name="given", outputs={"out": "values"})
        async def read(*, resume: Resume, level: int = Param(1)):
            """Three scans."""
            async for part in levels(resume.scan, level):
                yield part
    else:

        @make_source(name="given", outputs={"out": "values"})
        async def read(*, level: int = Param(1)):
            """Three scans."""
            async for part in levels(0, level):
                yield part

    async with at_work(server, f"source-{resumes}".lower(), read) as live:
        gate.release()
        await live.took(2)
        await live.set_and_heard("given", level=9)
        for _ in range(5):
            gate.release()
        await live.took(12)
        await live.run.until("given", lambda told: told.state == "done")
        await live.run.until("given", lambda told: told.revision == live.revision)

    assert [live.used("level", scan) for scan in sorted(live.scans)] == [[1, 1], [9, 9], [9, 9]]
    assert began == [(0, 1), (1 if resumes else 0, 9)]


async def test_a_source_begun_anew_after_its_last_scan_is_at_its_end(server):
    """Other values come after the last frame, while it waits for something."""
    gate = asyncio.Semaphore(0)

    @make_source(name="given", outputs={"out": "values"})
    async def read(*, resume: Resume, level: int = Param(1)):
        """One scan."""
        for _ in range(resume.scan, 1):
            for part in numbered("a", 3):
                yield part.values(level=np.full(len(part), level))
            await gate.acquire()

    async with at_work(server, "last", read) as live:
        await live.took(15)
        await live.set("given", level=9)
        told = await live.run.until("given", lambda told: told.state == "done")

    assert (told.revision, told.frames_out) == (2, 15)
    assert len(live.scans) == 1


async def test_of_ten_thousand_values_the_last_one_holds(server):
    read, parts = fed()
    async with at_work(server, "many", read, scale) as live:
        subject = f"$KV.{live.run.plan.bucket.name}.{KEY}"
        for gain in range(10_000):  # nobody waits for what the bucket answers
            document = written({"scale": {"gain": float(gain), "offset": 0.0}}, gain + 2)
            await live.run.broker.client.publish(subject, document)
        await live.run.until("scale", lambda told: told.revision == 10_001)
        await parts.put(numbered("a")[0])
        await live.took(5)

    assert live.used("gain") == [9999.0]


async def test_a_document_that_cannot_be_read_changes_nothing(server):
    read, parts = fed()
    async with at_work(server, "damaged", read, scale) as live:
        await live.set(gain=2.0, offset=0.0)
        await live.run.until("scale", lambda told: told.revision == 2)
        for damaged in (b"{", b"[1]", b'{"scale": {"revision": "x"}}', b'{"scale": 3}', b""):
            await live.run.broker.put(live.run.plan.bucket.name, KEY, damaged)
        await live.set(gain=3.0, offset=0.0)
        await live.run.until("scale", lambda told: told.revision == 3)
        await parts.put(numbered("a")[0])
        await live.took(5)

    assert live.used("gain") == [3.0]


async def test_older_values_that_come_late_are_left_out(server):
    read, parts = fed()
    async with at_work(server, "older", read, scale) as live:
        await live.set(gain=2.0, offset=0.0)
        await live.set(gain=3.0, offset=0.0)
        await live.run.until("scale", lambda told: told.revision == 3)
        live.revision = 1
        await live.set(gain=9.0, offset=0.0)
        live.revision = 3
        await live.set(gain=3.0, offset=1.0)
        await live.run.until("scale", lambda told: told.revision == 4)
        await parts.put(numbered("a")[0])
        await live.took(5)

    assert live.used("gain") == [3.0]


async def test_frames_of_any_kind_carry_the_revision(server):
    @make_operator(name="scale")
    def passed(part: DenseFrames, *, gain: float = Param(1.0)) -> DenseFrames:
        """Passes frames on."""
        return part

    parts: asyncio.Queue[DenseFrames] = asyncio.Queue()

    @make_source(name="given", outputs={"out": "dense"})
    async def read():
        """What the test hands it."""
        while (part := await parts.get()) is not None:
            yield part

    async with at_work(server, "dense", read, passed) as live:
        await live.set("scale", gain=2.0)
        await live.run.until("scale", lambda told: told.revision == 2)
        await parts.put(split(SCAN, 5)[0])
        await live.took(5)

    assert [part.revision for part in live.arrived] == [2]
