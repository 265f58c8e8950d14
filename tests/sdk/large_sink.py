"""A process that takes large messages, one after the other, and tells how much memory it needed; see test_chunks_memory."""

import asyncio
import json
import os
import signal
import sys

import numpy as np
from interact import (
    DenseFrames,
    Image,
    Progress,
    Reducer,
    Scan,
    Streamed,
    _runtime,
    operator,
    scan_image,
)
from interact._jetstream import connect
from interact_api.config import OperatorConfig
from sdk.large_reader import peak_bytes

told: dict[str, int] = {"frames": 0, "bytes": 0}


def tell(frames: int, size: int, total: int) -> None:
    """Count; after the last frame, say it."""
    if not told["frames"]:  # a small one: what the operator needs for itself
        told["before"] = peak_bytes()
    told["frames"] += frames
    told["bytes"] += size
    if told["frames"] == total:
        told["after"] = peak_bytes()
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


@operator(name="whole")
def whole(frames: DenseFrames) -> None:
    """Takes frames."""
    tell(len(frames), frames.data.nbytes, frames.scan.total)


@operator(name="reduced")
class Reduced(Reducer[list]):
    """Counts frames."""

    def zero(self, scan: Scan) -> list:
        """None."""
        return [0]

    def add(self, state: list, part: DenseFrames) -> None:
        """One more."""
        state[0] += len(part)
        tell(len(part), part.data.nbytes, part.scan.total)

    def result(self, state: list, progress: Progress) -> Image:
        """How many there are."""
        return scan_image(progress, {"frames": np.full(progress.scan.shape, state[0])})


reduced = Reduced


@operator(name="streamed")
async def streamed(frames: Streamed[DenseFrames]) -> None:
    """Takes frames in pieces."""
    size = 0
    async for part in frames.rows():
        size += part.data.nbytes
    tell(len(frames), size, frames.scan.total)


@operator(name="mortal")
async def mortal(frames: Streamed[DenseFrames]) -> None:
    """Is killed in the middle of a frame, if it is to be."""
    size = 0
    async for part in frames.rows():
        size += part.data.nbytes
        if part.first and "die" in sys.argv:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.stdout.write(json.dumps([frames.start, size]) + "\n")
    sys.stdout.flush()


async def main(url: str, token: str, config: str) -> None:
    async with connect(url, name="sink", token=token) as broker:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        known = OperatorConfig.model_validate_json(config)
        await _runtime.serve(globals()[known.operator], known, broker)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
