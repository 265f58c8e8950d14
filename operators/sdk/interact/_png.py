"""A grey PNG of an array, for pictures that no operator has drawn."""

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

MISSING_GREY = 128
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def grey(array: npt.NDArray[Any]) -> bytes:
    """The array as an 8-bit PNG: black at the 1st percentile, white at the 99th.

    Args:
        array: Real numbers, shape (rows, columns) or (n,); what is not finite becomes middle grey.
    """
    plane = np.atleast_2d(np.asarray(array, np.float64))
    finite = np.isfinite(plane)
    low, high = np.percentile(plane[finite], (1, 99)) if finite.any() else (0.0, 1.0)
    scaled = (np.where(finite, plane, low) - low) / ((high - low) or 1.0)
    pixels = np.where(finite, np.clip(scaled, 0, 1) * 255, MISSING_GREY).round().astype(np.uint8)
    rows, columns = pixels.shape
    lines = np.zeros((rows, columns + 1), np.uint8)  # each line begins with its filter: none
    lines[:, 1:] = pixels
    header = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
