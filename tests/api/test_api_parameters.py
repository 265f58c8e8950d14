"""Values of parameters: converted by type, checked against bounds, refused with a remedy."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interact_api.parameters import (
    INTEGER_LIMIT,
    Parameter,
    ParameterError,
    ParameterType,
    coerce,
    default_value,
)
from pydantic import ValidationError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


def parameter(kind, **said):
    if kind == "str-enum":
        said.setdefault("options", ("disk", "ring"))
    return Parameter(name="radius", type=kind, **said)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        pytest.param("int", "255", 255, id="a whole number as text"),
        pytest.param("int", "1.0", 1, id="a whole number with a point"),
        pytest.param("int", 3.0, 3, id="a float that is whole"),
        pytest.param("float", "0.5", 0.5, id="a number as text"),
        pytest.param("float", 7, 7.0, id="a whole number for a float"),
        pytest.param("bool", "yes", True, id="yes"),
        pytest.param("bool", "off", False, id="off"),
        pytest.param("bool", 1, True, id="one"),
        pytest.param("bool", False, False, id="a boolean"),
        pytest.param("str", "", "", id="empty text"),
        pytest.param("mount", "~/data/a.h5", "~/data/a.h5", id="a path at home"),
        pytest.param("mount", "a..b/c", "a..b/c", id="two points inside a name"),
        pytest.param("str-enum", "ring", "ring", id="an option"),
    ],
)
def test_a_value_is_converted_by_type(kind, value, expected):
    converted = coerce(parameter(kind), value)

    assert (type(converted), converted) == (type(expected), expected)


@pytest.mark.parametrize(
    ("kind", "value", "rule"),
    [
        pytest.param("int", 1.5, "whole number", id="half a number for an int"),
        pytest.param("int", "abc", "whole number", id="a word for an int"),
        pytest.param("int", True, "whole number", id="a boolean for an int"),
        pytest.param("int", 2**63, f"at most {INTEGER_LIMIT}", id="an int beyond int64"),
        pytest.param("int", "9" * 5000, "whole number", id="thousands of digits"),
        pytest.param("float", "x", "a number", id="a word for a float"),
        pytest.param("float", "nan", "finite", id="nan"),
        pytest.param("float", "inf", "finite", id="infinity"),
        pytest.param("float", 10**400, "finite", id="an integer no float holds"),
        pytest.param("bool", "maybe", "true or false", id="maybe"),
        pytest.param("bool", 2, "true or false", id="two for a bool"),
        pytest.param("str", 1, "text", id="a number for text"),
        pytest.param("mount", "/a/../b", "no '..'", id="a path that climbs"),
        pytest.param("mount", "", "a path", id="an empty path"),
        pytest.param("mount", "a\0b", "no NUL", id="a path with NUL"),
        pytest.param("mount", "a" * 2000, "1024 characters", id="an endless path"),
        pytest.param("str-enum", "square", "one of disk, ring", id="no option"),
        pytest.param("str-enum", ["disk"], "one of disk, ring", id="a list"),
    ],
)
def test_a_wrong_value_is_refused_with_the_rule(kind, value, rule):
    with pytest.raises(ParameterError, match="parameter 'radius' is") as caught:
        coerce(parameter(kind), value)

    assert rule in caught.value.rule
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1, "parameter 'radius' is -1.0: it is at least 0 px; raise the value"),
        (301, "parameter 'radius' is 301.0: it is at most 300 px; lower the value"),
    ],
)
def test_a_bound_is_named_with_its_unit(value, message):
    bounded = parameter("float", minimum=0, maximum=300, unit="px")

    with pytest.raises(ParameterError) as caught:
        coerce(bounded, value)

    assert str(caught.value) == message


@pytest.mark.parametrize("value", [0, 300])
def test_the_bounds_themselves_are_allowed(value):
    assert coerce(parameter("int", minimum=0, maximum=300), value) == value


@given(st.sampled_from(ParameterType), JSON)
def test_any_value_is_converted_or_refused(kind, value):
    declared = parameter(kind.value)

    try:
        converted = coerce(declared, value)
    except ParameterError:
        return

    assert coerce(declared, converted) == converted
    assert coerce(declared, json.loads(json.dumps(converted))) == converted
    assert not isinstance(converted, float) or math.isfinite(converted)


@given(st.integers(-INTEGER_LIMIT, INTEGER_LIMIT))
def test_an_integer_survives_as_text(number):
    assert coerce(parameter("int"), str(number)) == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_survives_as_text(number):
    assert coerce(parameter("float"), repr(number)) == number


@pytest.mark.parametrize(
    ("said", "message"),
    [
        pytest.param({"type": "str-enum"}, "lists its options", id="an enum without options"),
        pytest.param({"type": "str", "options": ["a"]}, "lists its options", id="options of text"),
        pytest.param({"type": "str", "minimum": 0}, "minimum and a maximum", id="a bound of text"),
        pytest.param({"type": "int", "minimum": 2, "maximum": 1}, "exchange", id="crossed bounds"),
        pytest.param({"type": "int", "name": "a b"}, "pattern", id="a name with a space"),
        pytest.param({"type": "int", "default": math.nan}, "finite", id="a default of nan"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(said, message):
    with pytest.raises(ValidationError, match=message):
        Parameter.model_validate({"name": "radius", **said})


def test_a_default_is_read_by_the_type_and_may_be_absent():
    assert default_value(parameter("int", default="255")) == 255
    assert default_value(parameter("int")) is None
