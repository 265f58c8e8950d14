"""What is wrong with a pipeline, as a value."""

from collections.abc import Iterable
from dataclasses import dataclass

from interact_api.conditions import Reason


@dataclass(frozen=True)
class Problem:
    """One thing a person has to change.

    Attributes:
        path: Where, for example ``spec.edges[2].to``.
        reason: Why, for programs.
        message: Why, for people: the value, the bound and the next step.
    """

    path: str
    reason: Reason
    message: str


class GraphError(ValueError):
    """A pipeline that cannot run as it is written."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(f"{one.path}: {one.message}" for one in problems))


def listed(names: Iterable[str]) -> str:
    """Names in a message, the first twenty of them."""
    words = sorted(map(str, names))
    return ", ".join(words[:20]) + (" …" if len(words) > 20 else "") if words else "none"
