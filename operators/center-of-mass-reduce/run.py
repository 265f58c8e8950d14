"""The centre of mass of every position, from moments.

Numbers: y = Σy / Σ and x = Σx / Σ, divided last in float64, in pixels from pixel (0, 0); NaN where
nothing was counted. `y` and `x` are never rotated nor corrected.
"""

import logging

import numpy as np
from interact import Image, Progress, ScanImage, Values, operator, scan_image
from interact._reducer import Picture

logger = logging.getLogger(__name__)


class CenterOfMass(ScanImage):
    """Divide the moments of every position into its centre of mass, with pictures as it grows."""

    def add(self, state: Picture, moments: Values) -> None:
        """Put the moments of a batch in their places."""
        super().add(state, moments)

    def result(self, state: Picture, progress: Progress) -> Image:
        """The centre of mass so far."""
        slots = state.slots
        total = np.where(slots["total"] != 0, slots["total"], np.nan)
        y, x = slots["moment_y"] / total, slots["moment_x"] / total
        empty = int(((slots.seen > 0) & ~np.isfinite(total)).sum())
        saturated = int(np.count_nonzero(slots["saturated"]))
        if progress.complete and saturated:
            logger.warning(
                "scan %s: %d positions have saturated pixels", progress.scan.id, saturated
            )
        return scan_image(
            progress,
            {"y": y, "x": x},
            units={"y": "px", "x": "px"},
            y=state.y,
            x=state.x,
            attributes={
                "title": "Centre of mass",
                "style": "vector",
                "empty": empty,
                "saturated": saturated,
            },
        )


center_of_mass_reduce = operator(name="center-of-mass-reduce")(CenterOfMass)

if __name__ == "__main__":
    center_of_mass_reduce.main()
