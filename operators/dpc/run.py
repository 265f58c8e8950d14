"""Differential phase contrast: the phase whose gradient is the deflection of the beam.

Numbers: least squares on the raster with mirrored edges, float32, mean 0; radians where step, pixel
and energy are calibrated, else pixels · positions. A list of positions has no phase.
"""

import logging
from typing import Any, Literal, NamedTuple

from interact import BatchError, Calibration, Image, Param, operator
from interact_stem import phase

logger = logging.getLogger(__name__)

ANGSTROM = {"Å": 1.0, "A": 1.0, "nm": 10.0, "pm": 0.01, "µm": 1e4, "um": 1e4}
"""Units of the scan step, in Å."""


class Scale(NamedTuple):
    """Slope of the phase for one pixel, the step between positions, and the unit of the phase."""

    slope: tuple[float, float] = (1.0, 1.0)
    step: tuple[float, float] = (1.0, 1.0)
    unit: str = "px · position"


@operator(thread=True)
def dpc(
    field: Image,
    *,
    descan: Literal["none", "mean", "plane"] = Param(
        "mean", description="What the scan does to the beam, removed before."
    ),
    high_pass: float = Param(
        0.0,
        minimum=0,
        description="Frequency below which to damp, per Å (per position if uncalibrated); 0: none.",
    ),
) -> Image | None:
    """Integrate a centre of mass on a raster into a phase."""
    if field.scan.listed or min(field.shape) < 2:
        logger.warning(
            "dpc: scan %s is a list of positions or a line; neighbours in two directions are needed",
            field.scan.id,
        )
        return None
    scale = _scale(field.scan.calibration)
    y, x = phase.without_descan(_channel(field, "y"), _channel(field, "x"), descan)
    found = phase.integrated(
        y * scale.slope[0], x * scale.slope[1], step=scale.step, high_pass=high_pass
    )
    kept = {key: field.attributes[key] for key in ("rotation", "flip") if key in field.attributes}
    return field.image(
        {"phase": found}, units={"phase": scale.unit}, attributes={"title": "DPC phase", **kept}
    )


def _channel(field: Image, axis: str) -> Any:
    """The deflection along an axis of the scan; the bare centre of mass where nobody turned it."""
    for name in (f"shift_{axis}", axis):
        if name in field.channels:
            return field.channels[name]
    known = ", ".join(field.channels)
    raise BatchError(f"dpc takes channels shift_y and shift_x, or y and x; the picture has {known}")


def _scale(known: Calibration) -> Scale:
    """Radians and Å where the calibration suffices, else pixels and positions."""
    angles = known.pixel_unit in {"mrad", "rad"}
    lengths = known.pixel_unit in {"1/Å", "1/A", "1/nm"}
    if known.step is None or known.pixel is None or known.step_unit not in ANGSTROM:
        return Scale()
    if min(known.step) <= 0 or not (lengths or (angles and known.energy)):
        return Scale()
    per_pixel = [phase.radians_per_angstrom(p, known.pixel_unit, known.energy) for p in known.pixel]
    length = ANGSTROM[known.step_unit]
    step = (known.step[0] * length, known.step[1] * length)
    return Scale((per_pixel[0], per_pixel[1]), step, "rad")


if __name__ == "__main__":
    dpc.main()
