"""Centre of mass against what bounds it: a plain read of the memory, and stempy's kernel."""

import statistics
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import stempy.image
from interact_stem import geometry, kernels
from interact_stem.kernels import _compile

from benchmarks.figures import Figure, Goal, Side, Table, interleaved

DENSE_FRAMES, EDGE = 100, 576
SPARSE_SCAN = (10, 10)
EVENTS = (1000, 3000)
READ_GOAL = Goal(1.6, at_least=False)
STEMPY_GOAL = Goal(50)


def bench(*, quick: bool) -> Table:
    """Both ratios, each from one interleaved run on one thread."""
    runs, calls = (5, 3) if quick else (15, 9)
    return Table(
        "kernels",
        f"centre of mass, one thread, {EDGE} × {EDGE} pixels",
        (*dense(runs, calls), *sparse(runs, calls)),
        (
            f"dense: {DENSE_FRAMES} frames of 2 bytes a pixel, 66 MB, beyond every cache",
            (
                f"sparse: {SPARSE_SCAN[0] * SPARSE_SCAN[1]} frames; com_v1_kernel of stempy "
                f"{stempy.__version__} on the same events as flat numbers"
            ),
        ),
    )


def dense(runs: int, calls: int) -> tuple[Figure, ...]:
    """Dense kernels against a loop that only adds every pixel up."""
    frames = np.random.default_rng(1).integers(0, 4096, (DENSE_FRAMES, EDGE, EDGE), dtype=np.uint16)
    frames.flags.writeable = False
    masks = np.stack(
        [
            geometry.disk((EDGE, EDGE), 281, 293, 60),
            geometry.ring((EDGE, EDGE), 281, 293, 80, 250),
        ]
    )
    used = np.random.default_rng(2).random((EDGE, EDGE)) < 0.99
    sides = {
        "moments": lambda: kernels.moments(frames),
        "moments with a mask": lambda: kernels.moments(frames, used),
        "disk and ring sums": lambda: kernels.sums(frames, masks),
    }

    def per_frame(call: Callable[[], object]) -> Callable[[], float]:
        return lambda: 1e6 * seconds(call, calls) / DENSE_FRAMES

    read = per_frame(lambda: plain_read(frames.reshape(-1)))
    times = interleaved(runs, read, *map(per_frame, sides.values()))
    return tuple(
        Figure(
            f"dense {name}",
            "µs/frame",
            Side("ours", values),
            Side("plain read", times[0]),
            compare="quotient",
            goal=READ_GOAL if name == "moments" else None,
        )
        for name, values in zip(sides, times[1:], strict=True)
    )


def sparse(runs: int, calls: int) -> tuple[Figure, ...]:
    """Sparse moments against stempy, for each number of events a frame."""
    return tuple(sparse_figure(events, runs, calls) for events in EVENTS)


def sparse_figure(events: int, runs: int, calls: int) -> Figure:
    """Frames a second of both kernels."""
    frames = SPARSE_SCAN[0] * SPARSE_SCAN[1]
    ours, theirs = sparse_sides(events)
    ours_rate, their_rate = interleaved(
        runs, lambda: frames / seconds(ours, calls), lambda: frames / seconds(theirs, calls)
    )
    return Figure(
        f"sparse moments, {events} events a frame",
        "frames/s",
        Side("ours", ours_rate),
        Side("stempy", their_rate),
        compare="quotient",
        goal=STEMPY_GOAL if events == EVENTS[0] else None,
    )


def sparse_sides(events: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """Both kernels on the same events; their results are compared first."""
    n = SPARSE_SCAN[0] * SPARSE_SCAN[1]
    flat = np.random.default_rng(events).integers(0, EDGE * EDGE, n * events, dtype=np.uint32)
    rows, columns = kernels.flat_to_rows_columns(flat, EDGE, EDGE)
    offsets = np.arange(n + 1, dtype=np.int64) * events
    positions = np.repeat(np.arange(n, dtype=np.int32), events)
    for array in (rows, columns, offsets):
        array.flags.writeable = False

    def ours() -> object:
        return kernels.sparse_moments(rows, columns, None, offsets)

    def theirs() -> npt.NDArray[np.float32]:
        com: npt.NDArray[np.float32] = stempy.image.com_v1_kernel(
            flat, positions, SPARSE_SCAN, (EDGE, EDGE)
        )
        return com

    moments = kernels.sparse_moments(rows, columns, None, offsets)
    centers = (moments[:, :0:-1] / moments[:, :1]).T.reshape(2, *SPARSE_SCAN)
    np.testing.assert_allclose(np.asarray(theirs(), np.float64), centers, atol=1e-3)
    return ours, theirs


def seconds(call: Callable[[], object], calls: int) -> float:
    """Median time of a few calls, the first of which is not counted."""
    call()
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


@_compile.compiled
def plain_read(pixels: _compile.Array) -> int:
    """Add every pixel up: the least a kernel can do."""
    total = 0
    for i in range(len(pixels)):
        total += pixels[i]
    return total
