"""Small messages from a source through a worker to a sink: the SDK against raw loops."""

from dataclasses import replace

from benchmarks import passage
from benchmarks.figures import Goal, Table
from benchmarks.flow import STAGES, Stage

MESSAGE_BYTES = 40_960
WARM_SECONDS = 1.0


def stages() -> list[Stage]:
    """Messages of one frame that nobody looks into."""
    content = {"message_bytes": MESSAGE_BYTES, "frames_per_message": 1}
    return [
        Stage("source", STAGES / "blanks.py", content),
        Stage("worker", STAGES / "passed.py"),
        Stage("sink", STAGES / "counted_in.py"),
    ]


def bench(*, quick: bool) -> Table:
    """Messages a second, and CPU time a message by process."""
    runs, seconds = (2, 2.0) if quick else (5, 4.0)
    found = passage.contest(stages(), runs=runs, seconds=seconds, warm=WARM_SECONDS)
    rates = found.rates("messages at the sink", "messages/s")
    return Table(
        "wire",
        f"messages of {MESSAGE_BYTES:,} bytes, source → worker → sink, memory streams",
        (replace(rates, goal=Goal(0.95)), *found.cpu("µs/message")),
        (
            f"{runs} interleaved runs of {seconds:g} s after {WARM_SECONDS:g} s of warm-up",
            "raw: continuous pull, window with an inbox of its own, identities, late acknowledgement",
            found.note,
        ),
    )
