"""Classes of external operators: called, kept within their folder, their errors told."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import interact
import pytest
from external.drivers import my_api_client
from external.drivers.guides_operator import MyCustomOperator
from interact.external import ExternalRunHandle, ExternalRunStatus, OperatorResult, RunHandle
from interact.external_calling import MISSING, Calling
from interact.external_experiment import Experiment
from interact_api.border import decode, encode
from interact_api.external import Handle, Run, State
from interact_api.external_calls import ExternalAnswer, ExternalCall, Failure, Method


def run(**changes: Any) -> Run:
    given = {"namespace": "lab", "name": "one", "uid": "u", "attempt": 1,
             "parameters": {"gain": 2.5}, "spec": {}}  # fmt: skip
    return Run.model_validate({**given, **changes})


def called(calling: Calling, method: Method, **given: Any) -> ExternalAnswer:
    """A call and its answer as they travel."""
    call = decode(ExternalCall, encode(ExternalCall(method=method, **given)))
    return decode(ExternalAnswer, encode(calling.answer(call)))


def submitted(calling: Calling, one: Run) -> Handle:
    prepared = called(calling, Method.PREPARE, run=one)
    assert prepared.handle is not None, prepared.message
    answer = called(calling, Method.SUBMIT, run=one, handle=prepared.handle)
    assert answer.handle is not None, answer.message
    return answer.handle


@pytest.fixture(autouse=True)
def _no_jobs() -> None:
    my_api_client.jobs.clear()


def test_the_guide_s_class_runs_as_it_is_written(tmp_path: Path):
    calling = Calling(MyCustomOperator(), tmp_path)

    handle = submitted(calling, run())
    states = []
    for word in ("PROCESSING", "A WORD NOBODY KNOWS", "DONE"):
        my_api_client.jobs[handle.external_id]["status"] = word
        seen = called(calling, Method.CHECK, handle=handle).observation
        states.append(seen and seen.state)
    folder = tmp_path / "operators" / "MyCustomOperator" / run().key
    (folder / "tasks" / run().key / "report.pdf").write_bytes(b"%PDF")
    result = called(calling, Method.COLLECT, handle=handle).result

    assert issubclass(MyCustomOperator, interact.ExternalOperator)
    assert states == [State.RUNNING, State.QUEUED, State.SUCCEEDED]
    assert result is not None
    assert result.results == {"gain": 2.5}
    [report] = result.artifacts
    assert (report.name, report.path) == ("report", f"tasks/{run().key}/report.pdf")
    assert report.sha256 == hashlib.sha256(b"%PDF").hexdigest()


def test_a_file_that_is_not_there_is_named_and_the_rest_is_kept(tmp_path: Path):
    calling = Calling(MyCustomOperator(), tmp_path)
    handle = submitted(calling, run())

    result = called(calling, Method.COLLECT, handle=handle).result

    assert result is not None
    assert result.results == {"gain": 2.5, MISSING: ["report.pdf"]}
    assert result.artifacts == ()


def test_a_submit_that_comes_again_begins_nothing(tmp_path: Path):
    first = submitted(Calling(MyCustomOperator(), tmp_path), run())

    again = submitted(Calling(MyCustomOperator(), tmp_path), run())  # the process died meanwhile

    assert again == first
    assert len(my_api_client.jobs) == 1
    assert called(Calling(MyCustomOperator(), tmp_path), Method.LOOKUP, run=run()).handle == first
    submitted(Calling(MyCustomOperator(), tmp_path), run(attempt=2))
    assert len(my_api_client.jobs) == 2


class Broken(interact.ExternalOperator):
    """Does what a test wants."""

    def __init__(self, does: Callable[[ExternalRunHandle], object]) -> None:
        self.does = does

    def prepare_run(self, run: RunHandle, task: Any) -> ExternalRunHandle:
        return ExternalRunHandle(
            task_id=task.task_id, relative_path=Path(task.parameters.get("to", "."))
        )

    def submit(self, handle: ExternalRunHandle) -> ExternalRunHandle:
        found = self.does(handle)
        return found if isinstance(found, ExternalRunHandle) else handle

    def check_status(self, handle: ExternalRunHandle) -> ExternalRunHandle:
        self.does(handle)
        return handle

    def collect_results(self, handle: ExternalRunHandle) -> OperatorResult:
        found = self.does(handle)
        return found if isinstance(found, OperatorResult) else OperatorResult()


def raises(error: Exception) -> Callable[[ExternalRunHandle], object]:
    def does(handle: ExternalRunHandle) -> object:
        raise error

    return does


@pytest.mark.parametrize(
    ("error", "of_submit", "of_check"),
    [
        (interact.TransientError("busy"), Failure.AGAIN, Failure.AGAIN),
        (interact.InputError("no such grating"), Failure.REFUSED, Failure.REFUSED),
        (ConnectionError("reset"), Failure.AMBIGUOUS, Failure.AGAIN),
        (RecursionError("deep"), Failure.AMBIGUOUS, Failure.AGAIN),
    ],
)
def test_what_a_class_raises_is_an_answer(
    tmp_path: Path, error: Exception, of_submit: Failure, of_check: Failure
):
    calling = Calling(Broken(raises(error)), tmp_path)
    handle = called(calling, Method.PREPARE, run=run()).handle

    submit = called(calling, Method.SUBMIT, run=run(), handle=handle)
    check = called(calling, Method.CHECK, handle=handle)

    assert (submit.failure, check.failure) == (of_submit, of_check)
    assert submit.message == check.message == f"{type(error).__name__}: {error}"


@pytest.mark.parametrize(("repeat", "calls"), [("Neither", 1), ("Lookup", 1), ("Idempotent", 2)])
def test_a_submit_whose_end_is_not_known_is_repeated_only_if_its_key_is_honoured(
    tmp_path: Path, repeat: str, calls: int
):
    began: list[str] = []

    def dies(handle: ExternalRunHandle) -> object:
        began.append(handle.task_id)
        raise ConnectionError("the answer was lost")

    one = run(spec={"repeat": repeat})
    for _ in range(2):
        calling = Calling(Broken(dies), tmp_path)
        handle = called(calling, Method.PREPARE, run=one).handle
        answer = called(calling, Method.SUBMIT, run=one, handle=handle)
        assert answer.failure is Failure.AMBIGUOUS

    assert began == [one.key] * calls


def test_a_submit_that_surely_did_nothing_is_made_again(tmp_path: Path):
    left = [interact.TransientError("busy")]

    def does(handle: ExternalRunHandle) -> object:
        if left:
            raise left.pop()
        return handle.model_copy(update={"external_id": "7"})

    calling = Calling(Broken(does), tmp_path)
    handle = called(calling, Method.PREPARE, run=run()).handle

    first = called(calling, Method.SUBMIT, run=run(), handle=handle)
    second = called(calling, Method.SUBMIT, run=run(), handle=handle)

    assert first.failure is Failure.AGAIN
    assert second.handle is not None
    assert second.handle.external_id == "7"


@pytest.mark.parametrize(
    "path", ["../../../etc/passwd", "/etc/passwd", "link/secret", "a\nb", "pipe"]
)
def test_files_outside_the_run_s_folder_are_not_taken(tmp_path: Path, path: str):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("s")
    calling = Calling(
        Broken(lambda handle: OperatorResult(files={"x": Path(path)})), tmp_path / "runs"
    )
    handle = submitted(Calling(MyCustomOperator(), tmp_path / "runs"), run())
    folder = tmp_path / "runs" / str(handle.data["folder"])
    (folder / "link").symlink_to(tmp_path / "outside")
    os.mkfifo(folder / "pipe")

    answer = called(calling, Method.COLLECT, handle=handle)

    assert answer.failure is Failure.REFUSED
    assert "PathRefused" in answer.message
    assert answer.result is None


def test_a_handle_that_names_another_folder_is_refused(tmp_path: Path):
    calling = Calling(Broken(lambda handle: None), tmp_path)

    answer = called(calling, Method.PREPARE, run=run(parameters={"to": "../../other"}))

    assert answer.failure is Failure.REFUSED
    assert "leads out of the run's folder" in answer.message


def test_results_that_failed_or_cannot_be_told_are_refused(tmp_path: Path):
    handle = submitted(Calling(MyCustomOperator(), tmp_path), run())
    results = [
        OperatorResult(status=ExternalRunStatus.FAILED, error_message="no beam"),
        OperatorResult(data={"all": "x" * 70_000}),
    ]

    answers = [
        called(Calling(Broken(lambda _, one=one: one), tmp_path), Method.COLLECT, handle=handle)
        for one in results
    ]

    assert [one.failure for one in answers] == [Failure.REFUSED] * 2
    assert "no beam" in answers[0].message
    assert "65,536" in answers[1].message


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[]", b'{"method": "explode"}', b"[" * 9000, b'{"method": "check"}']
)
def test_a_call_that_is_none_is_refused_and_harms_nobody(tmp_path: Path, payload: bytes):
    from interact.external_serving import _answered

    answer = _answered(Calling(MyCustomOperator(), tmp_path), payload)

    assert answer.failure is Failure.REFUSED
    assert my_api_client.jobs == {}


class Exchange:
    """An instrument's folder, at a time."""

    def __init__(self, tmp_path: Path) -> None:
        self.time = 1e12
        self.calling = Calling(Experiment(lambda: self.time), tmp_path)
        self.handle = submitted(self.calling, run(spec={"config": {"kV": 200}}))
        self.folder = tmp_path / "operators" / "Experiment" / run().key

    def result(self, text: str) -> None:
        (self.folder / "experiment_result.json").write_text(text)

    def seen(self) -> tuple[State, str | None]:
        found = called(self.calling, Method.CHECK, handle=self.handle).observation
        assert found is not None
        return found.state, found.reason


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    return Exchange(tmp_path)


def test_an_instrument_finds_its_request_and_its_result_is_read(exchange: Exchange):
    request = json.loads((exchange.folder / "experiment_request.json").read_text())
    manifest = json.loads((exchange.folder / "manifest.json").read_text())

    assert request == {"task_id": run().key, "parameters": {"gain": 2.5}, "files": [], "config": {"kV": 200}}  # fmt: skip
    assert (manifest["namespace"], manifest["name"], manifest["uid"]) == ("lab", "one", "u")
    assert exchange.seen() == (State.WAITING, "WaitingForResult")
    (exchange.folder / "image.raw").write_bytes(b"1234")
    exchange.result('{"status": "COMPLETED", "data": {"dose": 3}, "files": ["image.raw"]}')
    assert exchange.seen()[0] is State.SUCCEEDED
    result = called(exchange.calling, Method.COLLECT, handle=exchange.handle).result
    assert result is not None
    assert result.results == {"dose": 3}
    assert [(one.path, one.bytes) for one in result.artifacts] == [("image.raw", 4)]


def test_half_a_result_is_not_ready_and_a_wrong_one_is_to_be_corrected(exchange: Exchange):
    exchange.result('{"status": "COMP')
    exchange.time = (exchange.folder / "experiment_result.json").stat().st_mtime + 1
    half = exchange.seen()
    exchange.time += 60
    settled = exchange.seen()
    exchange.result('{"status": "COMPLETED", "files": ["gone.raw"]}')
    missing = exchange.seen()
    exchange.result('{"status": "COMPLETED", "files": ["../../../secret"]}')
    outside = exchange.seen()
    exchange.result('{"status": "WAITING"}')
    waiting = exchange.seen()
    exchange.result('{"status": "FAILED", "error": "no vacuum"}')

    assert half == waiting == (State.WAITING, "WaitingForResult")
    assert settled == missing == outside == (State.WAITING, "InvalidResponse")
    assert exchange.seen() == (State.FAILED, "ExperimentFailed")


def test_a_result_that_is_a_link_is_not_read(exchange: Exchange, tmp_path: Path):
    (tmp_path / "secret").write_text('{"status": "COMPLETED"}')
    (exchange.folder / "experiment_result.json").symlink_to(tmp_path / "secret")

    assert exchange.seen() == (State.WAITING, "InvalidResponse")


def test_a_cancelled_exchange_says_so_and_a_lookup_finds_one(exchange: Exchange, tmp_path: Path):
    assert called(exchange.calling, Method.CANCEL, handle=exchange.handle).stopped
    assert (exchange.folder / "cancelled.json").is_file()
    assert called(exchange.calling, Method.LOOKUP, run=run()).handle == exchange.handle
    (exchange.folder / ".interact" / "submit.json").unlink()
    found = called(exchange.calling, Method.LOOKUP, run=run()).handle
    assert found is not None
    assert found.external_id == run().key
    assert called(exchange.calling, Method.LOOKUP, run=run(attempt=2)).handle is None
