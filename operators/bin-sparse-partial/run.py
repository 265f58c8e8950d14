"""Larger pixels for counted events.

Numbers: pixel c becomes c // factor; events that meet in one pixel of a frame add their counts, a
ragged edge is dropped. A centre c lies at (c + 0.5) / factor − 0.5 afterwards.
"""

import functools

import msgspec
from interact import Param, Scan, SparseFrames, operator
from interact_stem import kernels


@operator(name="bin-sparse-partial", parallel=True)
def bin_sparse_partial(
    frames: SparseFrames,
    *,
    factor: int = Param(
        2, unit="px", minimum=1, maximum=64, scope="scan", description="Edge of a new pixel."
    ),
) -> SparseFrames:
    """Sum square blocks of detector pixels of counted events."""
    binned = kernels.bin_sparse(
        frames.rows, frames.columns, frames.counts, frames.offsets, frames.shape, factor
    )
    made = frames.sparse(binned.rows, binned.columns, binned.offsets, binned.shape, binned.counts)
    return made.replace(scan=_with_larger_pixels(frames.scan, factor))


@functools.lru_cache(maxsize=16)
def _with_larger_pixels(scan: Scan, factor: int) -> Scan:
    """The scan as its calibration says it after binning."""
    known = scan.calibration
    if known.pixel is None:
        return scan
    pixel = (known.pixel[0] * factor, known.pixel[1] * factor)
    larger = msgspec.structs.replace(known, pixel=pixel)
    return msgspec.structs.replace(scan, calibration=larger)


if __name__ == "__main__":
    bin_sparse_partial.main()
