"""What triggers return, as JSON or as an error that names it."""

import dataclasses
import datetime
import enum
import json
from pathlib import PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact._plain import MAX_BYTES, MAX_DEPTH, ResultError, plain


@dataclasses.dataclass
class Found:
    """A result as an author may write it."""

    center: tuple[float, float]
    name: str = "disk"


class Word(enum.StrEnum):
    """A choice."""

    YES = "yes"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, None),
        (True, True),
        (np.True_, True),
        (np.uint64(7), 7),
        (float("nan"), "NaN"),
        (np.float32("-inf"), "-Infinity"),
        (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
        (np.array([0.5, np.nan]), [0.5, "NaN"]),
        (np.array(3.0), 3.0),
        (b"\x00", {"base64": "AA=="}),
        (Found((1.0, np.float64(2.0))), {"center": [1.0, 2.0], "name": "disk"}),
        ({1: "a", np.int8(2): "b"}, {"1": "a", "2": "b"}),
        ({3}, [3]),
        (Word.YES, "yes"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (PurePosixPath("/data/scan.h5"), "/data/scan.h5"),
    ],
)
def test_a_value_is_told(value, told):
    assert plain(value) == told
    assert type(plain(value)) is type(told)


def looped():
    found = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": [object()]}, r"result.a\[0\] is a object"),
        (Found, "result is a type"),
        (np.array([object()]), "dtype object"),
        (np.array([1 + 2j]), "dtype complex128"),
        (1j, "result is a complex"),
        ({(1, 2): 3}, "a key of result is a tuple"),
        (np.zeros(1 << 15), "32768 elements"),
        (["x" * MAX_BYTES], "bytes as JSON"),
        (bytes(MAX_BYTES + 1), "65537 bytes"),
        (looped(), f"more than {MAX_DEPTH} deep, or holds itself"),
    ],
)
def test_what_cannot_be_told_is_named(value, words):
    with pytest.raises(ResultError, match=words):
        plain(value)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text()
        | st.binary(max_size=64),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)
def test_what_is_told_is_json_without_its_extensions(value):
    json.dumps(plain(value), allow_nan=False)
