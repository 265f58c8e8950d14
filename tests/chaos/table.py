"""The table of faults: what a row declares, and every row that was declared."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from chaos.pipeline import Setup
from chaos.runs import Run

LOCAL, NODE, CLUSTER = "local", "node", "cluster"
ANY, FILE = "memory or file", "file"
EXACT = "exact"
"""No frame is lost; the result is the same to the last bit; the sink is given each frame once."""


class Substrate(Protocol):
    """What rows are played on."""

    def running(self, setup: Setup) -> AbstractAsyncContextManager[Run]:
        """Run the pipeline; everything is under way on entry, and gone on exit."""
        ...


Play = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        fault: What happens.
        component: To whom.
        result: What holds all the same.
        storage: Of the streams of ports: the least it needs.
        settings: Others it depends on, in words.
        on: Where it is played.
        name: For people who run one alone.
        play: Plays it; raises if the result is another one.
    """

    fault: str
    component: str
    result: str
    storage: str
    settings: str
    on: Sequence[str]
    name: str
    play: Play


ROWS: list[Row] = []


def row(
    fault: str,
    component: str,
    result: str = EXACT,
    *,
    storage: str = ANY,
    settings: str = "",
    on: Sequence[str] = (LOCAL,),
) -> Callable[[Play], Play]:
    """Declare the function below as a row of the table."""

    def declared(play: Play) -> Play:
        name = getattr(play, "__name__", "").replace("_", " ")
        ROWS.append(Row(fault, component, result, storage, settings, tuple(on), name, play))
        return play

    return declared
