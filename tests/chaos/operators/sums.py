"""A kernel that sums each frame, and does something bad on one of them if asked to."""

import ctypes
import os
import signal
import threading
from pathlib import Path
from typing import Literal

import numpy as np
from interact import DenseFrames, Param, TransientError, Values, operator


@operator(name="sums", parallel=True)
def sums(
    frames: DenseFrames,
    *,
    bad: int = Param(-1, description="The frame to fail on; -1 for none."),
    how: Literal["raise", "again", "wait", "hold", "slow", "kill", "leave", "gate"] = Param(
        "raise"
    ),
    folder: str = Param("", description="Where a file says that the gate is open."),
    memory: int = Param(0, unit="MiB", minimum=0, description="Taken before it kills itself."),
    pause: float = Param(0.0, unit="s", minimum=0),
    gain: float = Param(1.0),
    shift: float = Param(0.0, scope="scan"),
) -> Values:
    """The sum of each frame, and a number that no float holds exactly."""
    index = frames.index
    if bad in index:
        if how == "leave":
            frames = frames.select(index != bad)
            index = frames.index
        else:
            _misbehave(how, memory, Path(folder))
    if pause:
        threading.Event().wait(pause)
    total = frames.data.sum(axis=(1, 2), dtype=np.int64)
    weight = 1.0 / (index + 3)
    return frames.values(
        total=total, light=total * weight, gain=np.full(len(index), gain),
        shift=np.full(len(index), shift),
    )  # fmt: skip


def _misbehave(how: str, memory: int, folder: Path) -> None:
    if how == "raise":
        raise ValueError("a frame nobody can sum")
    if how == "again":
        raise TransientError("come back later")
    if how == "kill":  # what happens to a process that takes too much memory; or really that
        np.ones(memory << 20, np.uint8)
        os.kill(os.getpid(), signal.SIGKILL)
    while how == "gate" and not (folder / "open").exists():
        threading.Event().wait(0.02)
    if how == "wait":
        threading.Event().wait(600)
    if how in {"hold", "slow"}:  # one call into C that keeps the interpreter's lock
        ctypes.PyDLL(None).sleep(3 if how == "slow" else 600)
