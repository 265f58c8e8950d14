"""Frames of a Merlin detector (.mib), driven by the header in front of each frame.

    MQ1,000001,00384,01,0256,0128,U08,   1x1,…
    id, number, header bytes, chips, columns, rows, type (big-endian)

The detector's rows are stored from bottom to top; frames are given flipped, first row on top.
A file beside it with the suffix .hdr is read for its metadata where there is one.
"""

import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from interact_stem.errors import ReaderError
from interact_stem.readers._npy import mapped
from interact_stem.readers._stored import Array, Stored, check_detector

_DTYPES = {"U08": ">u1", "U16": ">u2", "U32": ">u4"}
_HEADER = re.compile(rb"MQ1,(\d{1,9}),(\d{1,6}),(\d{1,4}),(\d{1,6}),(\d{1,6}),([A-Z]\d\d)\s*,")
_MAX_TEXT = 1 << 16


class _Layout(NamedTuple):
    header_bytes: int
    chips: int
    columns: int
    rows: int
    type: str

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(_DTYPES[self.type])

    @property
    def record_bytes(self) -> int:
        return self.header_bytes + self.rows * self.columns * self.dtype.itemsize


def opened(path: Path) -> Stored:
    """View the frames of a .mib file; it has no scan shape, and a cut last frame does not count.

    Raises:
        ReaderError: If the file is foreign, or holds raw-mode frames.
        OSError: If it cannot be opened.
    """
    with path.open("rb") as file:
        head = file.read(_MAX_TEXT)
        size = file.seek(0, 2)
    layout = _layout(path, head)
    detector = (layout.rows, layout.columns)
    check_detector(path, detector, layout.dtype)
    frames = size // layout.record_bytes
    records = mapped(path, np.dtype(np.uint8), 0, (frames, layout.record_bytes))
    first = head[: len(b"MQ1,")]

    def read(start: int, stop: int) -> Array:
        part = records[start:stop]
        foreign = (part[:, : len(first)] != np.frombuffer(first, np.uint8)).any(axis=1)
        if foreign.any():
            number = start + int(foreign.argmax())
            remedy = "the file is damaged there, or its frames are not all of one size"
            raise ReaderError(path, f"header of frame {number}", "foreign", remedy)
        pixels = np.ascontiguousarray(part[:, layout.header_bytes :]).view(layout.dtype)
        flipped = pixels.reshape(-1, *detector)[:, ::-1]
        return np.ascontiguousarray(flipped, layout.dtype.newbyteorder("="))

    return Stored(
        kind="dense",
        frames=frames,
        shape=None,
        detector_shape=detector,
        dtype=layout.dtype.newbyteorder("="),
        bytes_per_frame=math.prod(detector) * layout.dtype.itemsize,
        read=read,
        close=lambda: None,
        metadata=_metadata(path, layout),
    )


def _layout(path: Path, head: bytes) -> _Layout:
    match = _HEADER.match(head)
    if match is None:
        raise ReaderError(path, "header", head[:32], "a Merlin frame begins with 'MQ1,'")
    _, size, chips, columns, rows = (int(group) for group in match.groups()[:5])
    kind = match[6].decode()
    if kind not in _DTYPES:
        remedy = f"types are {', '.join(_DTYPES)}; save raw-mode files (R64) in counts"
        raise ReaderError(path, "pixel type", kind, remedy)
    if size < match.end():
        raise ReaderError(path, "header bytes", size, f"the header itself has {match.end()}")
    return _Layout(size, chips, columns, rows, kind)


def _metadata(path: Path, layout: _Layout) -> dict[str, str | int | float]:
    """Lines "key: value" of the .hdr file, and the value at which a counter is full."""
    metadata: dict[str, str | int | float] = {"detector": "Merlin", "chips": layout.chips}
    side = path.with_suffix(".hdr")
    if not side.is_file():
        return metadata
    with side.open("rb") as file:
        lines = file.read(_MAX_TEXT).decode("latin-1").splitlines()
    for line in lines:
        key, colon, value = line.partition(":\t")
        if colon and len(metadata) < 64:
            metadata[key.strip()[:80]] = value.strip()[:200]
    depth = str(metadata.get("Counter Depth (number)", ""))
    if depth.isdigit() and int(depth) <= 8 * layout.dtype.itemsize:
        metadata["saturation"] = 2 ** int(depth) - 1
    return metadata
