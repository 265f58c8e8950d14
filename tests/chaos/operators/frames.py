"""A source of planted frames: it writes down which it sends, and stops at a gate until it is opened."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from interact import DenseFrames, Param, Resume, Scan, source


@source(name="frames")
async def frames(
    *,
    folder: str = Param(),
    rows: int = Param(12, minimum=1),
    columns: int = Param(40, minimum=1),
    per_message: int = Param(4, minimum=1),
    edge: int = Param(8, minimum=1, description="Edge of a frame, pixels."),
    scans: int = Param(1, minimum=1),
    pause: float = Param(0.01, unit="s", minimum=0),
    gate: int = Param(-1, description="The frame of the first scan to stop at; -1 for none."),
    resume: Resume,
) -> AsyncIterator[DenseFrames]:
    """Send scans whose frames follow from their number."""
    total = rows * columns
    for ordinal in range(resume.scan, scans):
        scan = Scan(f"planted-{ordinal}", (rows, columns))
        begin = resume.index if ordinal == resume.scan else 0
        for start in range(begin, total, per_message):
            while ordinal == 0 and 0 <= gate <= start and not (Path(folder) / "open").exists():
                await _rest(0.02)
            stop = min(start + per_message, total)
            index = np.arange(start, stop)
            _write_down(Path(folder) / "sent", ordinal, index)
            yield DenseFrames(scan=scan, start=start, stop=stop, data=planted(index, edge))
            if pause:
                await _rest(pause)


def planted(index: np.ndarray, edge: int) -> np.ndarray:
    """The frames of these numbers, shape (n, edge, edge)."""
    pixels = np.arange(edge * edge, dtype=np.int64).reshape(edge, edge)
    return ((index[:, None, None] * 31 + pixels * 7) % 97).astype(np.uint16)


def _write_down(file: Path, ordinal: int, index: np.ndarray) -> None:
    rows = np.column_stack([np.full(len(index), ordinal), index]).astype("<i8")
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, rows.tobytes())
    finally:
        os.close(descriptor)


async def _rest(seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()
