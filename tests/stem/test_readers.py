"""Every format gives the frames that went in, a part at a time."""

import h5py
import numpy as np
import pytest
import stempy.io
from interact_stem.errors import StemError
from interact_stem.readers import ReaderError, SparseEvents, _npz, open_scan
from scan_files import DETECTOR, SCAN, make_frames, write_bz2, write_mib, write_mrc, write_stempy


def read_in_parts(path, size, **options):
    with open_scan(path, **options) as scan:
        starts = range(0, scan.present, size)
        parts = [scan.read(start, min(start + size, scan.present)) for start in starts]
    return np.concatenate(parts)


def facts(scan):
    return (scan.kind, scan.scan_shape, scan.frames, scan.present, scan.excess, scan.truncated)


@pytest.mark.parametrize("dtype", ["u1", "u2", ">u2", "u4", "i2", "i4", "f4", ">f8", "?"])
def test_npy_frames_come_back_in_native_order(tmp_path, dtype):
    frames = make_frames(dtype)
    np.save(tmp_path / "scan.npy", frames.reshape(*SCAN, *DETECTOR))

    result = read_in_parts(tmp_path / "scan.npy", 4)

    np.testing.assert_array_equal(result, frames)
    assert result.dtype == frames.dtype.newbyteorder("=")
    with open_scan(tmp_path / "scan.npy") as scan:
        assert facts(scan) == ("dense", SCAN, 15, 15, 0, False)
        assert (scan.detector_shape, scan.dtype) == (DETECTOR, result.dtype)
        assert scan.bytes_per_frame == frames[0].nbytes


def test_every_sample_gives_its_frames_whatever_the_size_of_the_parts(samples):
    frames = make_frames()
    for path, options in samples.items():
        if path.name == "counted.h5":
            continue
        for size in (1, 4, 15):
            found = read_in_parts(path, size, **options)
            np.testing.assert_array_equal(found, frames, err_msg=path.name)
            assert found.dtype == np.uint16


def test_a_step_back_gives_the_same_frames(samples):
    for path, options in samples.items():
        with open_scan(path, **options) as scan:
            first, _, again = scan.read(2, 5), scan.read(9, 12), scan.read(2, 5)
        np.testing.assert_equal(first, again, err_msg=path.name)


def test_no_frames_are_an_empty_part(samples):
    for path, options in samples.items():
        with open_scan(path, **options) as scan:
            part = scan.read(7, 7)
        if isinstance(part, SparseEvents):
            assert part.offsets.tolist() == [0], path.name
        else:
            assert part.shape == (0, *DETECTOR), path.name


def test_a_range_outside_the_file_or_after_it_closed_is_refused(samples):
    for path, options in samples.items():
        with open_scan(path, **options) as scan:
            for start, stop in ((-1, 2), (3, 2), (0, 16)):
                with pytest.raises(ReaderError, match="range"):
                    scan.read(start, stop)
        scan.close()
        with pytest.raises(ReaderError, match="closed"):
            scan.read(0, 1)


@pytest.mark.parametrize("repeats", [1, 3])
def test_counted_electrons_are_stempys(tmp_path, repeats):
    rows = write_stempy(tmp_path / "counted.h5", repeats=repeats)

    with open_scan(tmp_path / "counted.h5") as scan:
        parts = [scan.read(at, min(at + 7, scan.present)) for at in range(0, scan.present, 7)]
        found = (*facts(scan), scan.detector_shape, scan.frames_per_position)

    assert found == ("sparse", SCAN, 15 * repeats, 15 * repeats, 0, False, DETECTOR, repeats)
    flat = np.concatenate([p.rows.astype(int) * DETECTOR[1] + p.columns for p in parts])
    np.testing.assert_array_equal(flat, np.concatenate(rows))
    lengths = np.concatenate([np.diff(p.offsets) for p in parts])
    np.testing.assert_array_equal(lengths, [len(row) for row in rows])
    assert parts[0].rows.dtype == np.int16
    loaded = stempy.io.load_electron_counts(tmp_path / "counted.h5")
    assert (tuple(loaded.scan_shape), tuple(loaded.frame_shape)) == (SCAN, DETECTOR)


def test_a_list_with_positions_keeps_them(tmp_path):
    points = np.random.default_rng(3).random((15, 2)).astype("f4")
    np.savez(tmp_path / "list.npz", data=make_frames(), scan=points)
    with h5py.File(tmp_path / "list.h5", "w") as file:
        file["data"], file["scan"] = make_frames(), points

    for name in ("list.npz", "list.h5"):
        with open_scan(tmp_path / name, scan_shape=(15,), coordinates="scan") as scan:
            y, x = scan.coordinates
            assert scan.scan_shape == (15,)
        np.testing.assert_array_equal(np.stack([y, x], axis=1), points)


def test_fft_order_is_centred_for_images_and_events(tmp_path, samples):
    frames = make_frames()
    np.save(tmp_path / "fft.npy", np.fft.ifftshift(frames, axes=(1, 2)))
    counted = next(path for path in samples if path.name == "counted.h5")

    centred = read_in_parts(tmp_path / "fft.npy", 4, scan_shape=SCAN, detector_order="fft")
    with open_scan(counted) as scan:
        raw = scan.read(0, 15)
    with open_scan(counted, detector_order="fft") as scan:
        moved = scan.read(0, 15)

    np.testing.assert_array_equal(centred, frames)
    image, shifted = np.zeros(DETECTOR), np.zeros(DETECTOR)
    np.add.at(image, (raw.rows, raw.columns), 1)
    np.add.at(shifted, (moved.rows, moved.columns), 1)
    np.testing.assert_array_equal(shifted, np.fft.fftshift(image))
    assert moved.rows.dtype == raw.rows.dtype


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4"])
@pytest.mark.parametrize("header_bytes", [384, 768])
def test_merlin_rows_are_flipped_whatever_the_counter_depth(tmp_path, dtype, header_bytes):
    frames = make_frames(dtype)
    path = write_mib(tmp_path / "scan.mib", frames, header_bytes=header_bytes)
    (tmp_path / "scan.hdr").write_text("HDR,\t\nCounter Depth (number):\t6\nGain:\tSLGM\nEnd\t\n")

    with open_scan(path, scan_shape=SCAN) as scan:
        np.testing.assert_array_equal(scan.read(3, 9), frames[3:9])
        metadata = scan.metadata

    assert (metadata["Gain"], metadata["saturation"]) == ("SLGM", 63)


@pytest.mark.parametrize("dtype", ["i1", "i2", "u2", "f4"])
def test_mrc_sections_are_frames_in_their_order(tmp_path, dtype):
    frames = (make_frames() // 2).astype(dtype)
    path = write_mrc(tmp_path / "stack.mrc", frames)

    np.testing.assert_array_equal(read_in_parts(path, 4, scan_shape=SCAN), frames)


def test_a_scan_that_was_stopped_early_gives_its_whole_frames(tmp_path, samples):
    for path, options in samples.items():
        if path.suffix not in {".npy", ".mib", ".mrc"}:
            continue
        short = tmp_path / path.name
        short.write_bytes(path.read_bytes()[:-100])
        with open_scan(short, **options) as scan:
            assert facts(scan) == ("dense", SCAN, 15, 14, 0, True), path.name
            np.testing.assert_array_equal(scan.read(0, 14), make_frames()[:14])


def test_more_frames_than_the_scan_declares_are_counted_and_not_read(samples):
    for path in samples:
        with open_scan(path, scan_shape=(2, 6)) as scan:
            assert (scan.frames, scan.present, scan.excess, scan.truncated) == (12, 12, 3, False)
        with open_scan(path, scan_shape=(4, 4)) as scan:
            assert (scan.frames, scan.present, scan.excess, scan.truncated) == (16, 15, 0, True)


def test_flyback_offset_and_frames_of_a_position_are_declared(samples):
    path = next(path for path in samples if path.name == "a.npy")

    with open_scan(path, flyback=1) as scan:
        assert facts(scan) == ("dense", (3, 4), 15, 15, 0, False)
    with open_scan(path, scan_shape=(2, 3), frames_per_position=2, offset=3) as scan:
        assert facts(scan) == ("dense", (2, 3), 15, 15, 0, False)
        assert scan.frames_per_position == 2


def test_the_only_array_of_frames_needs_no_name(tmp_path):
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["measured/frames"] = make_frames()
        file["measured/energy"] = 300.0
        file["points"] = np.zeros((3, 5, 2))

    result = read_in_parts(tmp_path / "scan.h5", 6, scan_shape=SCAN)

    np.testing.assert_array_equal(result, make_frames())


def fortran(folder):
    np.save(folder / "f.npy", np.asfortranarray(make_frames()))
    return folder / "f.npy", {"scan_shape": SCAN}


def two_arrays(folder):
    np.savez(folder / "two.npz", before=make_frames(), after=make_frames())
    return folder / "two.npz", {"scan_shape": SCAN}


def no_scan_shape(folder):
    return write_mib(folder / "scan.mib", make_frames()), {}


def raw_mode(folder):
    return write_mib(folder / "raw.mib", make_frames(), kind="R64"), {"scan_shape": SCAN}


def flat_array(folder):
    np.save(folder / "flat.npy", np.zeros((4, 5)))
    return folder / "flat.npy", {"scan_shape": SCAN}


def complex_pixels(folder):
    np.save(folder / "complex.npy", make_frames("c8"))
    return folder / "complex.npy", {"scan_shape": SCAN}


def objects(folder):
    np.save(folder / "objects.npy", np.full((2, 3, 4), None), allow_pickle=True)
    return folder / "objects.npy", {"scan_shape": SCAN}


def old_stempy(folder):
    write_stempy(folder / "old.h5")
    with h5py.File(folder / "old.h5", "a") as file:
        file.attrs["version"] = 2
    return folder / "old.h5", {}


def pixel_past_the_detector(folder):
    write_stempy(folder / "past.h5")
    with h5py.File(folder / "past.h5", "a") as file:
        file["electron_events/frames"][4] = np.array([1, 84], np.uint32)
    return folder / "past.h5", {}


def frame_longer_than_the_detector(folder):
    write_stempy(folder / "long.h5")
    with h5py.File(folder / "long.h5", "a") as file:
        file["electron_events/frames"][4] = np.zeros(85, np.uint32)
    return folder / "long.h5", {}


def no_detector_shape(folder):
    write_stempy(folder / "shapeless.h5")
    with h5py.File(folder / "shapeless.h5", "a") as file:
        del file["electron_events/frames"].attrs["Ny"]
    return folder / "shapeless.h5", {}


def few_coordinates(folder):
    np.savez(folder / "few.npz", data=make_frames(), scan=np.zeros((14, 2)))
    return folder / "few.npz", {"scan_shape": (15,), "coordinates": "scan"}


def coordinates_that_are_none(folder):
    np.savez(folder / "nan.npz", data=make_frames(), scan=np.full((15, 2), np.nan))
    return folder / "nan.npz", {"scan_shape": (15,), "coordinates": "scan"}


def frames_of_two_sizes(folder):
    path = write_mib(folder / "two.mib", make_frames())
    record = 384 + make_frames()[0].nbytes
    content = path.read_bytes()
    path.write_bytes(content[:record] + content[record + 4 :] + bytes(4))
    return path, {"scan_shape": SCAN}


def huge_frame(folder):
    with h5py.File(folder / "huge.h5", "w") as file:
        file.create_dataset("data", (2, 60000, 60000), "f8", chunks=(1, 100, 100))
    return folder / "huge.h5", {"scan_shape": (2,)}


def huge_chunk(folder):
    with h5py.File(folder / "chunk.h5", "w") as file:
        file.create_dataset("data", (4000, 600, 600), "u2", chunks=(4000, 600, 600))
    return folder / "chunk.h5", {"scan_shape": (4000,)}


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (fortran, "array order"),
        (two_arrays, "dataset"),
        (no_scan_shape, "scan_shape"),
        (raw_mode, "pixel type"),
        (flat_array, "array shape"),
        (complex_pixels, "dtype"),
        (objects, "array dtype"),
        (old_stempy, "version"),
        (pixel_past_the_detector, "electron_events/frames"),
        (frame_longer_than_the_detector, "events of a frame from 0 on"),
        (no_detector_shape, "/electron_events/frames Ny"),
        (few_coordinates, "coordinates"),
        (coordinates_that_are_none, "scan"),
        (frames_of_two_sizes, "header of frame 1"),
        (huge_frame, "frame bytes"),
        (huge_chunk, "chunk bytes"),
    ],
    ids=lambda value: value.__name__.replace("_", " ") if callable(value) else None,
)
def test_a_file_that_cannot_be_read_is_refused_by_field_and_remedy(tmp_path, make, field):
    path, options = make(tmp_path)

    with pytest.raises(ReaderError) as caught, open_scan(path, **options) as scan:
        scan.read(0, scan.present)

    assert (caught.value.path, caught.value.field) == (str(path), field)
    assert caught.value.remedy
    assert isinstance(caught.value, StemError)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"dataset": "none"}, "dataset"),
        ({"coordinates": "none"}, "dataset"),
        ({"scan_shape": (0, 5)}, "scan_shape"),
        ({"scan_shape": (1, 2, 3)}, "scan_shape"),
        ({"scan_shape": (2**30, 2**30)}, "scan_shape"),
        ({"detector_order": "corner"}, "detector_order"),
        ({"flyback": -1}, "flyback"),
        ({"offset": -1}, "offset"),
        ({"frames_per_position": 0}, "frames_per_position"),
        ({"scan_shape": None, "flyback": 5}, "flyback"),
    ],
    ids=str,
)
def test_a_parameter_out_of_its_range_is_named(samples, options, field):
    path = next(path for path in samples if path.name == "plain.hdf5")

    with pytest.raises(ReaderError) as caught:
        open_scan(path, **options)

    assert caught.value.field == field


@pytest.mark.parametrize("suffix", ["npy", "npz", "npz.bz2", "h5", "mib", "mrc", "tif"])
def test_a_file_that_is_not_there_or_of_no_known_format_is_refused(tmp_path, suffix):
    with pytest.raises(ReaderError) as caught:
        open_scan(tmp_path / f"none.{suffix}", scan_shape=SCAN)

    assert caught.value.field == ("suffix" if suffix == "tif" else "file")


def test_a_dataset_of_a_format_without_names_is_refused(samples):
    path = next(path for path in samples if path.suffix == ".mib")

    with pytest.raises(ReaderError, match="leave it out"):
        open_scan(path, scan_shape=SCAN, dataset="data")


def test_bzip2_that_unpacks_without_end_is_refused(tmp_path, samples):
    source = next(path for path in samples if path.name == "plain.npz")
    path = write_bz2(tmp_path / "bomb.npz.bz2", source)

    with path.open("rb") as file, pytest.raises(ReaderError, match="bunzip2"):
        _npz.unpacked(path, file, most=100)
