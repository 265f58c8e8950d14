"""The inputs of a run for work that cannot fetch them itself: told as a list, and objects as files.

A run names objects of its own namespace only, in the bucket for all of its runs or in that of a
pipeline's messages: the controller reads for whoever may make runs, and not what is somebody else's.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from interact_api import names
from interact_api.conditions import Reason
from interact_api.external import Input, Run
from interact_api.problem import Problem
from pydantic import JsonValue

from interact_controller.external.driver import Refused
from interact_controller.external.drivers.stored import Read

LIST: Final = "inputs.json"
FOLDER: Final = "inputs"


@dataclass(frozen=True)
class Content:
    """An input that is written where the work runs."""

    name: str
    data: bytes = field(repr=False)
    sha256: str


def told(inputs: Sequence[Input]) -> list[JsonValue]:
    """What the work is told of its inputs, in their order; empty fields are left out."""
    return [one.model_dump(mode="json", by_alias=True, exclude_defaults=True) for one in inputs]


def text(run: Run) -> str:
    """The same as JSON."""
    return json.dumps(told(run.inputs), sort_keys=True, separators=(",", ":"))


def files(run: Run) -> tuple[Input, ...]:
    """The inputs that are files, where the work finds files."""
    return tuple(one for one in run.inputs if one.path)


def problems(run: Run, most: int) -> list[Problem]:
    """What is wrong with inputs that are objects.

    Args:
        run: Whose inputs they are.
        most: Bytes that reach the work in all.
    """
    bucket, found, known = names.inputs_bucket(run.namespace), list[Problem](), 0
    for one in run.inputs:
        if not one.object:
            continue
        known += one.bytes or 0
        where, _, name = one.object.partition("/")
        of_messages = names.messages_bucket(run.namespace, name.partition("/")[0])
        if where not in {bucket, of_messages} or not name:
            message = f"{one.object!r} is no object of this namespace; put it into {bucket}, and write {bucket}/NAME"  # fmt: skip
            found.append(Problem(f"inputs.{one.name}.object", Reason.INVALID_SPEC, message))
    if known > most:
        found.append(_large(known, most))
    return found


async def contents(run: Run, read: Read | None, most: int) -> tuple[Content, ...]:
    """The inputs that are objects, read and compared with what the run says of them.

    Args:
        run: Whose inputs they are.
        read: The way to the object store; None without one.
        most: Bytes that reach the work in all.

    Raises:
        Refused: If they are not what the run says, not there, or too large.
        ExternalError: If they cannot be read now.
    """
    if wrong := problems(run, most):
        raise Refused(wrong[0])
    found: list[Content] = []
    left = most
    for one in run.inputs:
        if not one.object:
            continue
        if read is None:
            message = "this controller has no object store; give inputs by their path"
            raise Refused(Problem(f"inputs.{one.name}", Reason.INVALID_SPEC, message))
        bucket, _, name = one.object.partition("/")
        data = await read(bucket, name, left)
        found.append(_checked(one, data))
        left -= len(data)
    return tuple(found)


def _checked(one: Input, data: bytes) -> Content:
    sha256 = hashlib.sha256(data).hexdigest()
    said = one.sha256 or sha256, len(data) if one.bytes is None else one.bytes
    if said != (sha256, len(data)):
        message = f"{one.object!r} has {len(data):,} bytes and SHA-256 {sha256}, which is not what the run says; correct one of them"  # fmt: skip
        raise Refused(Problem(f"inputs.{one.name}", Reason.INVALID_SPEC, message))
    return Content(one.name, data, sha256)


def _large(size: int, most: int) -> Problem:
    message = f"objects of {size:,} bytes, at most {most:,} reach the work; let it fetch the rest"
    return Problem("inputs", Reason.TOO_LARGE, message)
