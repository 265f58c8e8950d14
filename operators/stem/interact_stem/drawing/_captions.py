"""The words of a picture: how complete it is, what is missing, what the instrument did."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from functools import cache

from interact import Calibration, Image
from matplotlib import font_manager

COMPLETE, PARTIAL, INCOMPLETE = "#1b7837", "#2166ac", "#b2182b"


def title(image: Image) -> str:
    """The first line of a picture."""
    return str(image.attributes.get("title") or ", ".join(image.channels))


def completeness(image: Image) -> tuple[str, str]:
    """How much of the scan is there, in words, and the colour to say it in.

    Frames filtered on purpose are told, and leave a scan complete.
    """
    gone = {reason: n for reason, n in image.missing.items() if n and reason != "filtered"}
    filtered = image.missing.get("filtered", 0)
    left_out = [f"{filtered} filtered"] if filtered else []
    if not image.final:
        percent = min(int(100 * image.completeness), 99)
        missing = [f"missing {_counts(gone)}"] if gone else []
        return " · ".join([f"{percent} % complete", *missing, *left_out]), PARTIAL
    if gone:
        return " · ".join(
            [f"INCOMPLETE: {sum(gone.values())} missing{_why(gone)}", *left_out]
        ), INCOMPLETE
    return " · ".join(["complete", *left_out]), COMPLETE


def _why(gone: Mapping[str, int]) -> str:
    return "" if set(gone) == {"missing"} else f" ({_reasons(gone)})"


def _counts(gone: Mapping[str, int]) -> str:
    return f"{sum(gone.values())}{_why(gone)}"


def _reasons(gone: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {number}" for reason, number in sorted(gone.items()))


def counts(image: Image) -> str:
    """Counts of positions without counts and with saturated pixels, where the picture knows them."""
    named = (("empty", "empty positions"), ("saturated", "saturated positions"))
    parts = [f"{word} {image.attributes[key]}" for key, word in named if key in image.attributes]
    return " · ".join(parts)


def facts(image: Image) -> str:
    """The scan and the instrument: origin, size, step, aperture, rotation, energy, dose."""
    scan, calibration = image.scan, image.scan.calibration
    size = " × ".join(str(edge) for edge in scan.shape)
    parts = [scan.title, f"scan {size}" + (" positions" if scan.listed else "")]
    parts += [f"step {step}" for step in [step_text(calibration)] if step]
    parts += [_aperture(image), turned(image)]
    if calibration.energy is not None:
        parts.append(f"{calibration.energy:g} keV")
    if calibration.dose is not None:
        parts.append(f"{calibration.dose:g} e⁻/frame")
    return " · ".join(part for part in parts if part)


def _aperture(image: Image) -> str:
    radius = number(image.attributes.get("radius"))
    return "" if radius is None else f"circle r = {radius:g} px"


def step_text(calibration: Calibration) -> str:
    """The distance of neighbouring positions; once if y and x agree."""
    if not calibration.step:
        return ""
    y, x = calibration.step
    numbers = f"{x:.3g}" if y == x else f"{y:.3g} × {x:.3g}"
    return f"{numbers} {calibration.step_unit}".strip()


def turned(image: Image) -> str:
    """Rotation and flip between scan and detector, and the angle of least curl if measured."""
    attributes, calibration = image.attributes, image.scan.calibration
    if attributes.get("style") != "vector" and "rotation" not in attributes:
        return ""
    rotation = number(attributes.get("rotation"))
    flipped = ", flipped" if attributes.get("flip", calibration.flip) else ""
    said = f"rotation {calibration.rotation if rotation is None else rotation:.3g}°{flipped}"
    angle = number(attributes.get("curl_angle"))
    if angle is not None:
        near, far = sorted((angle, angle % 360 - 180), key=abs)
        said += f" (least curl at {near:.1f}° or {far:.1f}°)"
    return said.replace("-", "−")


def number(value: object) -> float | None:
    """A finite number of an attribute, or None if it is none."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def printable(text: str) -> str:
    """Text with □ for what the font of the pictures does not have."""
    return "".join(sign if ord(sign) in _signs() else "□" for sign in text)


@cache
def _signs() -> frozenset[int]:
    """Code points of the font, the control characters of its table left out."""
    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    return frozenset(code for code in font.get_charmap() if chr(code).isprintable())


def wrapped(text: str, width: int, lines: int) -> str:
    """Text in at most ``lines`` lines of ``width`` characters, shortened with "…"."""
    folded = textwrap.wrap(text, max(width, 8), max_lines=lines, placeholder=" …")
    return "\n".join(map(printable, folded))
