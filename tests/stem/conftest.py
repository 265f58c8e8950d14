"""Small good files of every format."""

import h5py
import numpy as np
import pytest
from scan_files import DETECTOR, SCAN, make_frames, write_bz2, write_mib, write_mrc, write_stempy


@pytest.fixture(scope="session")
def samples(tmp_path_factory):
    """One small good file of every format, by suffix, with the options that open it."""
    folder = tmp_path_factory.mktemp("samples")
    frames = make_frames()
    shape = {"scan_shape": SCAN}
    np.save(folder / "a.npy", frames.reshape(*SCAN, *DETECTOR))
    np.savez(folder / "plain.npz", data=frames, scan=np.zeros((15, 2)))
    np.savez_compressed(folder / "packed.npz", data=frames)
    write_bz2(folder / "packed.npz.bz2", folder / "plain.npz")
    with h5py.File(folder / "chunked.h5", "w") as file:
        file.create_dataset("scan/data", data=frames, chunks=(4, *DETECTOR), compression="gzip")
    with h5py.File(folder / "plain.hdf5", "w") as file:
        file["data"] = frames.reshape(*SCAN, *DETECTOR)
    write_stempy(folder / "counted.h5")
    write_mib(folder / "merlin.mib", frames)
    write_mrc(folder / "stack.mrc", frames)
    return dict.fromkeys(sorted(folder.iterdir()), shape)
