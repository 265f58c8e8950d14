"""External operators: a class with four methods that speaks to a system of its own."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from interact_api.external import Input, Key
from interact_api.lifecycle import RunPhase
from pydantic import BaseModel, ConfigDict, JsonValue

ExternalRunStatus = RunPhase
"""CREATED, SUBMITTED, RUNNING, WAITING_EXTERNAL, COMPLETED, FAILED, CANCELLED."""


@dataclass(frozen=True)
class RunHandle:
    """Where a run lives.

    Attributes:
        run_id: The run's uid.
        root_path: The folder it may write below; nothing else.
        namespace: The run's.
        name: The run's.
    """

    run_id: str
    root_path: Path
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True)
class Task:
    """What a run asks for.

    Attributes:
        task_id: The key of this attempt: give it to the other system, and find the work by it.
        parameters: By name.
        inputs: What the work reads.
        attempt: Which attempt, from 1.
        config: What the run says to its driver.
    """

    task_id: Key
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])
    inputs: tuple[Input, ...] = ()
    attempt: int = 1
    config: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def custom_parameters(self) -> dict[str, Any]:
        """The parameters."""
        return self.parameters


class ExternalRunHandle(BaseModel):
    """What finds the work again: plain JSON, kept with the run, so it holds no secret.

    Attributes:
        task_id: The key of the attempt.
        operator_type: The class.
        external_id: The work's name on the other system, once it has one.
        status: How the work stands.
        operator_data: What else the class has to know.
        relative_path: The work's folder, below the run's.
        reason: Why it stands like that, in one word.
        message: Why, for people.
    """

    model_config = ConfigDict(validate_assignment=True)

    task_id: str
    operator_type: str = ""
    external_id: str | None = None
    status: ExternalRunStatus = ExternalRunStatus.CREATED
    operator_data: dict[str, JsonValue] = {}
    relative_path: Path | None = None
    reason: str = ""
    message: str = ""


class OperatorResult(BaseModel):
    """What the work has left.

    Attributes:
        task_id: The key of the attempt.
        status: How it ended; FAILED makes the run fail.
        data: Results, as JSON.
        files: Files below the run's folder, by name.
        error_message: Why it failed.
    """

    task_id: str = ""
    status: ExternalRunStatus = ExternalRunStatus.COMPLETED
    data: dict[str, JsonValue] = {}
    files: dict[str, Path] = {}
    error_message: str | None = None


class ExternalOperator(ABC):
    """A way of doing work on another system; subclass it and call ``main`` in ``run.py``.

    Methods are called one at a time. What they raise is told: `interact.TransientError` says that
    nothing happened and the call is to be made again, `interact.InputError` that it never will.
    Anything else from ``submit`` leaves open whether the work has begun.
    """

    @abstractmethod
    def prepare_run(self, run: RunHandle, task: Any) -> ExternalRunHandle:
        """Make ready what the submit needs; may be called again, and gives the same then."""

    @abstractmethod
    def submit(self, handle: ExternalRunHandle) -> ExternalRunHandle:
        """Begin the work and set ``external_id``; not called again once it returned."""

    @abstractmethod
    def check_status(self, handle: ExternalRunHandle) -> ExternalRunHandle:
        """Set ``status`` to how the work stands; leave it where that is not known."""

    @abstractmethod
    def collect_results(self, handle: ExternalRunHandle) -> OperatorResult:
        """The results of work that is COMPLETED."""

    def lookup(self, run: RunHandle, task: Any) -> ExternalRunHandle | None:
        """The work with ``task.task_id`` if the other system has it; for repeat: Lookup."""
        return None

    def cancel(self, handle: ExternalRunHandle) -> bool:
        """Stop the work; True once it is known to have ended."""
        return self.check_status(handle).status in {
            ExternalRunStatus.COMPLETED, ExternalRunStatus.FAILED, ExternalRunStatus.CANCELLED,
        }  # fmt: skip

    def validate(self, run: RunHandle, task: Any) -> list[str]:
        """What is wrong with the parameters, in words for people; empty if nothing is."""
        return []

    @classmethod
    def main(cls) -> None:
        """Take calls for the run this pod was made for, until nobody asks any more."""
        from interact import external_serving

        external_serving.main(cls())
