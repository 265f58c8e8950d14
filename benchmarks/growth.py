"""What more replicas and longer chains cost: CPU time a message, the figure that carries over."""

import asyncio

from benchmarks import passage
from benchmarks.figures import Figure, Side, Table
from benchmarks.flow import SERVER, STAGES, Stage
from benchmarks.wire import SMALL_BYTES

REPLICAS = (1, 2, 4, 8)
HOPS = (1, 5, 20)
WARM_SECONDS = 1.0
CONTENT = {"message_bytes": SMALL_BYTES, "frames_per_message": 1}


def wide(replicas: int) -> list[Stage]:
    """A chain whose worker has so many replicas."""
    return [
        Stage("source", STAGES / "blanks.py", CONTENT),
        Stage("worker", STAGES / "passed.py", replicas=replicas),
        Stage("sink", STAGES / "counted_in.py"),
    ]


def long(hops: int) -> list[Stage]:
    """A chain of so many workers."""
    return [
        Stage("source", STAGES / "blanks.py", CONTENT),
        *(Stage(f"worker-{number}", STAGES / "passed.py") for number in range(hops)),
        Stage("sink", STAGES / "counted_in.py"),
    ]


def bench(*, quick: bool) -> Table:
    """Rates, and CPU time of workers and server a message and hop."""
    runs, seconds = (1, 2.0) if quick else (3, 4.0)
    figures: list[Figure] = []
    for name, count, chain in (
        *((f"{n} replicas", 1, wide(n)) for n in (REPLICAS[:2] if quick else REPLICAS)),
        *((f"{n} operators in a row", n, long(n)) for n in (HOPS[:2] if quick else HOPS)),
    ):
        found = [
            asyncio.run(
                passage.passage(chain, module="interact", seconds=seconds, warm=WARM_SECONDS)
            )
            for _ in range(runs)
        ]
        figures += [
            Figure(name, "messages/s", Side("SDK", tuple(one.rate for one in found))),
            Figure(
                f"{name}: CPU of a worker's hop",
                "µs/message",
                Side("SDK", tuple(_workers(one.cpu) / count for one in found)),
            ),
            Figure(
                f"{name}: CPU of nats-server a hop",
                "µs/message",
                Side("SDK", tuple(one.cpu[SERVER] / (count + 1) for one in found)),
            ),
        ]
    foreign = "all processes share this machine's cores: rates fall with their number by themselves"
    return Table(
        "growth",
        f"{SMALL_BYTES:,} bytes a message, memory streams",
        tuple(figures),
        (f"{runs} runs of {seconds:g} s each, median", foreign),
    )


def _workers(cpu: dict[str, float]) -> float:
    return sum(used for name, used in cpu.items() if name.startswith("worker"))
