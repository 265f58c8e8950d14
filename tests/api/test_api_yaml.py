"""YAML text: plain data only, bounded, refused with the line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact_api import yaml_text
from interact_api.yaml_text import TextError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**60), 10**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abc<=", max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a: 1\n---\nb: 2", [{"a": 1}, {"b": 2}], id="two documents"),
        pytest.param("a: yes", [{"a": "yes"}], id="yes is text in YAML 1.2"),
        pytest.param("a: 010", [{"a": 10}], id="no octal by a leading zero"),
        pytest.param("a: 0x1F", [{"a": 31}], id="hexadecimal"),
        pytest.param("a: 1e3", [{"a": 1000.0}], id="an exponent without a point"),
        pytest.param("a: 1:30", [{"a": "1:30"}], id="no base sixty"),
        pytest.param("a: 2026-01-02", [{"a": "2026-01-02"}], id="a date is text"),
        pytest.param("a: ~\nb:", [{"a": None, "b": None}], id="nothing"),
        pytest.param("a: &x [1]\nb: *x", [{"a": [1], "b": [1]}], id="an alias"),
        pytest.param("<<: {a: 1}", [{"<<": {"a": 1}}], id="no merge key"),
        pytest.param("", [], id="no text"),
    ],
)
def test_plain_data_is_read(text, expected):
    assert yaml_text.documents(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "rule"),
    [
        pytest.param("a: 1\nb: 2\na: 3", 3, "the key 'a' occurs twice", id="a key twice"),
        pytest.param("a: {b: 1, b: 1}", 1, "the key 'b' occurs twice", id="a nested key twice"),
        pytest.param("1: a", 1, "the key 1 is not text", id="a number for a key"),
        pytest.param("[a]: b", 1, "is not text", id="a list for a key"),
        pytest.param("a: .nan", 1, "not a number JSON knows", id="nan"),
        pytest.param("a: 1e999", 1, "not a number JSON knows", id="a float too large"),
        pytest.param("a: " + "9" * 99, 1, "99 digits", id="an endless number"),
        pytest.param("a: !!python/object:os.system x", 1, "is not read here", id="an object"),
        pytest.param("a: !!binary aGk=", 1, "is not read here", id="binary"),
        pytest.param("a: !!str [1]", 1, "single value", id="a list that claims to be text"),
        pytest.param(
            "a: !!map [1]", 1, "a mapping is expected", id="a list that claims to be a map"
        ),
        pytest.param("a: &x [*x]", 1, "nothing complete", id="a list that holds itself"),
        pytest.param("a: *x", 1, "nothing complete", id="an alias of nothing"),
        pytest.param("a: [1", 1, "", id="an open bracket"),
        pytest.param("a: b: c", 1, "", id="two colons"),
        pytest.param("\n\ta: 1", 2, "", id="a tab"),
        pytest.param("[" * 100 + "]" * 100, 1, "nested deeper than 64", id="too deep"),
        pytest.param("[" * 100_000, 1, "nested deeper than 64", id="far too deep"),
        pytest.param("a: \x07", 0, "", id="a control character"),
    ],
)
def test_what_is_not_plain_is_refused_with_its_line(text, line, rule):
    with pytest.raises(TextError) as caught:
        yaml_text.documents(text)

    assert rule in caught.value.rule
    if rule:
        assert caught.value.line == line


def test_aliases_that_multiply_are_refused_before_they_are_built():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]

    with pytest.raises(TextError, match="aliases written out"):
        yaml_text.documents("\n".join(lines))


def test_a_text_too_long_is_refused_unread():
    with pytest.raises(TextError, match="at most 1048576 are read"):
        yaml_text.documents("a" * (2**20 + 1))


@given(JSON)
def test_json_is_read_as_json(data):
    assert yaml_text.documents(json.dumps({"a": data}, ensure_ascii=False)) == [{"a": data}]


@given(st.text(st.sampled_from("ab:-[]{}&*!|>'\"#%@` \n\t01.~<=?,é\x00")))
def test_any_text_is_read_or_refused(text):
    try:
        documents = yaml_text.documents(text)
    except TextError:
        return

    json.dumps(documents, allow_nan=False)
