"""Make scans with a planted centre-of-mass field, as fast as the stream takes them.

Numbers: every frame holds exactly `dose` events, in pairs around a centre that moves by whole
pixels; `interact_stem.planted.Planted.moments(index)` gives the exact answer.
"""

import itertools
from collections.abc import AsyncIterator, Iterator

from interact import DenseFrames, Param, Resume, Scan, SparseFrames, source
from interact_stem import scans
from interact_stem.planted import Planted


@source(name="scan-generator")
async def scan_generator(
    *,
    resume: Resume,
    scan_rows: int = Param(64, minimum=1, description="Rows of the scan."),
    scan_columns: int = Param(64, minimum=1, description="Columns of the scan."),
    detector_rows: int = Param(
        128, unit="px", minimum=8, maximum=8192, description="Detector rows."
    ),
    detector_columns: int = Param(
        128, unit="px", minimum=8, maximum=8192, description="Detector columns."
    ),
    sparse: bool = Param(True, description="Lists of events; images where false."),
    dose: int = Param(
        1000, unit="electrons", minimum=0, maximum=1_000_000, description="Events in a frame."
    ),
    rate: float = Param(0.0, unit="frames/s", minimum=0, description="0: as fast as it goes."),
    repeats: int = Param(1, minimum=0, description="Scans, one after the other; 0: for ever."),
    frames_per_message: int = Param(0, minimum=0, description="0: about one mebibyte."),
    empty_every: int = Param(0, minimum=0, description="Each n-th frame has no events; 0: none."),
    seed: int = Param(0, minimum=0, description="The same seed gives the same events."),
) -> AsyncIterator[DenseFrames | SparseFrames]:
    """Make scans whose centre of mass and bright field are known exactly."""
    detector = (detector_rows, detector_columns)
    frame_bytes = 4 * dose + 8 if sparse else 2 * detector_rows * detector_columns
    total = scan_rows * scan_columns
    planted = Planted(
        scan_shape=(scan_rows, scan_columns),
        detector_shape=detector,
        dose=dose,
        sparse=sparse,
        per_message=frames_per_message or scans.frames_per_message(frame_bytes, total),
        empty_every=empty_every,
        seed=seed,
    )

    def parts() -> Iterator[DenseFrames | SparseFrames]:
        ordinals = itertools.count(resume.scan) if repeats == 0 else range(resume.scan, repeats)
        for ordinal in ordinals:
            scan = Scan(f"planted-{ordinal}", planted.scan_shape, title="planted field")
            reached = resume.index if ordinal == resume.scan else 0
            # the last batch comes again where all were stored: it tells the SDK which scan this is
            yield from planted.batches(scan, min(reached, total - 1))

    async for part in scans.paced(parts(), rate):
        yield part


if __name__ == "__main__":
    scan_generator.main()
