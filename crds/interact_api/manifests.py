"""The JSON files that cross the border of a run, as models, and what to make of one that came.

``manifest.json`` and ``experiment_request.json`` go out; ``experiment_result.json`` and
``response.json`` come in. Unknown keys are passed over, so that either side may say more.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Generic, TypeVar

import pydantic
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from interact_api import bounded_json, file_names

MANIFEST: Final = "manifest.json"
REQUEST: Final = "experiment_request.json"
RESULT: Final = "experiment_result.json"
RESPONSE: Final = "response.json"
SETTLED_SECONDS: Final = 5.0
"""How old a file is that nobody writes any more; a younger one may be half written."""
MAX_FILES: Final = 1000


class FileStatus(StrEnum):
    """What the other side says of its work."""

    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    WAITING = "WAITING"


class _Manifest(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


def _checked(name: str) -> str:
    problem = file_names.file_problem(name)
    if problem is not None:
        raise ValueError(problem.message)
    return name


FileName = Annotated[str, pydantic.AfterValidator(_checked)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Said = Annotated[str, StringConstraints(max_length=4096)]


class FileEntry(_Manifest):
    """One file: its name below the run's folder, its size in bytes and its SHA-256."""

    path: FileName
    bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256


class TaskManifest(_Manifest):
    """``manifest.json``: what a run is, for whoever finds its folder."""

    schema_version: int = 1
    task_id: str
    operator_type: str
    namespace: str
    name: str
    uid: str
    attempt: int
    parameters: dict[str, JsonValue] = {}
    files: Annotated[tuple[FileEntry, ...], Field(max_length=MAX_FILES)] = ()


class ExperimentRequest(_Manifest):
    """``experiment_request.json``: what an instrument is asked to do."""

    task_id: str
    parameters: dict[str, JsonValue] = {}
    files: Annotated[tuple[FileName, ...], Field(max_length=MAX_FILES)] = ()
    config: JsonValue = None


class HumanResponse(_Manifest):
    """``response.json``: what a person answers."""

    status: FileStatus
    data: dict[str, JsonValue] = {}
    error: Said = ""


class ExperimentResult(HumanResponse):
    """``experiment_result.json``: what an instrument gives."""

    files: Annotated[tuple[FileName, ...], Field(max_length=MAX_FILES)] = ()


@dataclass(frozen=True)
class NotReady:
    """A file that is not all there yet; look again."""

    message: str


@dataclass(frozen=True)
class Invalid:
    """A file somebody has to correct; it may come again."""

    message: str


Read = TypeVar("Read", bound=_Manifest)


@dataclass(frozen=True)
class Valid(Generic[Read]):
    """A file as its model."""

    manifest: Read


def judge(
    kind: type[Read], name: str, data: bytes | None, age_seconds: float
) -> Valid[Read] | NotReady | Invalid:
    """What to make of a file that came.

    Args:
        kind: Its model.
        name: Its name, for messages.
        data: Its bytes; None without a file.
        age_seconds: Since it was written last; a young file that cannot be read is not all there.

    >>> judge(HumanResponse, RESPONSE, b'{"status": "COM', age_seconds=0.1)
    NotReady(message="'response.json' is not all there yet")
    """
    if data is None:
        return NotReady(f"{name!r} is not there yet")
    try:
        value = bounded_json.parse(data)
    except bounded_json.NotJson as error:
        if age_seconds < SETTLED_SECONDS:
            return NotReady(f"{name!r} is not all there yet")
        return Invalid(f"{name!r}: {error}; write it again, best under another name and rename it")
    except bounded_json.OutOfBounds as error:
        return Invalid(f"{name!r}: {error}; write less, and put the rest into files")
    try:
        return Valid(kind.model_validate(value))
    except pydantic.ValidationError as error:
        return Invalid(f"{name!r}: {_told(error)}; correct it and write it again")


def written(manifest: BaseModel) -> bytes:
    """A manifest as JSON that people can read, the same for the same one."""
    return manifest.model_dump_json(indent=2).encode() + b"\n"


def _told(error: pydantic.ValidationError) -> str:
    """All that is wrong, without what was given: it may be long."""
    found = [
        f"{'.'.join(map(str, one['loc'])) or 'the document'}: {one['msg']}"[:300]
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    more = f" and {len(found) - 5} more" if len(found) > 5 else ""
    return "; ".join(found[:5]) + more
