"""The same frames again and again, as fast as the stream takes them or at a rate."""

import itertools
from collections.abc import AsyncIterator, Iterator

import numpy as np
from interact import DenseFrames, Param, Scan, source
from interact_stem import scans


@source(name="blanks")
async def blanks(
    *,
    message_bytes: int = Param(40_960, minimum=256, description="Bytes of a message's frames."),
    frames_per_message: int = Param(1, minimum=1, description="Frames of a message."),
    rate: float = Param(0.0, unit="frames/s", minimum=0, description="0: as fast as it goes."),
) -> AsyncIterator[DenseFrames]:
    """Make scans without content, for ever."""
    frame = message_bytes // frames_per_message // 256
    data = np.zeros((frames_per_message, frame, 256), np.uint8)

    def parts() -> Iterator[DenseFrames]:
        for ordinal in itertools.count():
            scan = Scan(f"blanks-{ordinal}", (512, 512))
            for start in range(0, scan.total - frames_per_message + 1, frames_per_message):
                yield DenseFrames(
                    scan=scan, start=start, stop=start + frames_per_message, data=data
                )

    async for part in scans.paced(parts(), rate):
        yield part
