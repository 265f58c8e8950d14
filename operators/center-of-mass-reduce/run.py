"""The centre of mass of every position, from moments.

Numbers: y = Σy / Σ and x = Σx / Σ, divided last in float64, in pixels from pixel (0, 0); NaN where
nothing was counted. `y` and `x` are never turned nor corrected; `shift_y` and `shift_x` are, for
display and phase: the deflection from the rest, descan removed, in the axes of the scan.
"""

import logging
from typing import Any, Literal

import numpy as np
from interact import Image, Param, Picture, Progress, Scan, ScanImage, Values, operator, scan_image
from interact_stem import phase

logger = logging.getLogger(__name__)

CURL_POSITIONS = 256 * 256
"""Larger scans say their angle of least curl at the end: it takes 0.1 s at a million positions."""


class CenterOfMass(ScanImage):
    """Divide the moments of every position into its centre of mass, with pictures as it grows."""

    rotation: float | None = Param(
        None, unit="°", description="Turns the detector into the scan; as calibrated if left out."
    )
    flip: bool | None = Param(
        None, description="Negates the detector's y before that; as calibrated if left out."
    )
    descan: Literal["none", "mean", "plane"] = Param(
        "none", description="What the scan does to the beam, removed from shift_y and shift_x only."
    )
    center_y: float | None = Param(
        None, unit="px", description="Row where the beam rests; the mean if left out."
    )
    center_x: float | None = Param(
        None, unit="px", description="Column where the beam rests; the mean if left out."
    )

    def add(self, state: Picture, moments: Values) -> None:
        """Put the moments of a batch in their places."""
        super().add(state, moments)

    def result(self, state: Picture, progress: Progress) -> Image:
        """The centre of mass so far."""
        slots, shape = state.slots, progress.scan.shape
        moments = np.stack([slots[name] for name in ("total", "moment_y", "moment_x")], axis=-1)
        y, x = (part.reshape(shape) for part in phase.center_of_mass(moments))
        found = {
            "title": "Centre of mass",
            "style": "vector",
            "empty": int(np.count_nonzero((slots.seen > 0) & np.isnan(y.ravel()))),
            "saturated": int(slots["saturated"].sum()),
        }
        shift, turning = self._shift(progress, y, x)
        if progress.complete:
            self._warn(progress.scan, found["saturated"])
        return scan_image(
            progress,
            {"y": y, "x": x, "shift_y": shift[0], "shift_x": shift[1]},
            units=dict.fromkeys(("y", "x", "shift_y", "shift_x"), "px"),
            y=state.y,
            x=state.x,
            attributes={**found, **turning},
        )

    def _shift(self, progress: Progress, y: Any, x: Any) -> tuple[tuple[Any, Any], dict[str, Any]]:
        """The deflection in the axes of the scan, float32, and how it was found."""
        scan = progress.scan
        rotation = scan.calibration.rotation if self.rotation is None else self.rotation
        flip = scan.calibration.flip if self.flip is None else self.flip
        descan = "mean" if scan.listed and self.descan == "plane" else self.descan
        rest = (_rest(y, self.center_y), _rest(x, self.center_x))
        away = phase.without_descan(y - rest[0], x - rest[1], descan)
        turned = phase.turned(*away, rotation, flip=flip) if rotation or flip else away
        said: dict[str, Any] = {"rotation": rotation, "flip": flip, "descan": descan}
        said["center"] = list(rest)
        soon = progress.complete or scan.positions <= CURL_POSITIONS
        if soon and not scan.listed and min(scan.shape) > 1:
            angle, left = phase.least_curl(*away, flip=flip)
            said |= {"curl_angle": angle, "curl_angle_ambiguity": 180.0}
            if np.isfinite(left):
                said["curl_left"] = left
        return (turned[0].astype(np.float32), turned[1].astype(np.float32)), said

    def _warn(self, scan: Scan, saturated: Any) -> None:
        if saturated:
            logger.warning("scan %s has %d saturated pixels", scan.id, saturated)
        if scan.listed and self.descan == "plane":
            logger.warning(
                "scan %s is a list of positions: the mean was removed, no plane", scan.id
            )


def _rest(values: Any, given: float | None) -> float:
    """Where the beam rests: as given, or the mean of what is there."""
    there = np.isfinite(values)
    if given is not None or not there.any():
        return given or 0.0
    return float(values[there].mean())


center_of_mass_reduce = operator(name="center-of-mass-reduce")(CenterOfMass)

if __name__ == "__main__":
    center_of_mass_reduce.main()
