"""Finding single electrons in frames of a charge-integrating detector."""

import numpy as np
import numpy.typing as npt

from interact_stem.errors import ShapeError
from interact_stem.events import coordinate_dtype
from interact_stem.kernels._compile import Array, compiled, native, native_frames


def count_electrons(
    frames: npt.ArrayLike,
    dark: npt.ArrayLike | None = None,
    gain: npt.ArrayLike | None = None,
    background: float = 0.0,
    xray: float = np.inf,
) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    """Find the pixels where an electron hit: local maxima between two thresholds.

    The rule of stempy: g = (frame − dark) / gain, in float32 and signed; integer frames without a
    gain stay whole numbers: the dark value's fraction is cut off. g is 0 where it is at most ``background`` or
    at least ``xray``; an event is a pixel whose g exceeds that of all eight neighbours (on the
    edge: of those that exist). Two equal neighbours give no event; a gain, were it 1 everywhere,
    keeps the fractions and so tells more of them apart.

    Args:
        frames: Raw frames, shape (n, rows, columns).
        dark: Value of each pixel without electrons, shape (rows, columns) or a number; None for 0.
        gain: Relative response of each pixel, likewise; None for 1.
        background: Threshold above the noise, in units of g.
        xray: Threshold below which a hit is an electron and not an X-ray, in units of g.

    Returns:
        Rows, columns (int16, int32 for edges above 32767) and offsets (int64, shape (n + 1,)) of
        the events, sorted by frame, row and column.

    Raises:
        ShapeError: If the shapes do not fit, or a gain is not above 0.
    """
    array = native_frames(frames)
    shape = (array.shape[1], array.shape[2])
    pedestal = _plane(dark, shape, "dark", 0.0)
    response = _plane(gain, shape, "gain", 1.0)
    if not (response > 0).all():
        raise ShapeError(f"gain has a value of {response.min()}; every one must be above 0")
    factor = native((1 / response).astype(np.float32))
    if gain is None and array.dtype.kind != "f":
        pedestal = native(np.trunc(pedestal))
    g = np.full((shape[0] + 2, shape[1] + 2), 0 if background >= 0 else -np.inf, np.float32)
    limits = _single_limits(background, xray)
    most = ((shape[0] + 1) // 2) * ((shape[1] + 1) // 2)  # no two events are neighbours
    spot = np.empty((2, most), coordinate_dtype(shape))
    found: list[Array] = [spot[:, :0]]
    offsets = np.zeros(len(array) + 1, np.int64)
    for number, frame in enumerate(array):
        _corrected(frame, pedestal, factor, limits, g)
        n = _maxima(g, background >= 0, spot)
        found.append(spot[:, :n].copy())
        offsets[number + 1] = offsets[number] + n
    rows, columns = np.concatenate(found, axis=1)
    return rows, columns, offsets


def _single_limits(background: float, xray: float) -> tuple[np.float32, np.float32]:
    """The thresholds as float32, such that comparing a float32 with them gives the same."""
    with np.errstate(over="ignore"):
        low, high = np.float32(background), np.float32(xray)
    if float(low) > background:
        low = np.nextafter(low, np.float32(-np.inf))
    if float(high) < xray:
        high = np.nextafter(high, np.float32(np.inf))
    return low, high


def _plane(
    value: npt.ArrayLike | None, shape: tuple[int, int], name: str, default: float
) -> npt.NDArray[np.float32]:
    array = np.asarray(default if value is None else value, np.float32)
    if array.shape not in ((), shape):
        raise ShapeError(f"{name} has shape {array.shape}, the detector {shape}")
    return native(np.broadcast_to(array, shape))


@compiled
def _corrected(
    frame: Array,
    dark: Array,
    factor: Array,
    limits: tuple[np.float32, np.float32],
    g: Array,
) -> None:
    """Fill g, which has one more pixel on every side, with what lies between the limits."""
    low, high = limits
    rows, columns = frame.shape
    for y in range(rows):
        for x in range(columns):
            v = np.float32((np.float32(frame[y, x]) - dark[y, x]) * factor[y, x])
            g[y + 1, x + 1] = np.float32(0) if v <= low or v >= high else v


@compiled
def _maxima(g: Array, skip_zero: bool, spot: Array) -> int:
    """Write the pixels that exceed all their neighbours; give their number."""
    n = 0
    for y in range(1, g.shape[0] - 1):
        for x in range(1, g.shape[1] - 1):
            v = g[y, x]
            if skip_zero and v == 0:
                continue
            highest = max(g[y - 1, x - 1], g[y - 1, x], g[y - 1, x + 1], g[y, x - 1])
            highest = max(highest, g[y, x + 1], g[y + 1, x - 1], g[y + 1, x], g[y + 1, x + 1])
            if v > highest:
                spot[0, n], spot[1, n] = y - 1, x - 1
                n += 1
    return n
