"""Counted frames through centre of mass to a map, every operator a process, at camera rate."""

from dataclasses import replace

from benchmarks import passage
from benchmarks.figures import Goal, Side, Table
from benchmarks.flow import OPERATORS, Stage

CAMERA = 87_000
"""Frames a second of the 4D Camera (Ercius et al. 2024, 10.1093/mam/ozae086)."""
FRAMES, EVENTS = 125, 2000
SCAN = 512
DETECTOR = 576
WARM_SECONDS = 2.0


def stages() -> list[Stage]:
    """Source, centre of mass, map; the source makes its messages from a pool."""
    planted = {
        "scan_rows": SCAN, "scan_columns": SCAN, "detector_rows": DETECTOR,
        "detector_columns": DETECTOR, "dose": EVENTS, "frames_per_message": FRAMES, "repeats": 0,
    }  # fmt: skip
    return [
        Stage("source", OPERATORS / "scan-generator" / "run.py", planted),
        Stage("partial", OPERATORS / "center-of-mass-partial" / "run.py"),
        Stage("map", OPERATORS / "center-of-mass-reduce" / "run.py"),
    ]


def bench(*, quick: bool) -> Table:
    """Frames a second of the shipped operators, against the camera and hand-tuned loops."""
    runs, seconds = (2, 2.5) if quick else (5, 6.0)
    found = passage.contest(stages(), runs=runs, seconds=seconds, warm=WARM_SECONDS)
    rates = found.rates("frames at the map", "frames/s")
    camera = Side("4D Camera", (CAMERA,) * runs)
    return Table(
        "counted",
        f"{SCAN}×{SCAN} scans without end, messages of {FRAMES} frames × {EVENTS} events, "
        "memory streams",
        (replace(rates, other=camera, goal=Goal(1.0)), rates, *found.cpu("µs/frame")),
        (
            f"{runs} interleaved runs of {seconds:g} s after {WARM_SECONDS:g} s of warm-up",
            "the raw loops have the same kernel and guarantees, but no scans and no reports",
            found.note,
        ),
    )
