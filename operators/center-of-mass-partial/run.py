"""Moments of every frame: the part of the centre of mass that replicas share.

Numbers: Σ, Σy and Σx of a frame, exact integers for counts, from pixel (0, 0); no division here.
"""

from pathlib import Path

from interact import DenseFrames, Param, SparseFrames, Values, operator
from interact_stem import selection


@operator(name="center-of-mass-partial", parallel=True)
def center_of_mass_partial(
    frames: DenseFrames | SparseFrames,
    *,
    mask: Path | None = Param(
        None, scope="scan", description="Mask file of the detector; all pixels where left out."
    ),
    center_y: float | None = Param(
        None, unit="px", scope="scan", description="Row of the centre of the disk to keep."
    ),
    center_x: float | None = Param(
        None, unit="px", scope="scan", description="Column of the centre of the disk to keep."
    ),
    radius: float | None = Param(
        None, unit="px", minimum=0, scope="scan",
        description="Radius of the disk to keep; the whole detector where left out.",
    ),
    saturation: float | None = Param(
        None, scope="scan",
        description="Value from which a pixel is saturated; the type's largest where left out.",
    ),
) -> Values:  # fmt: skip
    """Sum every frame, and its rows and columns weighted by counts."""
    use = selection.used_pixels(
        frames.shape, mask=mask, center_y=center_y, center_x=center_x, radius=radius
    )
    found = selection.moments(frames, use)
    columns = {"total": found[:, 0], "moment_y": found[:, 1], "moment_x": found[:, 2]}
    saturated = selection.saturated(frames, saturation)
    if saturated is not None:
        columns["saturated"] = saturated
    units = {"total": "counts", "moment_y": "counts px", "moment_x": "counts px", "saturated": "px"}
    return frames.values({name: units[name] for name in columns}, **columns)


if __name__ == "__main__":
    center_of_mass_partial.main()
