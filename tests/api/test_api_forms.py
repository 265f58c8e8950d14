"""Forms: checked as JSON Schema has it, asked field by field, refused where they say more."""

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interact_api.forms import Question, answer_problems, form_problems, questions

FORM = {
    "type": "object",
    "required": ["verdict"],
    "additionalProperties": False,
    "properties": {
        "verdict": {"type": "string", "enum": ["accept", "reject"], "title": "Your verdict"},
        "dose": {"type": "number", "minimum": 0, "maximum": 10, "default": 1},
        "marks": {"type": "array", "items": {"type": "integer"}, "maxItems": 2},
    },
}
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 12), st.sampled_from(["", "a", "accept", 0.5, 2.0])
)
ANSWERS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=8,
)
BOUND = st.integers(0, 4)
LEAVES = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"enum": st.lists(SCALARS, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"const": SCALARS}),
    st.fixed_dictionaries({"type": st.sampled_from(["boolean", "null"])}),
    st.fixed_dictionaries(
        {"type": st.just("string")}, optional={"minLength": BOUND, "maxLength": BOUND}
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["number", "integer"])},
        optional={"minimum": BOUND, "exclusiveMaximum": BOUND},
    ),
)


def nested(inner):
    objects = st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from("abc"), inner)},
        optional={"additionalProperties": st.booleans()},
    )
    arrays = st.fixed_dictionaries(
        {"type": st.just("array")}, optional={"items": inner, "minItems": BOUND, "maxItems": BOUND}
    )
    return objects | arrays


FORMS = st.recursive(LEAVES, nested, max_leaves=6)


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from("abc"), FORMS), st.booleans(), ANSWERS)
def test_an_answer_is_valid_as_json_schema_has_it(properties, more, answer):
    form = {
        "type": "object",
        "properties": properties,
        "required": sorted(properties)[:1],
        "additionalProperties": more,
    }
    assert form_problems(form) == []

    ours = answer_problems(form, answer)

    assert (not ours) == jsonschema.Draft202012Validator(form).is_valid(answer), ours


@pytest.mark.parametrize(
    ("answer", "path", "words"),
    [
        ({}, "answer.verdict", "required field"),
        ({"verdict": "maybe"}, "answer.verdict", "'maybe': it is one of accept, reject; choose"),
        ({"verdict": "accept", "dose": 11}, "answer.dose", "11: it is at most 10; lower it"),
        ({"verdict": "accept", "dose": True}, "answer.dose", "True: it is of type number"),
        ({"verdict": "accept", "marks": [1, "b"]}, "answer.marks[1]", "it is of type integer"),
        ({"verdict": "accept", "marks": [1, 2, 3]}, "answer.marks", "at most 2 entries"),
        ({"verdict": "accept", "note": "x"}, "answer.note", "unknown field; the form has dose"),
        (["accept"], "answer", "an answer is a JSON object; write {field: value}"),
    ],
)
def test_a_wrong_answer_is_told_by_field_value_rule_and_remedy(answer, path, words):
    [problem] = answer_problems(FORM, answer)

    assert problem.path == path
    assert words in problem.message


@pytest.mark.parametrize(
    ("form", "path", "words"),
    [
        (3, "spec.human.form", "a form is a JSON Schema of an object"),
        ({"type": "array"}, "spec.human.form", "write type: object"),
        ({"propertis": {}}, "spec.human.form.propertis", "a form has no propertis here"),
        ({"properties": {"a": {"pattern": "(a+)+"}}}, "spec.human.form.properties.a.pattern", "no"),
        ({"properties": {"a": {"type": "strin"}}}, "spec.human.form.properties.a.type", "one of"),
        ({"properties": {"a": 3}}, "spec.human.form.properties.a", "it is a schema"),
        ({"properties": {"a": {"enum": []}}}, "spec.human.form.properties.a.enum", "a list"),
        ({"required": [["a"]]}, "spec.human.form.required", "lists fields of properties"),
        ({"additionalProperties": {}}, "spec.human.form.additionalProperties", "true or false"),
        (
            {"properties": {"a": {"type": "number", "minimum": "3"}}},
            "spec.human.form.properties.a.minimum",
            "it is a number",
        ),
    ],
)
def test_a_form_that_cannot_be_asked_is_refused_with_its_place(form, path, words):
    problems = form_problems(form)

    assert path in [one.path for one in problems]
    assert any(words in one.message for one in problems)


def test_a_form_or_an_answer_of_any_depth_is_refused_in_little_time():
    deep: dict[str, object] = {}
    for _ in range(10_000):
        deep = {"properties": {"a": deep}}

    assert "deeper than 64 levels" in form_problems(deep)[0].message
    assert "deeper than 64 levels" in answer_problems(FORM, deep)[0].message


def test_a_form_is_asked_field_by_field_in_its_order():
    assert questions(FORM)[:2] == (
        Question("verdict", "string", "Your verdict", "", True, ("accept", "reject"), None),
        Question("dose", "number", "dose", "", False, (), 1),
    )
    assert [one.name for one in questions(FORM)] == ["verdict", "dose", "marks"]
    assert questions(None) == ()
