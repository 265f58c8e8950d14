"""The part of CEL our rules are written in, evaluated as Kubernetes does.

Covers literals, field access, indexing of nothing, ``has()``, the macros ``all``, ``exists`` and
``filter``, the functions ``size``, ``startsWith`` and ``matches``, and the operators ``! && || ==
!= < <= > >= in ?:`` and ``+``. An expression with anything else is refused, so that no rule goes unevaluated.
"""

import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

Scope: TypeAlias = Mapping[str, Any]
Evaluate: TypeAlias = Callable[[Scope], Any]

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<text>'[^']*')|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<sign>&&|\|\||[=!<>]=|[!<>()\[\],.?:+]))"
)
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "in": lambda left, right: left in right,
}
_CONSTANTS: Final = {"true": True, "false": False}


class CelError(ValueError):
    """An expression that is not CEL, or uses what is not covered here."""


@lru_cache(maxsize=256)
def compiled(expression: str) -> Evaluate:
    """The expression as a function of its variables.

    Raises:
        CelError: If the expression is not understood; from the function, if a field is absent.

    >>> compiled("self.min <= 3 && has(self.min)")({"self": {"min": 2}})
    True
    """
    parser = _Parser(expression)
    found = parser.ternary()
    parser.end()
    return found


class _Parser:
    """Recursive descent over the tokens, lowest precedence first."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while expression[at:].strip():
            match = _TOKEN.match(expression, at)
            if match is None:
                raise CelError(f"{expression!r}: not understood from {expression[at:]!r}")
            kind = str(match.lastgroup)
            self._tokens.append((kind, match[kind]))
            at = match.end()
        self._at = 0

    def _peek(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _take(self, wanted: str = "") -> tuple[str, str]:
        if self._at >= len(self._tokens) or (wanted and self._peek() != wanted):
            raise CelError(f"{self._expression!r}: {wanted or 'a value'} is missing")
        self._at += 1
        return self._tokens[self._at - 1]

    def _next(self, sign: str) -> bool:
        if self._peek() != sign:
            return False
        self._at += 1
        return True

    def end(self) -> None:
        """Refuse what is left over."""
        if self._at < len(self._tokens):
            raise CelError(f"{self._expression!r}: {self._peek()!r} is left over")

    def ternary(self) -> Evaluate:
        """``a ? b : c`` and everything that binds tighter."""
        test = self._either()
        if not self._next("?"):
            return test
        first = self._either()
        self._take(":")
        second = self.ternary()
        return lambda scope: first(scope) if test(scope) else second(scope)

    def _either(self) -> Evaluate:
        left = self._both()
        while self._next("||"):
            left = _or(left, self._both())
        return left

    def _both(self) -> Evaluate:
        left = self._comparison()
        while self._next("&&"):
            left = _and(left, self._comparison())
        return left

    def _comparison(self) -> Evaluate:
        left = self._sum()
        while self._peek() in _COMPARE:
            compare, right = _COMPARE[self._take()[1]], self._sum()
            left = _compared(compare, left, right)
        return left

    def _sum(self) -> Evaluate:
        left = self._unary()
        while self._next("+"):
            left = _compared(operator.add, left, self._unary())
        return left

    def _unary(self) -> Evaluate:
        if self._next("!"):
            inner = self._unary()
            return lambda scope: not inner(scope)
        return self._member()

    def _member(self) -> Evaluate:
        value = self._primary()
        while self._next("."):
            name = self._take()[1]
            value = self._call(value, name) if self._next("(") else _field(value, name)
        return value

    def _call(self, value: Evaluate, name: str) -> Evaluate:
        if name == "size":
            self._take(")")
            return lambda scope: len(value(scope))
        if name == "startsWith":
            prefix = self.ternary()
            self._take(")")
            return lambda scope: value(scope).startswith(prefix(scope))
        if name == "matches":
            pattern = self.ternary()
            self._take(")")
            return lambda scope: re.search(pattern(scope), value(scope)) is not None
        if name not in {"all", "exists", "filter"}:
            raise CelError(f"{self._expression!r}: the function {name} is not covered")
        variable = self._take()[1]
        self._take(",")
        body = self.ternary()
        self._take(")")
        return _macro(name, value, variable, body)

    def _primary(self) -> Evaluate:
        kind, text = self._take()
        if text == "(":
            inner = self.ternary()
            self._take(")")
            return inner
        if text == "[":
            return self._list()
        if kind == "number":
            number = float(text) if "." in text else int(text)
            return lambda _scope: number
        if kind == "text":
            return lambda _scope: text[1:-1]
        if text == "has":
            return self._has()
        if text in _CONSTANTS:
            return lambda _scope: _CONSTANTS[text]
        if kind != "name":
            raise CelError(f"{self._expression!r}: {text!r} is no value")
        return lambda scope: _variable(scope, text)

    def _list(self) -> Evaluate:
        entries: list[Evaluate] = []
        while not self._next("]"):
            entries.append(self.ternary())
            if self._peek() != "]":
                self._take(",")
        return lambda scope: [entry(scope) for entry in entries]

    def _has(self) -> Evaluate:
        self._take("(")
        value = self._primary()
        self._take(".")
        name = self._take()[1]
        while self._next("."):
            value, name = _field(value, name), self._take()[1]
        self._take(")")
        return lambda scope: name in value(scope)


def _or(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda scope: left(scope) or right(scope)


def _and(left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda scope: left(scope) and right(scope)


def _compared(compare: Callable[[Any, Any], Any], left: Evaluate, right: Evaluate) -> Evaluate:
    return lambda scope: compare(left(scope), right(scope))


def _variable(scope: Scope, name: str) -> object:
    if name not in scope:
        raise CelError(f"the variable {name!r} is not declared")
    return scope[name]


def _field(value: Evaluate, name: str) -> Evaluate:
    def get(scope: Scope) -> object:
        holder = value(scope)
        if name not in holder:
            raise CelError(f"no such key: {name}")
        return holder[name]

    return get


def _macro(name: str, value: Evaluate, variable: str, body: Evaluate) -> Evaluate:
    def each(scope: Scope) -> list[tuple[object, bool]]:
        return [(one, body({**scope, variable: one})) for one in value(scope)]

    if name == "filter":
        return lambda scope: [one for one, kept in each(scope) if kept]
    combine = all if name == "all" else any
    return lambda scope: combine(held for _, held in each(scope))
