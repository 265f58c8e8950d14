"""The sheet of the simulated scan: its pictures and what is known about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from interact import Image
from interact_stem.drawing import sheet

from examples._saved import saved

TITLE = "SrTiO₃ [001], simulated"
SUBTITLE = (
    "multislice with frozen phonons and Poisson counts (abTEM), through one Interact pipeline; "
    "no microscope recorded this"
)


def srtio3(pictures: Path) -> bytes:
    """The sheet as PNG, from what a run saved in a folder."""
    pattern, com = mean_pattern(saved(pictures, "pattern")), saved(pictures, "com")
    fields, dpc = saved(pictures, "fields"), saved(pictures, "dpc")
    return sheet(
        [pattern, _renamed(fields, "Virtual field"), com, dpc],
        title=TITLE,
        subtitle=SUBTITLE,
        facts=facts(pattern, com),
    )


def mean_pattern(pattern: Image) -> Image:
    """A summed pattern per frame."""
    frames = pattern.attributes.get("frames")
    if not isinstance(frames, int) or frames < 1:
        return pattern
    return pattern.image(
        {"mean": pattern.channels["sum"] / frames},
        units={"mean": "e⁻/frame"},
        attributes={**pattern.attributes, "title": "Diffraction"},
    )


def _renamed(fields: Image, title: str) -> Image:
    return fields.image(
        fields.channels,
        units=dict.fromkeys(fields.channels, "e⁻/position"),
        attributes={**fields.attributes, "title": title},
    )


def facts(pattern: Image, com: Image) -> list[tuple[str, str]]:
    """Names and values for people, in reading order."""
    scan, calibration = com.scan, com.scan.calibration
    rows, columns = scan.shape
    lines = [("scan", f"{rows} × {columns} positions, {scan.order}")]
    if calibration.step:
        y, x = calibration.step
        unit = calibration.step_unit
        lines.append(("field of view", f"{rows * y:.3g} × {columns * x:.3g} {unit}"))
        lines.append(("step", f"{x:.4g} {unit}"))
    lines.append(("detector", " × ".join(str(edge) for edge in pattern.shape) + " px"))
    if calibration.pixel:
        lines.append(("detector pixel", f"{calibration.pixel[1]:.4g} {calibration.pixel_unit}"))
    lines.append(("origin", "top left, y down, pixel centres at integers"))
    if isinstance(center := pattern.attributes.get("center"), list):
        lines.append(("beam centre (y, x)", ", ".join(f"{edge:g}" for edge in center) + " px"))
    if calibration.energy is not None:
        lines.append(("energy", f"{calibration.energy:g} keV"))
    if calibration.dose is not None:
        lines.append(("dose", f"{calibration.dose:g} e⁻ per frame"))
    counted = float(np.nansum(pattern.channels["mean" if "mean" in pattern.channels else "sum"]))
    lines.append(("counted", f"{counted:.4g} e⁻ per frame"))
    lines.append(
        ("rotation, flip", f"{calibration.rotation:g}°, {'yes' if calibration.flip else 'no'}")
    )
    if isinstance(angle := com.attributes.get("curl_angle"), int | float):
        near, far = sorted((angle, angle % 360 - 180), key=abs)
        said = f"{near:.1f}° or {far:.1f}°".replace("-", "−")
        lines.append(("least curl at", said))
    lines.append(("missing frames", str(sum(com.missing.values()))))
    lines.append(("empty positions", str(com.attributes.get("empty", "not counted"))))
    lines.append(("saturated positions", str(com.attributes.get("saturated", "not counted"))))
    lines.append(("grey", "not there"))
    return lines
