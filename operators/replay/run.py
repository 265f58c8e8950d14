"""Replay recorded scans: the same frames in the same messages, for operators with other parameters.

Numbers: frames as they were recorded, to the last bit. Frames nobody recorded are missing.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Literal

import msgspec
from interact import Batch, InputError, Param, Resume, source
from interact.recording import Recorded, recorded
from interact_stem import scans


def chosen(found: list[Recorded], wanted: str) -> list[Recorded]:
    """The scans to replay, by their ids or numbers; all where nothing is said."""
    known = {one.scan.id: one for one in found}
    numbered = {str(number): one for number, one in enumerate(found)}
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    unknown = [name for name in names if name not in known | numbered]
    if unknown or not found:
        there = ", ".join(f"{n} ({one.scan.id})" for n, one in enumerate(found)) or "none"
        raise InputError(
            f"there is no scan {unknown[0] if unknown else ''!r}; the file has {there}"
        )
    return [(known | numbered)[name] for name in names] or found


async def as_recorded(parts: Iterator[Batch]) -> AsyncIterator[Batch]:
    """Each message as long after the first as it was when it was recorded."""
    began, first = time.monotonic(), 0.0
    for part in parts:
        first = first or part.time
        if part.time:
            await asyncio.sleep(max(0.0, began + part.time - first - time.monotonic()))
        yield part


@source(name="replay")
async def replay(
    *,
    resume: Resume,
    path: Path = Param(description="File of the recorder."),
    scan: str = Param(
        "", description="Numbers or ids of the scans, separated by commas; all where empty."
    ),
    pace: Literal["full", "recorded", "rate"] = Param(
        "full", description="As fast as it goes, as it was recorded, or as rate says."
    ),
    rate: float = Param(1000.0, unit="frames/s", minimum=0, description="Where pace is rate."),
    repeats: int = Param(1, minimum=0, description="How often to replay them; 0: for ever."),
) -> AsyncIterator[Batch]:
    """Replay recorded scans from a file."""
    wanted = chosen(recorded(path), scan)

    def parts() -> Iterator[Batch]:
        last = repeats * len(wanted) if repeats else None
        for ordinal in itertools.islice(itertools.count(), resume.scan, last):
            one = wanted[ordinal % len(wanted)]
            again = msgspec.structs.replace(one.scan, id=f"replay-{ordinal}", revision=0)
            for part in one.batches(resume.index if ordinal == resume.scan else 0):
                yield part.replace(scan=again, revision=0)

    paced = as_recorded(parts()) if pace == "recorded" else scans.paced(
        parts(), rate if pace == "rate" else 0.0
    )  # fmt: skip
    async for part in paced:
        yield part.replace(time=0.0)


if __name__ == "__main__":
    replay.main()
