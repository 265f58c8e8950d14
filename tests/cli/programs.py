"""Small operators the command line is tried with, as their authors would write them."""

COUNTING = '''"""Frames whose pixels say which frame they are in."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
from interact import DenseFrames, Param, Scan, source


@source
async def counting(
    *,
    rows: int = Param(5),
    columns: int = Param(9),
    size: int = Param(4),
    repeats: int = Param(1),
    pause: float = Param(0.0, unit="s"),
    absent: int = Param(0),
    hang: bool = Param(False),
    mark: Path | None = Param(None),
) -> AsyncIterator[DenseFrames]:
    """Pixel (r, c) of frame i is i + 10 r + c; the last ``absent`` frames never come."""
    pixels = 10 * np.arange(3)[:, None] + np.arange(4)
    marked = False
    for repeat in range(repeats or 1_000_000):
        scan = Scan(f"counted-{repeat}", (rows, columns))
        for start in range(0, scan.total - absent, size):
            stop = min(start + size, scan.total - absent)
            index = np.arange(start, stop, dtype=np.uint32)
            await asyncio.sleep(pause)
            yield DenseFrames(scan=scan, start=start, stop=stop, data=index[:, None, None] + pixels)
            if mark is not None and not marked and start >= 3 * size:
                mark.write_text("under way")
                marked = True
            if hang:
                await asyncio.Event().wait()


if __name__ == "__main__":
    counting.main()
'''

ADDING = '''"""Sums of frames."""

import os
import signal
from pathlib import Path

from interact import DenseFrames, Param, Values, operator


@operator(parallel=True)
def adding(
    frames: DenseFrames,
    *,
    gain: int = Param(1, minimum=1, maximum=100),
    fail_at: int = Param(-1),
    die_at: int = Param(-1),
    died: Path | None = Param(None),
) -> Values:
    """The sum of each frame; raises at one frame, or is killed once at another."""
    if fail_at in frames.index:
        raise ValueError(f"frame {fail_at} is bad")
    if die_at in frames.index and died is not None and not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return frames.values(total=gain * frames.data.sum(axis=(1, 2)), units={"total": "counts"})


def noted(file: Path, word: str) -> dict[str, int]:
    """Append a word and this process to a file, in one write."""
    with file.open("a") as target:
        target.write(f"{word} {os.getpid()}\\n")
    return {"pid": os.getpid()}


@adding.trigger("note")
def note(*, file: Path = Param(), word: str = Param("-")):
    """Every replica notes a word."""
    return noted(file, word)


@adding.trigger("note-once", audience="one")
def note_once(*, file: Path = Param(), word: str = Param("-")):
    """One replica notes a word."""
    return noted(file, word)


@adding.trigger("note-and-die", audience="one")
def note_and_die(*, file: Path = Param(), word: str = Param("-")):
    """One replica notes a word, and is killed before it can say so."""
    noted(file, word)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    adding.main()
'''

PLACING = '''"""A picture of sums."""

import os
import signal
from pathlib import Path

from interact import Image, Param, ScanImage, Values, operator


class Placing(ScanImage):
    """One pixel a frame; may be killed once when a frame comes, or hold what cannot be kept."""

    title = "Sums"
    die_at: int = Param(-1)
    died: Path | None = Param(None)
    hoard: bool = Param(False)

    def zero(self, scan):
        """Empty slots, with something no checkpoint can hold where one is asked for."""
        state = super().zero(scan)
        if self.hoard:
            state.units["hoard"] = object()
        return state

    def add(self, state, part: Values) -> None:
        """Put the values in their places."""
        if self.die_at in part.index and self.died is not None and not self.died.exists():
            self.died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        super().add(state, part)

    def result(self, state, progress) -> Image:
        """The picture, without the hoard."""
        hoard = state.units.pop("hoard", None)
        image = super().result(state, progress)
        if hoard is not None:
            state.units["hoard"] = hoard
        return image


placing = operator(Placing, name="placing")

if __name__ == "__main__":
    placing.main()
'''

SHOWING = '''"""Pictures for people."""

from interact import Image, operator


@operator(display=True)
def showing(image: Image) -> Image:
    """Show it as it is."""
    return image


if __name__ == "__main__":
    showing.main()
'''

UNLICENSED = '''"""An operator that cannot start."""

import os

from interact import DenseFrames, Values, operator

if os.environ.get("INTERACT_CONFIG"):
    raise RuntimeError("the licence server is on strike")


@operator
def unlicensed(frames: DenseFrames) -> Values:
    """The mean of each frame."""
    return frames.values(mean=frames.data.mean(axis=(1, 2)))


if __name__ == "__main__":
    unlicensed.main()
'''

OPERATORS = {
    "counting": COUNTING,
    "adding": ADDING,
    "placing": PLACING,
    "showing": SHOWING,
    "unlicensed": UNLICENSED,
}

PIPELINE = """\
apiVersion: interact.science/v1alpha1
kind: Pipeline
metadata: {{name: {name}}}
spec:
  operators:
    - {{name: reader, operatorRef: {{name: counting}}}}
    - {{name: sum, operatorRef: {{name: {kernel}}}}}
    - {{name: picture, operatorRef: {{name: placing}}}}
    - {{name: show, operatorRef: {{name: showing}}}}
  edges:
    - {{from: reader.out, to: sum.frames, ackWait: 2s}}
    - {{from: sum.out, to: picture.part, ackWait: 2s}}
    - {{from: picture.out, to: show.image, ackWait: 2s}}
"""


def pipeline(name: str = "demo", kernel: str = "adding") -> str:
    """The YAML of a pipeline: frames, sums, a picture, a display."""
    return PIPELINE.format(name=name, kernel=kernel)
