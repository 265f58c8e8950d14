"""Checkpoints and results of a reducer while other work goes on, on a broker held at will."""

import asyncio

import numpy as np
from interact import Image, Reducer, Tombstone, Values, _codec, scan_image
from interact import operator as make_operator
from interact._batches import Batch
from interact._coverage import Ledger
from interact._errors import BrokerError
from interact._in_effect import Live
from interact._keeping import Keeping
from interact._outlet import Outlet
from interact._reducing import Reducing
from interact._scan import Scan
from interact._tally import Tally
from interact_api.config import OperatorConfig, OutputConfig

LANE = ("given.out", "given")


class HeldBroker:
    """Stores what it is given, as soon as it is let."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.free.set()
        self.asked = asyncio.Event()
        self.keys: dict[str, bytes] = {}
        self.published: list[bytes] = []
        self.unanswered: list = []
        self.room = True

    async def publish(self, subject, payload, *, identity="", stored=None, stays=False):
        self.asked.set()
        await self.free.wait()
        self.published.append(payload)
        self.unanswered.append(stored)

    async def put(self, bucket, key, value):
        self.asked.set()
        await self.free.wait()
        if not self.room:
            raise BrokerError("no room")
        self.keys[key] = value

    async def get(self, bucket, key):
        return self.keys.get(key)

    async def forget(self, bucket, key):
        self.keys.pop(key, None)


class Pictured(Reducer[dict]):
    """Sums a column."""

    def zero(self, scan):
        return {"sum": 0}

    def add(self, state: dict, part: Values) -> None:
        state["sum"] += int(part.v.sum())

    def result(self, state: dict, progress) -> Image:
        return scan_image(progress, {"sum": np.full(progress.scan.positions, state["sum"])})


def config() -> OperatorConfig:
    out = OutputConfig(
        port="out", subject="interact.test.p.pictured.out", stream="s", delivery="Latest",
        on_full="Block", max_bytes=1 << 20, types=["image"],
    )  # fmt: skip
    return OperatorConfig(
        namespace="test", pipeline="p", operator="pictured", run="ab", role="reducer",
        parallel=False, replicas=1, parameters={}, kernel_timeout_seconds=60, inputs=[],
        outputs=[out], dead_letter_subject="d", dead_letter_stream="d", state_bucket="b",
        images_subject="i", images_stream="i", status_subject="t",
    )  # fmt: skip


class Life:
    """One life of a reducer over a broker that outlives it."""

    def __init__(self, broker: HeldBroker) -> None:
        self.tally = Tally("pictured", 0, "reducer")
        self.ledger = Ledger([LANE])
        outlet = Outlet(config(), broker, self.tally)
        pictured = make_operator(name="pictured")(Pictured)
        live = Live(pictured, config(), self.tally)
        self.reducing = Reducing(pictured, live, self.ledger, outlet, self.tally)
        self.keeping = Keeping(config(), broker, self.ledger, self.tally, self.reducing)
        self.acknowledged: list[tuple[str, int]] = []

    async def take(self, scan_id: str, start: int, stop: int, *gone: Tombstone) -> None:
        """A message with ones, from the bitmap to the list of what waits for a checkpoint."""
        scan = Scan(scan_id, (3, 4))
        whole = Batch(scan=scan, start=start, stop=stop, tombstones=gone)
        part = whole.values(v=np.ones(len(whole), int))
        if self.ledger.scan(LANE, part) is not None:
            header, _ = _codec.decode(_codec.encode(part, identity=b"i" * 16, lane="given"))
            await self.reducing.add(LANE, header, part, part)

        async def ack() -> None:
            self.acknowledged.append((scan_id, start))

        self.keeping.acknowledge(scan_id, ack, 1)


def results(broker: HeldBroker) -> list[tuple[str, int]]:
    """Scan and coverage of what was published: 0 for a partial result."""
    return [
        (batch.scan.id, batch.stop)
        for _, batch in (_codec.decode(payload) for payload in broker.published)
    ]


async def test_a_scan_may_close_while_a_checkpoint_is_being_written():
    broker = HeldBroker()
    life = Life(broker)
    await life.take("a", 0, 7)
    await life.take("b", 0, 7)

    broker.free.clear()
    checkpoint = asyncio.create_task(life.keeping.checkpoint())
    await broker.asked.wait()
    closing = asyncio.create_task(life.take("b", 7, 12))
    await asyncio.sleep(0)
    broker.free.set()
    await asyncio.gather(checkpoint, closing)

    assert life.acknowledged == [("a", 0), ("b", 0)]
    again = Life(broker)
    await again.keeping.restore()
    kept = {name: ledger.progress for name, ledger in again.ledger.open.items()}
    assert kept == {"a": 7, "b": 7}, "the result of b was not stored, so b is not over"


async def test_a_scan_is_kept_as_over_only_when_its_result_is_stored():
    broker = HeldBroker()
    life = Life(broker)
    await life.take("a", 0, 7)
    await life.take("a", 7, 12)

    checkpoint = asyncio.create_task(life.keeping.checkpoint())
    for _ in range(20):
        await asyncio.sleep(0)
    assert broker.keys == {}
    assert life.acknowledged == []
    await life.take("b", 0, 12)  # closes before the first result's answer is seen
    await broker.unanswered[0]()
    for _ in range(20):
        await asyncio.sleep(0)
    assert broker.keys == {}, "the result of b is not stored"
    await broker.unanswered[1]()
    await checkpoint

    again = Life(broker)
    await again.keeping.restore()
    assert list(again.ledger.over) == ["a", "b"]


async def test_a_partial_result_never_follows_the_final_one():
    broker = HeldBroker()
    life = Life(broker)
    await life.take("a", 0, 7)
    await life.take("b", 0, 7)

    broker.free.clear()
    broker.asked.clear()
    partial = asyncio.create_task(life.reducing.emit_partial())
    await broker.asked.wait()
    closing = asyncio.create_task(life.take("b", 7, 12))
    for _ in range(20):
        await asyncio.sleep(0)
    broker.free.set()
    await asyncio.gather(partial, closing)

    of_b = [stop for scan_id, stop in results(broker) if scan_id == "b"]
    assert of_b == [12]
    assert ("a", 0) in results(broker)


async def test_nothing_is_acknowledged_that_was_not_kept():
    broker = HeldBroker()
    life = Life(broker)
    broker.room = False
    await life.take("a", 0, 7)
    await life.keeping.checkpoint()

    assert life.acknowledged == []
    assert life.tally.unkept == 1
    assert "no room" in life.tally.snapshot().warnings[0]
    assert not life.keeping.due, "it is tried again after a while"
    await life.take("a", 7, 10)
    broker.room = True
    await life.keeping.checkpoint()

    assert life.acknowledged == [("a", 0), ("a", 7)]
    again = Life(broker)
    await again.keeping.restore()
    assert again.ledger.open["a"].progress == 10


async def test_a_checkpoint_is_due_before_the_consumer_gives_no_more(monkeypatch):
    monkeypatch.setattr("interact._keeping.MAX_ACK_PENDING_HELD", 8)
    life = Life(HeldBroker())

    for start in range(4):
        assert not life.keeping.due
        await life.take("a", start, start + 1)

    assert life.keeping.due


async def test_what_is_missing_is_kept_with_the_bitmaps():
    broker = HeldBroker()
    life = Life(broker)
    await life.take("a", 0, 7, Tombstone("failed", 2, 5))
    await life.keeping.checkpoint()

    again = Life(broker)
    await again.keeping.restore()
    ledger = again.ledger.open["a"]
    assert (ledger.progress, ledger.missing) == (7, {"failed": 3})
    assert ledger.failed[LANE].tolist() == [False, False, True, True, True] + 7 * [False]
