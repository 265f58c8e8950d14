"""Calls of an external operator's class: files kept below the run's folder, errors told as answers."""

import json
import logging
import re
from contextlib import suppress
from pathlib import Path
from typing import Final

import pydantic
from interact_api.external import Artifact, Handle, Observation, Repeat, Run, State
from interact_api.external import OperatorResult as Told
from interact_api.external_calls import ExternalAnswer, ExternalCall, Failure, Method

from interact import external_paths
from interact._errors import InputError, TransientError
from interact.external_operator import (
    ExternalOperator,
    ExternalRunHandle,
    ExternalRunStatus,
    OperatorResult,
    RunHandle,
    Task,
)

logger = logging.getLogger(__name__)

STATES: Final = {
    ExternalRunStatus.CREATED: State.QUEUED,
    ExternalRunStatus.SUBMITTED: State.QUEUED,
    ExternalRunStatus.RUNNING: State.RUNNING,
    ExternalRunStatus.WAITING_EXTERNAL: State.WAITING,
    ExternalRunStatus.COMPLETED: State.SUCCEEDED,
    ExternalRunStatus.FAILED: State.FAILED,
    ExternalRunStatus.CANCELLED: State.CANCELLED,
}
SUBMIT: Final = ".interact/submit.json"
"""Written before a submit, and with its handle after it; below the run's folder."""
MISSING: Final = "missing_files"
"""Key of the results that lists files which are not there."""
_MOST: Final = 64 * 2**10


class Calling:
    """One class, called for one run.

    Args:
        operator: The class.
        root: The folder of all runs.
    """

    def __init__(self, operator: ExternalOperator, root: Path) -> None:
        self._operator = operator
        self._root = root

    def answer(self, call: ExternalCall) -> ExternalAnswer:
        """What became of a call; errors are answers."""
        try:
            return self._called(call)
        except InputError as error:
            return ExternalAnswer(failure=Failure.REFUSED, message=_words(error))
        except TransientError as error:
            return ExternalAnswer(failure=Failure.AGAIN, message=_words(error))
        except Exception as error:  # the class is somebody else's: whatever it raises is told
            logger.exception("%s failed", call.method)
            submit = call.method is Method.SUBMIT
            failure = Failure.AMBIGUOUS if submit else Failure.AGAIN
            return ExternalAnswer(failure=failure, message=_words(error))

    def _called(self, call: ExternalCall) -> ExternalAnswer:
        run, handle = call.run, call.handle
        match call.method:
            case Method.PREPARE if run is not None:
                return self._prepare(run)
            case Method.SUBMIT if run is not None and handle is not None:
                return self._submit(run, handle)
            case Method.LOOKUP if run is not None:
                return self._lookup(run)
            case Method.CHECK if handle is not None:
                return ExternalAnswer(
                    observation=_seen(self._operator.check_status(_inner(handle)))
                )
            case Method.COLLECT if handle is not None:
                return self._collect(handle)
            case Method.CANCEL if handle is not None:
                return ExternalAnswer(stopped=bool(self._operator.cancel(_inner(handle))))
            case _:
                raise InputError(f"a call of {call.method} lacks its run or handle")

    def _prepare(self, run: Run) -> ExternalAnswer:
        place, task = self._place(run), _task(run)
        wrong = self._operator.validate(place, task)
        if wrong:
            raise InputError("; ".join(map(str, wrong)))
        made = self._operator.prepare_run(place, task)
        return ExternalAnswer(handle=self._outer(made, place.root_path))

    def _submit(self, run: Run, handle: Handle) -> ExternalAnswer:
        place = self._place(run)
        noted = _noted(place.root_path)
        if noted is not None:
            if isinstance(noted, Handle):
                return ExternalAnswer(handle=noted)
            repeat = Repeat(str(run.spec.get("repeat") or Repeat.NEITHER))
            if repeat is not Repeat.IDEMPOTENT:
                words = "a submit began and its end is not known; look whether the work is there"
                return ExternalAnswer(failure=Failure.AMBIGUOUS, message=words)
        _note(place.root_path, None)
        try:
            made = self._operator.submit(_inner(handle))
        except (InputError, TransientError):
            (place.root_path / SUBMIT).unlink()  # nothing has begun, its author says
            raise
        external_id = made.external_id or ""
        if not external_id and made.status is ExternalRunStatus.CREATED:
            words = "submit gave no external_id and left the status CREATED; let it set one of them"
            return ExternalAnswer(failure=Failure.AMBIGUOUS, message=words)
        told = self._outer(made, place.root_path).submitted(external_id or run.key)
        _note(place.root_path, told)
        return ExternalAnswer(handle=told)

    def _lookup(self, run: Run) -> ExternalAnswer:
        place = self._place(run)
        noted = _noted(place.root_path)
        if isinstance(noted, Handle):
            return ExternalAnswer(handle=noted)
        found = self._operator.lookup(place, _task(run))
        if found is None:
            return ExternalAnswer()
        told = self._outer(found, place.root_path)
        return ExternalAnswer(handle=told.submitted(told.external_id or run.key))

    def _collect(self, handle: Handle) -> ExternalAnswer:
        made = self._operator.collect_results(_inner(handle))
        if made.status is ExternalRunStatus.FAILED:
            raise InputError(made.error_message or "collect_results says FAILED")
        found, missing = self._artifacts(handle, made)
        results = {**made.data, MISSING: missing} if missing else made.data
        try:
            return ExternalAnswer(result=Told(results=results, artifacts=tuple(found)))
        except pydantic.ValidationError as error:
            words = error.errors(include_url=False, include_input=False)[0]["msg"]
            raise InputError(f"the results cannot be taken: {words}") from error

    def _artifacts(self, handle: Handle, made: OperatorResult) -> tuple[list[Artifact], list[str]]:
        """The files of a result with their hashes, and those that are not there."""
        folder = Path(str(handle.data["folder"]))
        root = external_paths.ensure_under_run_root(self._root, folder)
        work = Path(str(handle.data.get("relative_path") or "."))
        found, missing = [], []
        for number, (name, path) in enumerate(sorted(made.files.items())):
            for base in (work, Path()):
                target = external_paths.ensure_under_run_root(root, base / path)
                inner = target.relative_to(root).as_posix()
                with suppress(FileNotFoundError):
                    entry = external_paths.entry(root, inner)
                    break
            else:
                missing.append(path.as_posix())
                continue
            found.append(
                Artifact(name=_plain(name, number), path=inner, sha256=entry.sha256, bytes=entry.bytes)
            )  # fmt: skip
        return found, missing

    def _place(self, run: Run) -> RunHandle:
        """The run's folder, made."""
        kind = re.sub(r"[^A-Za-z0-9_-]", "-", type(self._operator).__name__)
        folder = external_paths.operator_run_dir(self._root, kind, run.key)
        folder.mkdir(parents=True, exist_ok=True)
        return RunHandle(run.uid, folder, run.namespace, run.name)

    def _outer(self, handle: ExternalRunHandle, root: Path) -> Handle:
        """A handle of the class as it travels; refused if it names a folder that is not its own."""
        path = handle.relative_path
        if path is not None:
            external_paths.ensure_under_run_root(root, path)
        data = json.loads(handle.model_dump_json(exclude={"external_id", "reason", "message"}))
        folder = root.relative_to(self._root.resolve()).as_posix()
        return Handle(external_id=handle.external_id or "", data={**data, "folder": folder})


def _inner(handle: Handle) -> ExternalRunHandle:
    data = {key: value for key, value in handle.data.items() if key != "folder"}
    return ExternalRunHandle.model_validate({**data, "external_id": handle.external_id or None})


def _seen(handle: ExternalRunHandle) -> Observation:
    reason = handle.reason if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", handle.reason) else None
    return Observation(state=STATES[handle.status], reason=reason, message=handle.message[:1000])


def _task(run: Run) -> Task:
    return Task(run.key, dict(run.parameters), run.inputs, run.attempt, dict(run.spec))


def _noted(root: Path) -> Handle | bool | None:
    """The handle of a submit that ended; True if one began, None if none did."""
    found = external_paths.read(root, SUBMIT, _MOST)
    if found is None:
        return None
    try:
        return Handle.model_validate_json(found[0]) if found[0].strip() != b"null" else True
    except pydantic.ValidationError:
        return True


def _note(root: Path, handle: Handle | None) -> None:
    data = b"null" if handle is None else handle.model_dump_json().encode()
    external_paths.write(root, SUBMIT, data)


def _plain(name: str, number: int) -> str:
    word = re.sub(r"[^A-Za-z0-9._-]", "-", name)
    plain = word == name and bool(word) and word[0] not in ".-"
    return word if plain else f"{number}_{word}"[:253]


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:2000]
