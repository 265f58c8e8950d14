"""Where frames lie: the order of acquisition against the places of a scan."""

import numpy as np
import numpy.typing as npt
from interact_api.wire import Calibration, Scan, Tombstone

__all__ = ["Calibration", "Scan", "Tombstone", "gaps", "positions", "present"]


def positions(scan: Scan, index: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The place of each frame.

    Args:
        scan: The scan.
        index: Frame numbers in the order of acquisition, shape (n,).

    Returns:
        Flat positions (row * columns + column), shape (n,); −1 for a frame of the sync offset,
        the flyback, or past the end.
    """
    place = (index - scan.offset) // scan.frames_per_position
    outside = index < scan.offset
    if scan.listed:
        return np.where(outside | (place >= scan.shape[0]), -1, place)
    rows, columns = scan.shape
    if not scan.flyback and scan.order == "raster":
        return np.where(outside | (place >= rows * columns), -1, place)
    row, column = np.divmod(place, columns + scan.flyback)
    outside |= (column >= columns) | (row >= rows)
    if scan.order == "snake":
        column = np.where(row % 2 == 1, columns - 1 - column, column)
    return np.where(outside, -1, row * columns + column)


def present(start: int, stop: int, tombstones: tuple[Tombstone, ...]) -> npt.NDArray[np.int64]:
    """Frame numbers of a coverage that are there: [start, stop) without its tombstones."""
    if not tombstones:
        return np.arange(start, stop, dtype=np.int64)
    there = np.ones(stop - start, bool)
    for tombstone in tombstones:
        there[tombstone.start - start : tombstone.stop - start] = False
    return np.flatnonzero(there) + start


def gaps(
    start: int,
    stop: int,
    known: tuple[Tombstone, ...],
    index: npt.NDArray[np.int64],
    reason: str,
) -> tuple[Tombstone, ...]:
    """The tombstones of a coverage in which only ``index`` is left.

    Args:
        start: First frame number of the coverage.
        stop: One past its last.
        known: Tombstones it had before; they keep their reasons.
        index: Frame numbers still there, ascending.
        reason: Why the others are gone.
    """
    reasons = [reason] + [tombstone.reason for tombstone in known]
    code = np.zeros(stop - start, np.int32)
    for number, tombstone in enumerate(known, start=1):
        code[tombstone.start - start : tombstone.stop - start] = number
    code[index - start] = -1
    edges = np.flatnonzero(np.diff(code)) + 1
    starts = [0, *edges.tolist()]
    stops = [*edges.tolist(), stop - start]
    return tuple(
        Tombstone(reasons[code[a]], start + a, start + b)
        for a, b in zip(starts, stops, strict=True)
        if b > a and code[a] >= 0
    )
