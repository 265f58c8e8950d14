"""What the pictures should hold, from the data alone: numpy and h5py, and no code of Interact.

Order is (y, x), pixel centres at integers, the origin at pixel (0, 0). A disk is r ≤ R, a ring
r₀ < r ≤ r₁.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """Sums over the events of a counted file; per position, shape (rows, columns)."""

    electrons: Array
    com_y: Array
    com_x: Array
    bright: Array
    dark: Array
    pattern: Array


def counted(
    file: Path, center: tuple[float, float], radius: float, inner: float, outer: float
) -> Counted:
    """Everything the pipeline computes, from the events of a counted-electron HDF5 file.

    Args:
        file: stempy's layout: one row of flat pixel indices a frame.
        center: Centre of disk and ring (y, x), pixels.
        radius: Radius of the disk, pixels.
        inner: Inner radius of the ring, pixels.
        outer: Outer radius of the ring, pixels.
    """
    with h5py.File(file) as source:
        frames, places = source["electron_events/frames"], source["electron_events/scan_positions"]
        rows, columns = int(frames.attrs["Nx"]), int(frames.attrs["Ny"])  # of the detector
        scan = int(places.attrs["Ny"]), int(places.attrs["Nx"])
        events, position = list(frames[:]), places[:].astype(np.int64)
    lengths = np.array([len(event) for event in events])
    pixel = np.concatenate(events).astype(np.int64)
    place = np.repeat(position, lengths)
    y, x = np.divmod(pixel, columns)
    distance = (y - center[0]) ** 2 + (x - center[1]) ** 2

    def summed(weight: Array) -> Array:
        return np.bincount(place, weight, scan[0] * scan[1]).reshape(scan)

    electrons = summed(np.ones(len(pixel)))
    empty = np.where(electrons > 0, electrons, np.nan)
    return Counted(
        electrons=electrons,
        com_y=summed(y) / empty,
        com_x=summed(x) / empty,
        bright=summed(distance <= radius**2),
        dark=summed((distance > inner**2) & (distance <= outer**2)),
        pattern=np.bincount(pixel, minlength=rows * columns).reshape(rows, columns),
    )


def periodic_phase(y: Array, x: Array) -> Array:
    """The function whose gradient is nearest to a periodic field, by Fourier transform.

    Args:
        y: The field along rows, shape (rows, columns).
        x: The field along columns, same shape.
    """
    ky = np.fft.fftfreq(y.shape[0])[:, None]
    kx = np.fft.fftfreq(y.shape[1])[None, :]
    square = ky**2 + kx**2
    square[0, 0] = 1
    spectrum = (ky * np.fft.fft2(y) + kx * np.fft.fft2(x)) / (2j * np.pi * square)
    spectrum[0, 0] = 0
    return np.asarray(np.fft.ifft2(spectrum).real)


def curl_to_divergence(y: Array, x: Array) -> float:
    """Root mean square of the curl over that of the divergence: 0 for the gradient of a phase."""
    curl = np.gradient(y, axis=1) - np.gradient(x, axis=0)
    divergence = np.gradient(y, axis=0) + np.gradient(x, axis=1)
    return float(np.sqrt((curl**2).mean() / (divergence**2).mean()))


def correlation(a: Array, b: Array) -> float:
    """Pearson's correlation of two pictures."""
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])
