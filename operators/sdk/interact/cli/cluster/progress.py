"""Whether what was asked of a pipeline has come about, judged by its status."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from interact_api.plain import entries, mapping

from interact.cli.cluster.api import Object
from interact.cli.exits import CommandError, Exit


@dataclass(frozen=True)
class Progress:
    """How far it is: done, or what is still missing, for people."""

    done: bool
    words: str


Judge = Callable[[Object], Progress]
"""Judges a pipeline; raises `CommandError` where waiting longer is of no use."""


def suspended(pipeline: Object) -> Progress:
    """Whether every operator is stopped."""
    return _stopped(pipeline, "Suspended", "Completed", "Pending")


def running(pipeline: Object) -> Progress:
    """Whether the pipeline is ready, and not suspended."""
    ready = _condition(pipeline, "Ready")
    at_work = _phase(pipeline) not in {"Suspended", "Draining"}
    done = ready.get("status") == "True" and at_work
    words = f"{ready.get('reason', 'not ready')}: {ready.get('message', '')}".rstrip(": ")
    return Progress(done, "ready" if done else words)


def drained(pipeline: Object) -> Progress:
    """Whether the controller says that nothing is in flight any more, or nothing ever ran."""
    if _condition(pipeline, "Completed").get("status") == "True":
        return Progress(done=True, words="completed")
    if any(one.get("reason") == "Drained" for one in _status(pipeline, "conditions")):
        return Progress(done=True, words="drained")
    pending = sum(edge.get("pendingMessages", 0) for edge in _status(pipeline, "edges"))
    stopped = _stopped(pipeline, "Pending")
    if stopped.done and not pending:
        return Progress(done=True, words="nothing has run")
    return Progress(False, f"{_counted(pending, 'message')} pending, {stopped.words}")


def scaled(wanted: Mapping[str, int]) -> Judge:
    """Whether so many replicas of each operator are ready."""

    def judge(pipeline: Object) -> Progress:
        states = _states(pipeline)
        open_ = [
            f"{name} {states.get(name, {}).get('ready', 0)}/{number}"
            for name, number in wanted.items()
            if states.get(name, {}).get("replicas") != number
            or states.get(name, {}).get("ready") != number
        ]
        return Progress(not open_, f"ready: {', '.join(open_)}" if open_ else "all are ready")

    return judge


def refusals(pipeline: Object) -> frozenset[tuple[str, str, str]]:
    """The values operators do not take: operator, parameter, and why."""
    return frozenset(
        (name, str(one.get("name")), str(one.get("message")))
        for name, state in _states(pipeline).items()
        for one in entries(state.get("refusedParameters"))
    )


def in_effect(
    revision: int,
    wanted: Mapping[str, Sequence[str]],
    before: frozenset[tuple[str, str, str]] = frozenset(),
) -> Judge:
    """Whether operators work with a revision of their parameters.

    Args:
        revision: The pipeline's generation that set them.
        wanted: The parameters that were set, by operator.
        before: The refusals that were told before; they are about other values.
    """

    def judge(pipeline: Object) -> Progress:
        states = _states(pipeline)
        refused = [
            f"{name}.{parameter} is refused: {message}"
            for name, parameter, message in sorted(refusals(pipeline) - before)
            if parameter in wanted.get(name, ())
        ]
        if refused:
            raise CommandError(Exit.INVALID, *refused)
        if _phase(pipeline) in {"Suspended", "Completed"}:
            words = f"the pipeline is {_phase(pipeline).lower()}: no operator runs"
            raise CommandError(Exit.STALLED, f"{words}; the values are kept for when it does")
        late = [
            f"{name} has revision {states.get(name, {}).get('parameterRevision', 0)}"
            for name in wanted
            if states.get(name, {}).get("parameterRevision", 0) < revision
        ]
        return Progress(not late, ", ".join(late) or f"revision {revision} is in effect")

    return judge


def seen(judge: Judge, generation: int) -> Judge:
    """The same, once the controller has seen a generation and can go on with it.

    Raises:
        CommandError: By the judge, if a condition says that it cannot go on.
    """

    def first(pipeline: Object) -> Progress:
        status = mapping(pipeline.get("status"))
        if status.get("observedGeneration", 0) < generation:
            return Progress(False, "the controller has not seen the change yet")
        stalled = _condition(pipeline, "Stalled")
        if stalled.get("status") == "True":
            words = f"{stalled.get('reason')}: {stalled.get('message', '')}"
            raise CommandError(Exit.STALLED, f"it cannot go on: {words}")
        return judge(pipeline)

    return first


def _stopped(pipeline: Object, *phases: str) -> Progress:
    """Whether no operator runs, and the controller knows why."""
    left = sum(one.get("ready", 0) for one in _status(pipeline, "operators"))
    planned = sum(one.get("replicas", 0) for one in _status(pipeline, "operators"))
    done = left == 0 and planned == 0 and _phase(pipeline) in phases
    return Progress(done, "stopped" if done else f"{_counted(max(left, planned), 'replica')} left")


def _status(pipeline: Object, field: str) -> list[Object]:
    return entries(mapping(pipeline.get("status")).get(field))


def _states(pipeline: Object) -> dict[str, Object]:
    return {one["name"]: one for one in _status(pipeline, "operators")}


def _phase(pipeline: Object) -> str:
    return str(mapping(pipeline.get("status")).get("phase", ""))


def _condition(pipeline: Object, kind: str) -> Object:
    return next((one for one in _status(pipeline, "conditions") if one.get("type") == kind), {})


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
