"""Plain data from YAML text, bounded: no tags, no duplicate keys, no bombs, JSON types only."""

import math
import re
from typing import Any, Final

import yaml

MAX_CHARACTERS: Final = 2**20
"""etcd takes objects of 1.5 MiB; a text of ours stays below."""
MAX_NODES: Final = 100_000
"""Values of a text with its aliases written out."""
MAX_DEPTH: Final = 64
MAX_DIGITS: Final = 64

_PREFIX: Final = "tag:yaml.org,2002:"
_BASE: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class TextError(ValueError):
    """A text that is not YAML, or not the plain kind that is read here."""

    def __init__(self, line: int, rule: str, remedy: str) -> None:
        self.line = line
        self.rule = rule
        self.remedy = remedy
        super().__init__(f"line {line}: {rule}; {remedy}")


def documents(text: str) -> list[Any]:
    """The documents of a text, as JSON types; numbers and booleans follow YAML 1.2.

    Raises:
        TextError: If the text is not YAML, too large, or holds what JSON cannot.
    """
    if len(text) > MAX_CHARACTERS:
        rule = f"the text has {len(text)} characters, at most {MAX_CHARACTERS} are read"
        raise TextError(0, rule, "split it")
    try:
        _bound(text)
        return list(yaml.load_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 0
        raise TextError(line, str(error.problem or error), "correct the YAML") from error
    except yaml.YAMLError as error:
        raise TextError(0, str(error), "correct the YAML") from error
    except (RecursionError, UnicodeError, ValueError) as error:
        if isinstance(error, TextError):
            raise
        raise TextError(0, f"not readable ({error})", "correct the YAML") from error


def _bound(text: str) -> None:
    """Refuse what would grow beyond the limits, before anything is built."""
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    total = 0
    for event in yaml.parse(text, Loader=_BASE):
        line = event.start_mark.line + 1 if event.start_mark is not None else 0
        size = 1
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise TextError(
                    line, f"*{event.anchor} stands for nothing complete", "write it out"
                )
            size = sizes[event.anchor]
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, total))
            if len(open_nodes) > MAX_DEPTH:
                raise TextError(line, f"nested deeper than {MAX_DEPTH}", "flatten it")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = total - before
            continue
        elif isinstance(event, yaml.ScalarEvent):
            if event.anchor is not None:
                sizes[event.anchor] = 1
        else:
            sizes = {} if isinstance(event, yaml.DocumentStartEvent) else sizes
            continue
        total += size
        if total > MAX_NODES:
            raise TextError(line, f"more than {MAX_NODES} values, aliases written out", "split it")


class _Loader(_BASE):  # type: ignore[misc]
    """Builds None, bool, int, float, str, list and dict with text keys, and nothing else."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (as the base declares it)
    yaml_constructors: dict[str, Any] = {}  # noqa: RUF012


def _refuse(node: yaml.Node, rule: str, remedy: str) -> TextError:
    return TextError(node.start_mark.line + 1, rule, remedy)


def _scalar(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _refuse(node, f"{node.tag} is a single value", "remove the tag")
    return str(node.value)


def _null(_loader: object, _node: yaml.Node) -> None:
    return None


def _bool(_loader: object, node: yaml.Node) -> bool:
    return _scalar(node).lower() == "true"


def _int(_loader: object, node: yaml.Node) -> int:
    text = _scalar(node)
    if len(text) > MAX_DIGITS:
        raise _refuse(node, f"a number of {len(text)} digits", "put it in quotes")
    return int(text, 0) if text[:2] in {"0x", "0o"} else int(text)


def _float(_loader: object, node: yaml.Node) -> float:
    text = _scalar(node)
    number = float(text.replace(".inf", "inf").replace(".nan", "nan").lower())
    if not math.isfinite(number):
        raise _refuse(node, f"{text} is not a number JSON knows", "write a finite number")
    return number


def _str(_loader: object, node: yaml.Node) -> str:
    return _scalar(node)


def _seq(loader: "_Loader", node: yaml.Node) -> list[Any]:
    if not isinstance(node, yaml.SequenceNode):
        raise _refuse(node, "a list is expected", "remove the tag")
    return [loader.construct_object(one, deep=True) for one in node.value]


def _map(loader: "_Loader", node: yaml.Node) -> dict[str, Any]:
    if not isinstance(node, yaml.MappingNode):
        raise _refuse(node, "a mapping is expected", "remove the tag")
    built: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise _refuse(key_node, f"the key {key!r} is not text", "put it in quotes")
        if key in built:
            raise _refuse(key_node, f"the key {key!r} occurs twice", "remove one")
        built[key] = loader.construct_object(value_node, deep=True)
    return built


def _other(_loader: object, node: yaml.Node) -> None:
    raise _refuse(node, f"the tag {node.tag} is not read here", "remove the tag")


for _name, _pattern, _first, _build in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""], _null),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF"), _bool),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789"), _int),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
        _float,
    ),
):
    _Loader.add_implicit_resolver(_PREFIX + _name, re.compile(rf"(?:{_pattern})\Z"), _first)
    _Loader.add_constructor(_PREFIX + _name, _build)
_Loader.add_constructor(_PREFIX + "str", _str)
_Loader.add_constructor(_PREFIX + "seq", _seq)
_Loader.add_constructor(_PREFIX + "map", _map)
_Loader.add_constructor(None, _other)
