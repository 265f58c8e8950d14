"""Reads every file of a folder with a bound on memory: ``read_within.py MEGABYTES FOLDER``.

Prints a line for each: its name, a tab, and ``read``, ``refused``, or the error that it must not be.
"""

import resource
import sys
import tempfile
from pathlib import Path

import numpy as np
from interact_stem.readers import ReaderError, open_scan
from scan_files import SCAN, write_stempy


def read(path: Path) -> str:
    """What came of reading one file, at most 500 frames of it."""
    shape = (500,) if path.stem == "large" else SCAN
    try:
        with open_scan(path, scan_shape=shape) as scan:
            for start in range(0, min(scan.present, 500), 4):
                scan.read(start, min(start + 4, scan.present))
    except ReaderError:
        return "refused"
    except Exception as error:  # the test tells what it was
        return f"{type(error).__name__}: {error}"
    return "read"


def main() -> None:
    """Warm up, bound the address space, read."""
    with tempfile.TemporaryDirectory() as folder:
        write_stempy(Path(folder) / "warm.h5")
        np.savez_compressed(Path(folder) / "warm.npz", data=np.zeros((1, 3, 3)))
        for path in Path(folder).iterdir():
            read(path)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = used + (int(sys.argv[1]) << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for path in sorted(Path(sys.argv[2]).iterdir()):
        print(path.name, read(path), sep="\t", flush=True)


if __name__ == "__main__":
    main()
