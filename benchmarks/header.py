"""Bytes of a message that are not data, for each frame of a batch."""

from typing import Any

import numpy as np
from interact import Batch, DenseFrames, Scan, SparseFrames, Tombstone, Values, _codec
from interact_api import wire

from benchmarks.figures import Figure, Goal, Side, Table

FRAMES = 125
GOAL = Goal(12, at_least=False)


def batches() -> dict[str, Batch]:
    """A message of each kind, with names as long as real ones."""
    scan = Scan("0123456789ab-scan-reader-17", (512, 512), title="gold on carbon 0042")
    where: dict[str, Any] = {
        "scan": scan,
        "start": 250,
        "stop": 375,
        "total": scan.total,
        "time": 1.7e9,
    }
    zeros = np.zeros(FRAMES * 2000, np.int16)
    numbers = np.zeros(FRAMES, np.int64)
    lost = Tombstone("filtered", 260, 270)
    return {
        "dense": DenseFrames(**where, data=np.zeros((FRAMES, 8, 8), np.uint16)),
        "sparse": SparseFrames(
            **where, rows=zeros, columns=zeros, offsets=np.arange(FRAMES + 1) * 2000, shape=(576, 576)
        ),
        "values of three columns": Values(
            **where, columns={"total": numbers, "moment_y": numbers, "moment_x": numbers},
            units={"total": "counts", "moment_y": "counts px", "moment_x": "counts px"},
        ),
        "sparse with a tombstone": SparseFrames(
            **{**where, "tombstones": (lost,)}, rows=zeros[:230_000], columns=zeros[:230_000],
            offsets=np.arange(116) * 2000, shape=(576, 576),
        ),
    }  # fmt: skip


def header_bytes(batch: Batch) -> int:
    """Everything but the arrays; the numbers of events count as header, they say where frames lie."""
    lane = "scan-reader>electron-count.out"
    payload = _codec.encode(batch, identity=bytes(16), lane=lane)
    header, _ = wire.parse(payload)
    return len(payload) - sum(
        array.size for array in wire.decoded_arrays(header) if array.name != "events"
    )


def bench(*, quick: bool) -> Table:
    """Header bytes a frame; the figure is exact."""
    del quick
    figures = [
        Figure(
            f"header of {name}", "bytes/frame",
            Side("wire", (header_bytes(batch) / len(batch),)), goal=GOAL,
        )
        for name, batch in batches().items()
    ]  # fmt: skip
    return Table("header", f"messages of {FRAMES} frames", tuple(figures))
