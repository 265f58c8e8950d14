"""Damaged files end in `ReaderError`, never in another error, a crash, or memory without bound."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact_stem.readers import ReaderError, SparseEvents, open_scan
from scan_files import DETECTOR, SCAN, make_frames, write_stempy

READER = Path(__file__).with_name("read_within.py")
ROOM_MB = 256


def read_all(path):
    """Read a file as an operator would; frames it gives must be whole."""
    with open_scan(path, scan_shape=SCAN) as scan:
        assert 0 <= scan.present <= scan.frames == 15
        for start in range(0, scan.present, 4):
            stop = min(start + 4, scan.present)
            part = scan.read(start, stop)
            if isinstance(part, SparseEvents):
                assert len(part.offsets) == stop - start + 1
                assert part.offsets[-1] == len(part.rows) == len(part.columns)
            else:
                assert part.shape == (stop - start, *scan.detector_shape)


def refusal(path):
    """The `ReaderError` a file ends in, or None; every other error passes through."""
    try:
        read_all(path)
    except ReaderError as error:
        return error
    return None


def damaged(content, cut, changes):
    """A file's bytes, cut off, with some of them changed."""
    kept = bytearray(content[: int(len(content) * cut)])
    for where, value in changes:
        if kept:
            kept[int(where * (len(kept) - 1))] = value
    return bytes(kept)


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(
    name=st.sampled_from(["a.npy", "plain.npz", "packed.npz", "merlin.mib", "stack.mrc"]),
    cut=st.one_of(st.just(1.0), st.floats(0, 1)),
    changes=st.lists(
        st.tuples(st.one_of(st.floats(0, 0.15), st.floats(0, 1)), st.integers(0, 255)), max_size=6
    ),
)
def test_any_damage_is_either_harmless_or_a_reader_error(
    samples, tmp_path_factory, name, cut, changes
):
    good = next(path for path in samples if path.name == name)
    path = tmp_path_factory.getbasetemp() / f"damaged-{name}"
    path.write_bytes(damaged(good.read_bytes(), cut, changes))

    error = refusal(path)

    assert error is None or (error.path, bool(error.remedy)) == (str(path), True)


@given(
    shape=st.lists(st.integers(-(2**70), 2**70) | st.integers(-2, 70000), max_size=5),
    dtype=st.sampled_from(["<u2", ">f8", "|O", "<c16", "|V3", "<U9", "no", "<M8[s]", "|b1"]),
    order=st.sampled_from(["True", "False", "0", "None"]),
    version=st.tuples(st.integers(0, 4), st.integers(0, 1)),
)
def test_any_header_of_an_array_is_read_or_refused(tmp_path_factory, shape, dtype, order, version):
    path = tmp_path_factory.getbasetemp() / "header.npy"
    text = f"{{'descr': {dtype!r}, 'fortran_order': {order}, 'shape': {tuple(shape)!r}, }}\n"
    size = len(text).to_bytes(2 if version[0] == 1 else 4, "little")
    path.write_bytes(b"\x93NUMPY" + bytes(version) + size + text.encode() + bytes(4096))

    error = refusal(path)

    assert error is None or len(str(error)) < 1000


def test_a_header_that_breaks_off_in_the_middle_is_refused(tmp_path):
    header = b"{'descr': '<u2', 'fortran_order': False, 'shape': (3, \0".ljust(118)
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00\x76\x00" + header)

    assert refusal(tmp_path / "a.npy").field == "array header"


@given(
    fields=st.lists(st.integers(0, 999999), min_size=5, max_size=5),
    kind=st.sampled_from(["U08", "U16", "U32", "U64", "R64", "", "€"]),
    length=st.integers(0, 3000),
)
def test_any_header_of_a_merlin_frame_is_read_or_refused(tmp_path_factory, fields, kind, length):
    path = tmp_path_factory.getbasetemp() / "header.mib"
    text = f"MQ1,{fields[0]:06},{fields[1]},{fields[2]},{fields[3]},{fields[4]},{kind}, 1x1"
    path.write_bytes(text.encode() + bytes(length))

    error = refusal(path)

    assert error is None or error.field


def run_within(folder, room_mb=ROOM_MB):
    """Read every file of a folder in a process with little address space; what it says of each."""
    done = subprocess.run(
        [sys.executable, str(READER), str(room_mb), str(folder)],
        capture_output=True, text=True, check=False, timeout=100,
        env=os.environ | {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return dict(line.split("\t", 1) for line in done.stdout.splitlines())


@pytest.mark.slow
def test_damaged_hdf5_files_neither_crash_nor_eat_memory(samples, tmp_path):
    chance = random.Random(4)
    for good in samples:
        if good.suffix not in {".h5", ".hdf5"}:
            continue
        content = good.read_bytes()
        for number in range(60):
            cut = 1.0 if number % 3 else chance.random()
            changes = [
                (chance.random() ** 2, chance.choice([0, 1, 255, chance.randrange(256)]))
                for _ in range(chance.randrange(1, 12))
            ]
            (tmp_path / f"{number:03}-{good.name}").write_bytes(damaged(content, cut, changes))

    said = run_within(tmp_path)

    assert len(said) == 180
    assert set(said.values()) <= {"read", "refused"}
    assert "refused" in said.values()


@pytest.mark.slow
def test_large_files_are_read_within_little_memory(tmp_path):
    frames = np.zeros((500, 256, 256), np.uint32)  # 125 MiB
    frames[:, 3, 5] = np.arange(500)
    np.savez_compressed(tmp_path / "large.npz", data=frames)
    with h5py.File(tmp_path / "large.h5", "w") as file:
        file.create_dataset("data", data=frames, chunks=(10, 256, 256), compression="lzf")
    del frames

    said = run_within(tmp_path, room_mb=100)

    assert said == {"large.npz": "read", "large.h5": "read"}


def test_declared_sizes_without_data_ask_for_no_memory(tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (9, 9000, 9000), }\n"
    (tmp_path / "short.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    )
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        file.create_dataset("data", (10**12, *DETECTOR), "u2", chunks=(1, *DETECTOR))
    np.savez_compressed(tmp_path / "one.npz", data=make_frames(n=1))
    write_stempy(tmp_path / "many.h5")
    with h5py.File(tmp_path / "many.h5", "a") as file:
        file["electron_events/scan_positions"].attrs["Nx"] = 2**39

    said = run_within(tmp_path)

    assert said == {"short.npy": "read", "empty.h5": "read", "one.npz": "read", "many.h5": "read"}


def test_a_link_to_another_machine_s_file_says_so(tmp_path, samples):
    good = next(path for path in samples if path.name == "plain.hdf5")
    shutil.copy(good, tmp_path / "linked.h5")
    with h5py.File(tmp_path / "linked.h5", "a") as file:
        file["elsewhere"] = h5py.ExternalLink("gone.h5", "/data")

    with pytest.raises(ReaderError) as caught:
        open_scan(tmp_path / "linked.h5", dataset="elsewhere", scan_shape=SCAN)

    assert caught.value.field == "dataset"
