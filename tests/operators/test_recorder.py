"""The recorder and the replay, as their containers load them."""

import asyncio
from contextlib import contextmanager

import numpy as np
import pytest
from interact import InputError, Resume, Scan, _codec
from interact.recording import recorded
from interact.testing import sparse, split


@pytest.fixture
def record(shipped, tmp_path):
    """Record messages as the process of an operator does."""

    def write(parts, name="a.scans", **parameters):
        operator = shipped("recorder")
        [generator] = operator.dependencies
        with contextmanager(generator)() as files:
            for part in parts:
                operator(part, files, path=tmp_path / name, **parameters)
        return tmp_path / name

    return write


def replayed(parts, number=0):
    """What the replay is to give for recorded messages."""
    first = parts[0].scan
    scan = Scan(f"replay-{number}", first.shape, title=first.title)
    return [_codec.encode(part.replace(scan=scan, time=0.0), identity=bytes(16)) for part in parts]


def encoded(parts):
    return [_codec.encode(part, identity=bytes(16)) for part in parts]


def test_a_replay_gives_the_messages_that_were_recorded(record, drain, shipped, uneven):
    parts = split(sparse(uneven).replace(time=5.0), 7)
    path = record([*parts, *parts[:2]])

    assert encoded(drain(shipped("replay"), path=path)) == replayed(parts)


def test_a_replay_goes_on_where_it_is_told_to(record, drain, shipped, uneven):
    parts = split(uneven, 7)
    path = record(parts)

    found = drain(shipped("replay"), Resume(1, 14), path=path, repeats=3)

    assert encoded(found) == [*replayed(parts, 1)[2:], *replayed(parts, 2)]


def test_scans_are_chosen_by_number_or_name(record, drain, shipped, uneven):
    scans = {name: split(uneven.replace(scan=Scan(name, (4, 6))), 12) for name in ("x", "y", "z")}
    path = record([part for parts in scans.values() for part in parts])

    found = drain(shipped("replay"), path=path, scan="2, x")

    assert encoded(found) == [*replayed(scans["z"], 0), *replayed(scans["x"], 1)]
    with pytest.raises(InputError, match=r"no scan '7'; the file has 0 \(x\), 1 \(y\), 2 \(z\)"):
        drain(shipped("replay"), path=path, scan="7")


async def test_a_replay_takes_the_time_the_scan_took(record, shipped, uneven):
    parts = [part.replace(time=100.0 + part.start / 60) for part in split(uneven, 6)]
    path = record(parts)
    loop = asyncio.get_running_loop()

    began = loop.time()
    at = [loop.time() - began async for _ in shipped("replay")(
        resume=Resume(), path=path, pace="recorded"
    )]  # fmt: skip

    assert len(at) == 4
    assert all(later >= start / 60 for later, start in zip(at, (0, 6, 12, 18), strict=True))


def test_pictures_that_grow_are_not_recorded_before_their_end(record, uneven):
    interim = uneven.select(np.zeros(24, bool)).replace(start=0, stop=0, tombstones=())
    path = record([interim, uneven])

    assert [one.covered for one in recorded(path)] == [24]


@pytest.mark.parametrize("name", ["scan.h5", "scan.NPZ", "scan.mrc"])
def test_a_name_of_another_format_is_refused(record, uneven, name):
    with pytest.raises(InputError, match="another format"):
        record([uneven], name)


def test_a_recording_that_is_full_says_what_to_do(record, uneven):
    with pytest.raises(InputError, match="would exceed 1000 bytes"):
        record([uneven], max_gigabytes=1e-6)
