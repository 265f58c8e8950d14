"""How a command tells its result."""

from enum import StrEnum
from typing import Annotated

import typer


class Output(StrEnum):
    """For people, or for programs."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[
    Output, typer.Option("--output", help="text for people, json for programs: one document.")
]
ShortOutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="text for people, json for programs.")
]
