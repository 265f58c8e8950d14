"""CEL: the part our rules use, evaluated as Kubernetes does."""

import pytest
from interact_api import cel
from interact_api.cel import CelError

SELF = {"a": 2, "b": 3.5, "word": "INTERACT_X", "flag": False, "list": [{"n": 1}, {"n": 4}]}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("self.a < self.b", True),
        ("self.a >= 2 && self.b != 3.5", False),
        ("self.a == 1 + 1 && self.a + 1 == 3", True),
        ("self.word.matches('^INTERACT_[A-Z]$') && !self.word.matches('^X')", True),
        ("self.flag || !self.flag", True),
        ("has(self.a) && !has(self.z)", True),
        ("!has(self.z) || self.z > 1", True),
        ("self.list.size() == 2", True),
        ("self.list.all(one, one.n > 0)", True),
        ("self.list.exists(one, one.n == 4)", True),
        ("self.list.filter(one, one.n > 1).size() == 1", True),
        ("[has(self.a), has(self.z)].filter(given, given).size() == 1", True),
        ("self.word.startsWith('INTERACT_')", True),
        ("self.word in ['x', 'INTERACT_X']", True),
        ("(self.a == 2) == has(self.z)", False),
        ("self.flag ? self.z : self.a == 2", True),
        ("self.list.all(one, self.list.exists(other, other.n == one.n))", True),
    ],
)
def test_an_expression_has_its_value(expression, expected):
    assert cel.compiled(expression)({"self": SELF}) is expected


@pytest.mark.parametrize(
    "expression",
    ["", "self.", "self.a ==", "self.a)", "(self.a", "self.a - 1", "self.a +", "self.list.map(x, x.n)", "a ; b",
     "self.list.all(one)", "== 3", "[1, 2", "has(self)"],
)  # fmt: skip
def test_what_is_not_covered_is_refused(expression):
    with pytest.raises(CelError):
        cel.compiled(expression)({"self": SELF})


@pytest.mark.parametrize("expression", ["self.z == 1", "other.a == 1"])
def test_an_absent_field_is_an_error(expression):
    with pytest.raises(CelError):
        cel.compiled(expression)({"self": SELF})
