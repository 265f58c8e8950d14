"""What the SDK adds to a message: decode, kernel, settle, encode, identity, bookkeeping.

Both sides run on the same broker without a network, and are measured by their CPU time. The bare loop
does what every program on nats-py does: takes a message, looks at its arrays, calls the kernel, makes
bytes, publishes them and acknowledges.
"""

import asyncio

import numpy as np
from interact import Batch, DenseFrames, Scan, SparseFrames, _codec, _main
from interact._tally import Tally
from interact._worker import Worker
from interact_api import wire

from benchmarks import flow
from benchmarks.figures import Figure, Goal, Side, Table, interleaved
from benchmarks.flow import STAGES, Stage
from benchmarks.stub import StubBroker, StubInlet

PASSED = STAGES / "passed.py"
GOAL = Goal(5, at_least=False)


def batches() -> dict[str, tuple[Batch, int]]:
    """The messages to pass on, and how many of them in a run."""
    scan = Scan("inline", (512, 512))
    generator = np.random.default_rng(1)
    events = 125 * 2000
    rows, columns = generator.integers(0, 576, (2, events)).astype(np.int16)
    offsets = np.arange(0, events + 1, 2000)
    frame = generator.poisson(0.1, (1, 576, 576)).astype(np.uint16)
    return {
        "one frame of 8×8": (
            DenseFrames(scan=scan, start=9, stop=10, data=frame[:, :8, :8].copy()), 4000,
        ),
        "one frame of 576×576 (663 KB)": (
            DenseFrames(scan=scan, start=9, stop=10, data=frame), 400,
        ),
        "125 frames × 2000 events (1 MB)": (
            SparseFrames(
                scan=scan, start=125, stop=250, rows=rows, columns=columns, offsets=offsets,
                shape=(576, 576),
            ), 400,
        ),
    }  # fmt: skip


def sdk(payload: bytes, messages: int) -> tuple[float, StubBroker]:
    """Microseconds a message of the SDK's worker."""
    chain = [
        Stage("source", STAGES / "blanks.py"),
        Stage("passed", PASSED),
        Stage("end", STAGES / "counted_in.py"),
    ]
    config = flow.planned_chain(chain).operators["passed"]
    broker = StubBroker(payload, messages)

    async def work() -> None:
        worker = Worker(_main.found(PASSED), config, broker, Tally("passed", 0, "kernel"))
        broker.empty = worker.stop
        await worker.run()

    asyncio.run(work())
    return broker.microseconds, broker


def bare(payload: bytes, messages: int) -> tuple[float, StubBroker]:
    """Microseconds a message of a loop with nothing but the arrays and the kernel."""
    header, body = wire.parse(payload)
    places = wire.decoded_arrays(header)
    broker = StubBroker(payload, messages)
    inlet = StubInlet(broker)
    kernel = _main.found(PASSED).function

    async def work() -> None:
        while (delivery := await inlet.take()) is not None:
            arrays = {
                place.name: np.frombuffer(
                    delivery.payload, place.dtype, _count(place.shape), body + place.offset
                ).reshape(place.shape)
                for place in places
            }
            passed = kernel(arrays)
            made = b"".join((delivery.payload[:body], *(array.data for array in passed.values())))
            await broker.publish("subject", made, stored=delivery.ack)

    asyncio.run(work())
    return broker.microseconds, broker


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for edge in shape:
        count *= edge
    return count


def bench(*, quick: bool) -> Table:
    """Microseconds the SDK adds to a message."""
    runs, share = (3, 0.1) if quick else (21, 1.0)
    figures = []
    for name, (batch, messages) in batches().items():
        payload = _codec.encode(batch, identity=bytes(16), lane="source")
        count = max(8, int(messages * share))
        ours, theirs = interleaved(
            runs,
            lambda payload=payload, count=count: sdk(payload, count)[0],  # type: ignore[misc]
            lambda payload=payload, count=count: bare(payload, count)[0],  # type: ignore[misc]
        )
        sides = Side("SDK", ours), Side("bare loop", theirs)
        figures.append(Figure(name, "µs", *sides, "difference", GOAL))
    return Table(
        "inline",
        "what the SDK adds to a message, stub broker, kernel that passes frames on",
        tuple(figures),
        (f"{runs} interleaved runs; both sides copy the frames into the outgoing message once",),
    )
