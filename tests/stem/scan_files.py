"""Files of every format the readers know, made by the libraries that own the format."""

import bz2

import mrcfile
import numpy as np
from stempy.io.sparse_array import SparseArray

SCAN = (3, 5)
DETECTOR = (7, 12)


def make_frames(dtype="u2", n=15, detector=DETECTOR, seed=1):
    """Random frames, non-square and different everywhere."""
    return np.random.default_rng(seed).integers(0, 250, (n, *detector)).astype(dtype)


def write_mib(path, frames, *, header_bytes=384, kind=None):
    """Frames as a Merlin detector stores them: rows from bottom to top, big-endian."""
    names = {1: "U08", 2: "U16", 4: "U32"}
    kind = kind or names[frames.dtype.itemsize]
    with path.open("wb") as file:
        for number, frame in enumerate(frames, start=1):
            rows, columns = frame.shape
            text = f"MQ1,{number:06},{header_bytes:05},01,{columns:04},{rows:04},{kind},   1x1,01,"
            file.write(text.encode().ljust(header_bytes, b"0"))
            file.write(frame[::-1].astype(frame.dtype.newbyteorder(">")).tobytes())
    return path


def write_mrc(path, frames):
    """A stack as mrcfile writes it."""
    with mrcfile.new(path) as file:
        file.set_data(frames)
        file.set_image_stack()
    return path


def write_stempy(path, *, scan=SCAN, detector=DETECTOR, repeats=1, seed=1):
    """Counted electrons as stempy writes them; gives the rows of pixel numbers too."""
    random = np.random.default_rng(seed)
    data = np.empty((scan[0] * scan[1], repeats), object)
    pixels = detector[0] * detector[1]
    for place in np.ndindex(*data.shape):
        count = random.integers(0, 20)
        data[place] = np.sort(random.choice(pixels, count, replace=False)).astype(np.uint32)
    SparseArray(data=data, scan_shape=scan, frame_shape=detector).write_to_hdf5(path)
    return list(data.ravel())


def write_bz2(path, source):
    """A file once more in bzip2."""
    path.write_bytes(bz2.compress(source.read_bytes()))
    return path
