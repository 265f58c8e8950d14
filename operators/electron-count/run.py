"""Find electrons in raw frames: local maxima between two thresholds.

Numbers: g = (frame − dark) / gain, signed; g ≤ background or g ≥ xray is 0; an event is a pixel
whose g exceeds that of its eight neighbours. The rule of stempy, pixel for pixel.
"""

import functools
from pathlib import Path

import numpy as np
from interact import DenseFrames, Param, SparseFrames, operator
from interact_stem import kernels, selection
from interact_stem.errors import ReaderError
from interact_stem.events import Array, SparseEvents


@operator(name="electron-count", parallel=True)
def electron_count(
    frames: DenseFrames,
    *,
    background: float = Param(
        scope="scan", description="Threshold above the noise, in units of the corrected frame."
    ),
    xray: float | None = Param(
        None, scope="scan", description="Threshold from which a hit is an X-ray; none if left out."
    ),
    dark: Path | None = Param(
        None, scope="scan", description="Dark frame (.npy, rows × columns); 0 where left out."
    ),
    gain: Path | None = Param(
        None, scope="scan", description="Gain of each pixel (.npy); 1 where left out."
    ),
    mask: Path | None = Param(
        None, scope="scan", description="Mask file: events on other pixels are dropped."
    ),
) -> SparseFrames:
    """Count single electrons in raw frames."""
    rows, columns, offsets = kernels.count_electrons(
        frames.data,
        _plane(dark, frames.shape),
        _plane(gain, frames.shape),
        background,
        np.inf if xray is None else xray,
    )
    events = SparseEvents(rows, columns, None, offsets, frames.shape)
    use = selection.used_pixels(frames.shape, mask=mask)
    if use is not None:
        events = selection.masked(events, use)
    return frames.sparse(events.rows, events.columns, events.offsets, events.shape)


@functools.lru_cache(maxsize=8)
def _plane(path: Path | None, shape: tuple[int, int]) -> Array | None:
    """An image of the detector from a file, float32."""
    if path is None:
        return None
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ReaderError(path, "image", str(error), "save it with numpy.save") from error
    if array.shape != shape:
        raise ReaderError(path, "shape", array.shape, f"the detector has {shape}")
    return np.asarray(array, np.float32)


if __name__ == "__main__":
    electron_count.main()
