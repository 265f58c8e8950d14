"""Where frames lie in a scan."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact import Scan, Tombstone, positions
from interact._scan import gaps, present


@pytest.mark.parametrize(
    ("scan", "expected"),
    [
        pytest.param(Scan("a", (2, 3)), [0, 1, 2, 3, 4, 5], id="raster"),
        pytest.param(
            Scan("a", (2, 3), order="snake"), [0, 1, 2, 5, 4, 3], id="every other row backwards"
        ),
        pytest.param(
            Scan("a", (2, 3), flyback=1), [0, 1, 2, -1, 3, 4, 5, -1], id="one flyback column"
        ),
        pytest.param(
            Scan("a", (2, 3), offset=2), [-1, -1, 0, 1, 2, 3, 4, 5], id="two frames before sync"
        ),
        pytest.param(
            Scan("a", (2, 2), frames_per_position=2),
            [0, 0, 1, 1, 2, 2, 3, 3],
            id="two frames a position",
        ),
        pytest.param(Scan("a", (4,)), [0, 1, 2, 3], id="a list of positions"),
    ],
)
def test_frames_fall_on_their_positions(scan, expected):
    assert scan.total == len(expected)
    assert positions(scan, np.arange(scan.total)).tolist() == expected
    assert positions(scan, np.array([scan.total]))[0] == -1


@given(st.data())
def test_gaps_and_present_are_inverse(data):
    start = data.draw(st.integers(0, 50))
    stop = start + data.draw(st.integers(1, 60))
    first = np.array(sorted(data.draw(st.sets(st.integers(start, stop - 1)))), np.int64)
    known = gaps(start, stop, (), first, "missing")
    left = first[
        np.array(data.draw(st.lists(st.booleans(), min_size=len(first), max_size=len(first))), bool)
    ]

    found = gaps(start, stop, known, left, "filtered")

    assert np.array_equal(present(start, stop, found), left)
    missing = sum(gap.stop - gap.start for gap in found if gap.reason == "missing")
    assert missing == stop - start - len(first), "frames keep the reason they were lost for first"


def test_nothing_left_is_one_tombstone():
    assert gaps(3, 9, (), np.empty(0, np.int64), "failed") == (Tombstone("failed", 3, 9),)
