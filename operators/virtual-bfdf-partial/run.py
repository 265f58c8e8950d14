"""Virtual bright and dark field: what a disk and a ring of the detector counted in every frame.

Numbers: raw sums, exact integers for counts; the disk is r ≤ radius, the ring inner < r ≤ outer.
"""

from pathlib import Path

from interact import DenseFrames, Param, SparseFrames, Values, operator
from interact_stem import selection


@operator(name="virtual-bfdf-partial", parallel=True)
def virtual_bfdf_partial(
    frames: DenseFrames | SparseFrames,
    *,
    center_y: float = Param(unit="px", scope="scan", description="Row of the centre of the beam."),
    center_x: float = Param(unit="px", scope="scan", description="Column of the centre."),
    radius: float = Param(
        unit="px", minimum=0, scope="scan", description="Radius of the bright field."
    ),
    inner: float | None = Param(
        None,
        unit="px",
        minimum=0,
        scope="scan",
        description="Inner radius of the dark field; that of the bright field where left out.",
    ),
    outer: float | None = Param(
        None,
        unit="px",
        minimum=0,
        scope="scan",
        description="Outer radius of the dark field; to the corners where left out.",
    ),
    mask: Path | None = Param(
        None, scope="scan", description="Mask file of the detector; all pixels where left out."
    ),
) -> Values:
    """Sum every frame inside a disk (bright) and a ring around it (dark)."""
    ring = (radius if inner is None else inner, outer)
    masks = selection.detectors(frames.shape, (center_y, center_x), radius, ring, mask)
    found = selection.sums(frames, masks)
    units = {"bright": "counts", "dark": "counts"}
    return frames.values(units, bright=found[:, 0], dark=found[:, 1])


if __name__ == "__main__":
    virtual_bfdf_partial.main()
