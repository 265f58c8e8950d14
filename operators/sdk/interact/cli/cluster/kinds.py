"""The kinds people ask for, by the words they use."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from interact_api.model import API_VERSION, DNS_NAME_PATTERN, GROUP

from interact.cli.exits import CommandError, Exit


@dataclass(frozen=True)
class Kind:
    """A kind of ours: its words for people, and where it is."""

    name: str
    singular: str
    plural: str
    short: str
    namespaced: bool = True

    @property
    def words(self) -> tuple[str, ...]:
        """How it may be written, as for kubectl."""
        plain = (self.plural, self.singular, self.short)
        return (*plain, f"{self.plural}.{GROUP}", self.reference)

    @property
    def reference(self) -> str:
        """What `-o name` puts before an object's name."""
        return f"{self.singular}.{GROUP}"

    def path(self, namespace: str, name: str = "") -> str:
        """Where the API server has it; all namespaces when ``namespace`` is empty."""
        within = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"/apis/{API_VERSION}{within}/{self.plural}" + (f"/{name}" if name else "")


PIPELINE: Final = Kind("Pipeline", "pipeline", "pipelines", "ipl")
OPERATOR: Final = Kind("InteractOperator", "interactoperator", "interactoperators", "iop")
RUN: Final = Kind("ExternalRun", "externalrun", "externalruns", "xrun")
SYSTEM: Final = Kind(
    "ExternalSystem", "externalsystem", "externalsystems", "xsys", namespaced=False
)
_WORDS: Final = {
    **dict.fromkeys(PIPELINE.words, PIPELINE),
    **dict.fromkeys((*OPERATOR.words, "operators", "operator"), OPERATOR),
    **dict.fromkeys((*RUN.words, "runs", "run"), RUN),
    **dict.fromkeys((*SYSTEM.words, "systems", "system"), SYSTEM),
}


def asked(words: Sequence[str]) -> tuple[Kind, tuple[str, ...]]:
    """The kind and the names of ``pipelines``, ``operators a b``, ``a b`` or ``pipeline/a``.

    Raises:
        CommandError: If a word is no name, or of another kind.

    >>> kind, names = asked(["operators", "count"])
    >>> kind.name, names
    ('InteractOperator', ('count',))
    """
    kind, rest = PIPELINE, list(words)
    if rest and rest[0].lower() in _WORDS:
        kind = _WORDS[rest.pop(0).lower()]
    names = []
    for number, word in enumerate(rest):
        before, slash, name = word.rpartition("/")
        if slash:
            given = _WORDS.get(before.lower())
            if given is None or (number and given is not kind):
                raise CommandError(
                    Exit.USAGE,
                    f"{word}: names are of one kind, pipeline/NAME, operator/NAME or run/NAME",
                )
            kind = given
        names.append(named(name))
    return kind, tuple(names)


def named(name: str) -> str:
    """The name, if an object can be called so.

    Raises:
        CommandError: If not; so no name leads to another path.
    """
    if len(name) > 253 or not re.fullmatch(DNS_NAME_PATTERN, name):
        raise CommandError(
            Exit.USAGE,
            f"{name!r} is no name: names have lower-case letters, digits, '-' and '.'",
        )
    return name
