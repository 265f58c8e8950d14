"""States of reducers as bytes, and back."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact import FrameSum, Scan, Slots, Values
from interact._state import StateError, pack, restore, unpack
from interact.testing import frames

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(plain)
def test_plain_data_comes_back(data):
    assert unpack(pack(data)) == data


@dataclasses.dataclass
class Moments:
    total: np.ndarray
    slots: Slots
    summed: FrameSum
    seen: int = 0


def moments() -> Moments:
    return Moments(np.zeros((3, 4)), Slots(Scan("a", (4, 6))), FrameSum())


def test_a_dataclass_with_slots_and_sums_goes_on_where_it_was():
    scan = frames()
    first, second = scan.select(scan.index < 9), scan.select(scan.index >= 9)
    there, here = moments(), moments()

    for target in (there, here):
        target.total[1, 2] = 7
        target.seen = 3
        target.slots.add(first, {"sum": first.data.sum(axis=(1, 2))})
        target.summed.add(first, first.data.mean(axis=0))
    back = restore(moments(), unpack(pack(there)))
    for target in (back, here):
        target.slots.add(second, {"sum": second.data.sum(axis=(1, 2))})
        target.summed.add(second.replace(start=9, tombstones=()), second.data.mean(axis=0))

    assert isinstance(back, Moments)
    assert (back.seen, back.total[1, 2]) == (3, 7)
    assert np.array_equal(back.slots["sum"], here.slots["sum"])
    assert np.array_equal(back.summed.total(), here.summed.total())


@pytest.mark.parametrize(
    ("state", "words"),
    [
        pytest.param({"f": print}, r"state\.f is a builtin_function_or_method", id="a function"),
        pytest.param(
            {"a": [1, {2: 3}]}, r"state\.a\[1\] is a dict whose keys", id="numbers as keys"
        ),
        pytest.param(np.array([None]), "array of objects", id="an array of objects"),
        pytest.param({"s": {1, 2}}, r"state\.s is a set", id="a set"),
    ],
)
def test_what_cannot_be_kept_is_named(state, words):
    with pytest.raises(StateError, match=words):
        pack(state)


@given(st.binary(max_size=100))
def test_bytes_that_are_no_state_are_refused(data):
    with pytest.raises(StateError, match="cannot be read"):
        unpack(data)


def test_a_pickle_is_not_loaded():
    import io

    target = io.BytesIO()
    np.savez(target, tree=np.array([Values], object))

    with pytest.raises(StateError, match="cannot be read"):
        unpack(target.getvalue())
