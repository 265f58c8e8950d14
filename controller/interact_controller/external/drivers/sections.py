"""What a run says to its driver, read as the driver's own model."""

from typing import TypeVar

import pydantic
from interact_api.conditions import Reason
from interact_api.external import Run
from interact_api.model import Model
from interact_api.problem import Problem

from interact_controller.external.driver import Refused

Section = TypeVar("Section", bound=Model)


def section(kind: type[Section], run: Run) -> Section:
    """The run's section.

    Raises:
        Refused: If it is not one.
    """
    found = problems(kind, run)
    if found:
        raise Refused(found[0])
    return kind.model_validate(run.spec)


def problems(kind: type[Model], run: Run) -> list[Problem]:
    """All that is wrong with it."""
    try:
        kind.model_validate(run.spec)
    except pydantic.ValidationError as error:
        return [
            Problem(
                ".".join(("spec", *map(str, one["loc"]))),
                Reason.INVALID_SPEC,
                f"{one['msg']}"[:500],
            )
            for one in error.errors(include_url=False, include_input=False)
        ]
    return []
