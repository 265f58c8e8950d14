"""Messages from a source through a worker to a sink: the SDK against raw loops, and ZeroMQ beside."""

from dataclasses import replace

from benchmarks import passage, zeromq
from benchmarks.figures import Figure, Goal, Side, Table
from benchmarks.flow import STAGES, Stage

SMALL_BYTES, FRAME_BYTES = 40_960, 663_552
"""A counted batch; a dense frame of 576 × 576 numbers of 16 bits."""
WARM_SECONDS = 1.0


def stages(message_bytes: int = SMALL_BYTES) -> list[Stage]:
    """Messages of one frame that nobody looks into."""
    content = {"message_bytes": message_bytes, "frames_per_message": 1}
    return [
        Stage("source", STAGES / "blanks.py", content),
        Stage("worker", STAGES / "passed.py"),
        Stage("sink", STAGES / "counted_in.py"),
    ]


def bench(*, quick: bool) -> Table:
    """Messages a second, and CPU time a message by process."""
    runs, seconds = (2, 2.0) if quick else (5, 4.0)
    figures: list[Figure] = []
    notes: list[str] = []
    for size in (SMALL_BYTES, FRAME_BYTES):
        found = passage.contest(stages(size), runs=runs, seconds=seconds, warm=WARM_SECONDS)
        plain = [zeromq.rate(size, seconds=seconds, warm=WARM_SECONDS) for _ in range(runs)]
        rates = found.rates(f"{size:,} bytes", "messages/s")
        figures += [
            replace(rates, goal=Goal(0.95)),
            replace(rates, what=f"{size:,} bytes, ZeroMQ", other=Side("ZeroMQ", tuple(plain))),
            *found.cpu("µs/message"),
        ]
        notes.append(f"{size:,} bytes: {found.note}")
    return Table(
        "wire",
        "one frame a message, source → worker → sink, memory streams",
        tuple(figures),
        (
            f"{runs} interleaved runs of {seconds:g} s after {WARM_SECONDS:g} s of warm-up",
            "raw: continuous pull, window with an inbox of its own, identities, late acknowledgement",
            "ZeroMQ: PUSH to PULL, no broker; nothing is stored, acknowledged or sent again",
            *notes,
        ),
    )
