"""The sum of all frames of a scan: the pattern one chooses apertures on.

Numbers: int64 and exact for counts; floats are added along a fixed tree, the same to the last bit
whatever the order of arrival. Pixels outside the mask are NaN.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from interact import (
    Axis,
    DenseFrames,
    Image,
    Param,
    Progress,
    Reducer,
    Scan,
    SparseFrames,
    operator,
)
from interact_stem import patterns, selection


class Accumulator(Reducer[patterns.Pattern]):
    """Sum the frames of a scan into one diffraction pattern."""

    mask: Path | None = Param(None, description="Mask file; other pixels are shown as missing.")
    center_y: float | None = Param(
        None, unit="px", description="Row of the aperture to draw; the centre of mass if left out."
    )
    center_x: float | None = Param(None, unit="px", description="Column of the aperture to draw.")
    radius: float | None = Param(
        None, unit="px", minimum=0, description="Radius of the aperture to draw."
    )
    log: bool = Param(True, description="Draw on a logarithmic scale.")

    def zero(self, scan: Scan) -> patterns.Pattern:
        """No frames yet."""
        del scan
        return patterns.Pattern()

    def add(self, state: patterns.Pattern, frames: DenseFrames | SparseFrames) -> None:
        """Add the frames of a batch."""
        state.add(frames)

    def result(self, state: patterns.Pattern, progress: Progress) -> Image | None:
        """The pattern so far; nothing before the first frame."""
        total = state.total()
        if total is None:
            return None
        use = selection.used_pixels((total.shape[0], total.shape[1]), mask=self.mask)
        center = patterns.center(total, use)
        if self.center_y is not None and self.center_x is not None:
            center = (self.center_y, self.center_x)
        attributes: dict[str, Any] = {
            "title": "Summed diffraction pattern",
            "style": "pattern",
            "log": self.log,
            "frames": state.frames,
            "center": center if center is None else list(center),
            "radius": self.radius,
        }
        return Image(
            scan=progress.scan,
            start=0,
            stop=0,
            channels={"sum": total if use is None else np.where(use, total, np.nan)},
            units={"sum": "counts"},
            axes=_axes(progress.scan),
            completeness=progress.fraction,
            missing=dict(progress.missing),
            attributes={key: value for key, value in attributes.items() if value is not None},
        )


def _axes(scan: Scan) -> tuple[Axis, ...]:
    """The axes of the detector, from pixel (0, 0)."""
    known = scan.calibration
    pixel, unit = (known.pixel, known.pixel_unit) if known.pixel else ((1.0, 1.0), "px")
    return Axis("y", unit, pixel[0]), Axis("x", unit, pixel[1])


diffraction_pattern_accumulator = operator(name="diffraction-pattern-accumulator")(Accumulator)


@diffraction_pattern_accumulator.trigger("find-center")
def find_center(
    reducer: Accumulator, states: Mapping[str, patterns.Pattern]
) -> dict[str, dict[str, float]]:
    """Tell the centre of mass of the pattern so far, for each scan under way."""
    found = {}
    for scan, state in states.items():
        total = state.total()
        if total is None:
            continue
        use = selection.used_pixels((total.shape[0], total.shape[1]), mask=reducer.mask)
        center = patterns.center(total, use)
        if center is not None:
            y, x = center
            found[scan] = {"center_y": y, "center_x": x, "frames": state.frames}
    return found


if __name__ == "__main__":
    diffraction_pattern_accumulator.main()
