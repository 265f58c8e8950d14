"""Scan files as batches of frames, read a bounded part at a time.

with open_scan("scan.h5", scan_shape=(64, 64)) as scan:
    for start in range(0, scan.present, 100):
        frames = scan.read(start, min(start + 100, scan.present))
"""

from interact_stem.errors import ReaderError
from interact_stem.events import SparseEvents
from interact_stem.readers._scan_file import ScanFile, open_scan

__all__ = ["ReaderError", "ScanFile", "SparseEvents", "open_scan"]
