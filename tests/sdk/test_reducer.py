"""Sums and slots that do not depend on the order of arrival."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact import DenseFrames, FrameSum, Scan, ScanImage, Slots, Values, operator
from interact.testing import frames, run, split


@pytest.fixture(scope="module")
def pieces() -> list[DenseFrames]:
    data = np.random.default_rng(0).normal(size=(1000, 3, 5)).astype(np.float32) * 1e5
    scan = Scan("a", (40, 25))
    return [
        DenseFrames(scan=scan, start=i, stop=min(i + 7, 1000), data=data[i : i + 7])
        for i in range(0, 1000, 7)
    ]


def total(parts: list[DenseFrames]) -> tuple[np.ndarray, int]:
    summed, most = FrameSum(), 0
    for part in parts:
        summed.add(part, part.data.sum(axis=0, dtype=np.float64))
        most = max(most, len(summed._nodes))
    return summed.total(), most


def test_a_float_sum_is_the_same_to_the_last_bit_in_any_order(pieces):
    in_order, _ = total(pieces)

    for seed in range(10):
        shuffled, _ = total(random.Random(seed).sample(pieces, len(pieces)))
        assert np.array_equal(shuffled, in_order)

    plain = sum(part.data.astype(np.float64).sum(axis=0) for part in pieces)
    assert np.allclose(in_order, plain, rtol=1e-12)


def test_partial_sums_are_folded_as_they_fill(pieces):
    late = [pieces[i] for i in sorted(range(len(pieces)), key=lambda i: i + 5 * (i % 3))]

    _, most = total(late)

    assert most < 80, f"{most} of {len(pieces)} partial sums waited at once"


@given(st.permutations(range(12)), st.sets(st.integers(0, 11)))
def test_missing_batches_do_not_change_the_tree(order, lost):
    data = np.random.default_rng(1).normal(size=(12, 2, 3)).astype(np.float32)
    scan = Scan("a", (12,))
    parts = [DenseFrames(scan=scan, start=i, stop=i + 1, data=data[i : i + 1]) for i in range(12)]
    kept = [i for i in order if i not in lost]

    result, _ = total([parts[i] for i in kept])
    expected, _ = total([parts[i] for i in sorted(kept)])

    assert (result is None) == (not kept)
    assert result is None or np.array_equal(result, expected)


def test_integers_are_summed_exactly():
    summed = FrameSum()
    big = np.full((1, 2), 2**62, np.int64)
    batch = frames(shape=(1, 1, 2, 2), disk=(0, 1, 1))

    summed.add(batch, big)
    summed.add(batch, -big + 1)

    assert summed.total().tolist() == [[1, 1]]


@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_several_frames_a_position_are_added_in_the_order_of_the_index(dtype):
    scan = Scan("a", (2, 3), frames_per_position=3)
    column = (np.random.default_rng(2).normal(size=18) * 1e6).astype(dtype)
    parts = [
        Values(scan=scan, start=i, stop=i + 2, columns={"v": column[i : i + 2]})
        for i in range(0, 18, 2)
    ]
    results = []
    for seed in range(5):
        slots = Slots(scan)
        for part in random.Random(seed).sample(parts, len(parts)):
            slots.add(part, part.columns)
        results.append(slots["v"])

    assert all(np.array_equal(result, results[0]) for result in results)
    assert np.allclose(results[0], column.reshape(6, 3).astype(np.float64).sum(axis=1))


def test_a_scan_image_shows_positions_without_a_frame_as_nan():
    scan = Scan("a", (3, 4), order="snake", flyback=1)
    dense = frames(shape=(3, 5, 6, 9), disk=(3, 5, 2), scan=scan)
    keep = np.ones(15, bool)
    keep[[1, 6]] = False  # (0, 1), and (1, 2) counted from the right

    @operator
    class Brightness(ScanImage):
        """Sum of each frame."""

    values = dense.select(keep).values(
        sum=dense.select(keep).data.sum(axis=(1, 2)), units={"sum": "e"}
    )
    image = run(Brightness, values, size=4)

    picture = image.channels["sum"]
    assert picture.shape == (3, 4)
    assert np.argwhere(np.isnan(picture)).tolist() == [[0, 1], [1, 2]]
    assert picture[1, 3] == dense.data[5].sum(), "the second row is read from the right"
    assert image.units == {"sum": "e"}
    assert image.missing == {"filtered": 2}


def test_a_list_of_positions_keeps_its_coordinates():
    scan = Scan("a", (6,))
    y, x = np.arange(6) * 2.0, np.arange(6) * -3.0
    values = Values(scan=scan, start=0, stop=6, columns={"v": np.arange(6)}, y=y, x=x)

    @operator
    class Shown(ScanImage):
        """As it comes."""

    image = run(Shown, values, size=2)

    assert image.channels["v"].tolist() == [0, 1, 2, 3, 4, 5]
    assert (image.y.tolist(), image.x.tolist()) == (y.tolist(), x.tolist())


def test_split_messages_come_back_as_the_wire_gives_them():
    parts = split(frames(), 7)

    assert [(part.start, part.stop) for part in parts] == [(0, 7), (7, 14), (14, 21), (21, 24)]
    assert not parts[0].data.flags.writeable
