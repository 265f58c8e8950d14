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

    The rule of stempy: g = (frame − dark) / gain, in float32 and signed; g is 0 where it is at
    most ``background`` or at least ``xray``; an event is a pixel whose g exceeds that of all
    eight neighbours (on the edge: of those that exist). Two equal neighbours give no event.

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
    dtype = coordinate_dtype(shape)
    offsets = np.zeros(len(array) + 1, np.int64)
    limits = (np.float64(background), np.float64(xray))
    found = [
        _count_frame(frame, pedestal, factor, *limits, np.zeros((0,), dtype)) for frame in array
    ]
    np.cumsum([len(rows) for rows, _ in found], out=offsets[1:])
    empty = [np.empty(0, dtype)]
    rows = np.concatenate(empty + [rows for rows, _ in found])
    columns = np.concatenate(empty + [columns for _, columns in found])
    return rows, columns, offsets


def _plane(
    value: npt.ArrayLike | None, shape: tuple[int, int], name: str, default: float
) -> npt.NDArray[np.float32]:
    array = np.asarray(default if value is None else value, np.float32)
    if array.shape not in ((), shape):
        raise ShapeError(f"{name} has shape {array.shape}, the detector {shape}")
    return native(np.broadcast_to(array, shape))


@compiled
def _count_frame(
    frame: Array, dark: Array, factor: Array, background: float, xray: float, empty: Array
) -> tuple[Array, Array]:
    rows, columns = frame.shape
    g = np.zeros((rows + 2, columns + 2), np.float32)
    if background < 0:  # a missing neighbour must not stand for a 0
        g[:] = -np.inf
    for y in range(rows):
        for x in range(columns):
            v = np.float32((np.float32(frame[y, x]) - dark[y, x]) * factor[y, x])
            g[y + 1, x + 1] = np.float32(0) if v <= background or v >= xray else v
    limit = ((rows + 1) // 2) * ((columns + 1) // 2)
    found_y = np.empty(limit, empty.dtype)
    found_x = np.empty(limit, empty.dtype)
    n = 0
    for y in range(1, rows + 1):
        for x in range(1, columns + 1):
            v = g[y, x]
            if v == 0 and background >= 0:
                continue
            if (
                v > g[y - 1, x - 1]
                and v > g[y - 1, x]
                and v > g[y - 1, x + 1]
                and v > g[y, x - 1]
                and v > g[y, x + 1]
                and v > g[y + 1, x - 1]
                and v > g[y + 1, x]
                and v > g[y + 1, x + 1]
            ):
                found_y[n], found_x[n] = y - 1, x - 1
                n += 1
    return found_y[:n].copy(), found_x[:n].copy()
