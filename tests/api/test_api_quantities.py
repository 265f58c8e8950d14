"""Durations and sizes as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact_api import quantities
from pydantic import TypeAdapter, ValidationError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("250ms", 0.25), ("30s", 30.0), ("1.5m", 90.0), ("1h30m", 5400.0), ("0s", 0.0)],
)
def test_a_duration_is_read_in_seconds(text, expected):
    assert quantities.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "30", "s", "1 s", "-1s", "1s\n", "1d", "1e3s"])
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="write 500ms, 30s, 5m or 1h30m"):
        quantities.seconds(text)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1000, 1000),
        ("1000", 1000),
        ("1k", 1000),
        ("256Mi", 268435456),
        ("1.5Ki", 1536),
        ("2G", 2 * 10**9),
    ],
)
def test_a_size_is_read_in_bytes(size, expected):
    assert quantities.byte_count(size) == expected


@pytest.mark.parametrize("size", ["", "Mi", "1 Mi", "-1", "1MiB", "1Ki\n"])
def test_what_is_no_size_is_refused_with_an_example(size):
    with pytest.raises(ValueError, match="write 256Mi"):
        quantities.byte_count(size)


@pytest.mark.parametrize("size", [0, -1, True, 1.5, "x", [], None])
def test_a_field_takes_sizes_only(size):
    with pytest.raises(ValidationError):
        TypeAdapter(quantities.Size).validate_python(size)


@given(st.integers(0, 10**6), st.sampled_from(["", "k", "M", "G", "Ki", "Mi", "Gi"]))
def test_a_larger_number_is_never_fewer_bytes(number, unit):
    assert quantities.byte_count(f"{number}{unit}") < quantities.byte_count(f"{number + 1}{unit}")


@pytest.mark.parametrize("quantity", [2, "500m", "1.5", "64Gi", 0])
def test_a_quantity_of_kubernetes_is_taken_as_it_is(quantity):
    assert TypeAdapter(quantities.Quantity).validate_python(quantity) == quantity


@pytest.mark.parametrize("quantity", [-1, True, "five", "1 Gi", ""])
def test_what_is_no_quantity_is_refused(quantity):
    with pytest.raises(ValidationError):
        TypeAdapter(quantities.Quantity).validate_python(quantity)
