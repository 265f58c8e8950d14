"""Batches to payloads and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from interact import (
    Axis,
    Batch,
    Bytes,
    Calibration,
    DenseFrames,
    Image,
    Scan,
    Tombstone,
    Values,
    _codec,
)
from interact.testing import frames, sparse
from interact_api import wire
from interact_api.wire import WireError

NAME = b"0123456789abcdef"


def there_and_back(batch: Batch) -> Batch:
    return _codec.decode(_codec.encode(batch, identity=NAME))[1]


@given(
    data=arrays.arrays(
        dtype=st.sampled_from(["u1", "<u2", ">u2", "u4", "<i2", ">i4", "f4", ">f4", "f8", "?"]),
        shape=st.tuples(st.integers(0, 4), st.integers(1, 5), st.integers(1, 7)),
        elements=st.integers(0, 1),
    ),
    start=st.integers(0, 100),
)
def test_dense_frames_come_back_as_they_were(data, start):
    batch = DenseFrames(scan=Scan("a", (20, 30)), start=start, stop=start + len(data), data=data)

    back = there_and_back(batch)

    assert isinstance(back, DenseFrames)
    assert np.array_equal(back.data, data)
    assert back.data.dtype.isnative
    assert not (back.data.size and back.data.flags.writeable)
    assert (back.scan, back.start, back.stop) == (batch.scan, batch.start, batch.stop)


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 9))
def test_tombstones_say_which_frames_are_there(there, start):
    keep = np.array(there)
    data = np.arange(len(keep), dtype=np.uint16).reshape(-1, 1, 1)
    whole = DenseFrames(scan=Scan("a", (99,)), start=start, stop=start + len(keep), data=data)

    back = there_and_back(whole.select(keep))

    assert np.array_equal(back.index, np.flatnonzero(keep) + start)
    assert np.array_equal(back.data[:, 0, 0], np.flatnonzero(keep))
    assert sum(gap.stop - gap.start for gap in back.tombstones) == (~keep).sum()


def test_sparse_frames_come_back_with_counts_and_empty_frames():
    dense = frames(dose=1)
    events = sparse(dense)

    back = there_and_back(events)

    assert (events.events == 0).any(), "the example has empty frames"
    assert back.shape == (48, 64)
    for name in ("rows", "columns", "counts", "offsets"):
        assert np.array_equal(getattr(back, name), getattr(events, name)), name
    assert back.rows.dtype == np.int16


def test_values_and_images_keep_their_units_axes_and_attributes():
    scan = Scan("s-1", (3, 4), calibration=Calibration(step=(0.5, 0.5), step_unit="Å", flip=True))
    values = Values(
        scan=scan,
        start=0,
        stop=2,
        columns={"sum": np.array([1, 2])},
        units={"sum": "e"},
        revision=7,
    )
    image = Image(
        scan=scan, start=0, stop=12, channels={"y": np.eye(3, 4)}, units={"y": "px"},
        axes=(Axis("y", "Å", 0.5), Axis("x", "Å", 0.5)), completeness=0.75, missing={"overrun": 3},
        attributes={"style": "vector"}, rendered=b"PNG",
    )  # fmt: skip

    assert there_and_back(values).units == {"sum": "e"}
    assert there_and_back(values).revision == 7
    back = there_and_back(image)
    assert (back.axes, back.completeness, back.missing) == (image.axes, 0.75, {"overrun": 3})
    assert (back.attributes, back.rendered, back.scan) == ({"style": "vector"}, b"PNG", scan)


def test_bytes_and_bare_coverage_travel_too():
    scan = Scan("a", (4,))
    gap = (Tombstone("missing", 0, 4),)

    assert there_and_back(Bytes(scan=scan, start=0, stop=0, data=b"\x00abc")).data == b"\x00abc"
    assert len(there_and_back(Batch(scan=scan, start=0, stop=4, tombstones=gap))) == 0


def test_arrays_lie_aligned_in_the_payload():
    payload = _codec.encode(sparse(frames()), identity=NAME)

    header, body = wire.parse(payload)

    assert body % wire.ALIGNMENT == 0
    assert all(array.offset % wire.ALIGNMENT == 0 for array in wire.decoded_arrays(header))


@pytest.mark.parametrize("events", [1, 50, 2000])
def test_a_header_takes_at_most_twelve_bytes_a_frame(events):
    n = 125
    batch = frames(shape=(5, 25, 48, 64)).sparse(
        np.zeros(n * events, np.int16), np.zeros(n * events, np.int16),
        np.arange(n + 1) * events, (48, 64),
    )  # fmt: skip

    payload = _codec.encode(batch, identity=NAME)

    assert (len(payload) - 4 * n * events) / n <= 12


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused_by_name(payload):
    with pytest.raises(WireError, match="message"):
        _codec.decode(payload)


@given(cut=st.integers(0, 2000), flip=st.tuples(st.integers(0, 400), st.integers(1, 255)))
def test_a_cut_or_damaged_message_is_refused_or_read_whole(cut, flip):
    payload = bytearray(
        _codec.encode(sparse(frames(shape=(2, 3, 8, 9), disk=(3, 5, 2))), identity=NAME)
    )
    payload[flip[0] % len(payload)] ^= flip[1]

    for damaged in (bytes(payload), bytes(payload[:cut])):
        try:
            _, batch = _codec.decode(damaged)
        except WireError:
            continue
        assert sum(array.nbytes for array in batch.arrays().values()) <= 2 * len(payload)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"start": 5, "stop": 3}, "coverage", id="coverage runs backwards"),
        pytest.param(
            {"tombstones": (Tombstone("x", 1, 9),)},
            "tombstones",
            id="a tombstone outside the coverage",
        ),
        pytest.param(
            {"arrays": (wire.Array("data", "<u2", (10**9, 9, 9), 0),)},
            "array data",
            id="an array larger than the body",
        ),
        pytest.param(
            {"arrays": (wire.Array("data", "O", (1,), 0),)}, "array data dtype", id="objects"
        ),
        pytest.param({"kind": "pickle"}, "kind", id="an unknown kind"),
        pytest.param({"encoding": "zstd"}, "encoding", id="an unknown encoding"),
        pytest.param({"arrays": ()}, "dense arrays", id="no data"),
    ],
)
def test_a_header_that_lies_is_refused(change, field):
    good = {
        "kind": "dense", "scan": wire.encoded_scan(Scan("a", (2, 2))), "start": 0, "stop": 4, "identity": NAME, "lane": "r",
        "arrays": (wire.Array("data", "<u2", (4, 1, 1), 0),),
    }  # fmt: skip
    payload = wire.prefix_and_header(wire.Header(**{**good, **change})) + bytes(8)

    with pytest.raises(WireError) as caught:
        _codec.decode(payload)

    assert caught.value.field == field


@pytest.mark.parametrize("name", ["", "a.b", "a*", "../x", "x" * 64, "a b"])
def test_a_scan_id_that_is_no_subject_token_is_refused(name):
    header = wire.Header("none", wire.encoded_scan(Scan(name, (2, 2))), 0, 0, NAME, "r")

    with pytest.raises(WireError, match=r"scan\.id"):
        _codec.decode(wire.prefix_and_header(header))
