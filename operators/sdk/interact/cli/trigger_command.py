"""`interact trigger`: have a running operator do something, and tell what came of it."""

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import typer
from interact_api import calls, names
from interact_api.calls import Answer, ArgumentsError, Call, Outcome
from interact_api.operator import InteractOperator, Trigger, TriggerAudience
from interact_api.plain import entries, mapping
from interact_api.problem import listed
from pydantic import ValidationError

from interact._errors import BrokerError, NobodyListens
from interact._jetstream._talking import Talk
from interact.cli.asking import Asking
from interact.cli.cluster import changes, kinds, objects
from interact.cli.cluster.objects import Place
from interact.cli.exits import CommandError, Exit
from interact.cli.local_words import author
from interact.cli.reach import Reach, reached

LOOK_SECONDS = 30.0
MARGIN_SECONDS = 2.0
"""Longer than an answer may take: a replica that cannot begin in time says so then."""
EXITS = {
    Outcome.DONE: Exit.COMPLETE,
    Outcome.FAILED: Exit.FAILED,
    Outcome.REFUSED: Exit.INVALID,
    Outcome.NOT_RUNNING: Exit.NOT_FOUND,
    Outcome.UNKNOWN: Exit.TIMEOUT,
}
GRAVITY = (Outcome.UNKNOWN, Outcome.FAILED, Outcome.REFUSED, Outcome.NOT_RUNNING)
"""The first of these that any replica says is how the command ends."""


@dataclass(frozen=True)
class Target:
    """A trigger of an operator that runs.

    Attributes:
        operator: The operator's name in the pipeline.
        trigger: What is called.
        replicas: How many are to answer.
    """

    operator: str
    trigger: Trigger
    replicas: int


def trigger(
    pipeline: str, name: str, texts: Sequence[str], asked: Asking,
    seconds: float, call_id: str, *, as_json: bool,
) -> None:  # fmt: skip
    """Call a trigger and print what the replicas answer.

    Raises:
        CommandError: If it does not exist, takes other arguments, or any replica did not do it.
    """
    given = _given(texts)
    call = Call(call_id or secrets.token_hex(8), given, seconds, author())
    answers = asyncio.run(_call(pipeline, name, call, asked))
    if as_json:
        typer.echo(json.dumps([msgspec.to_builtins(one) for one in answers], indent=1))
    worst = next((one for one in GRAVITY if any(a.outcome is one for a in answers)), Outcome.DONE)
    lines = [line for one in answers for line in _lines(one, alone=len(answers) == 1)]
    if worst is Outcome.DONE:
        typer.echo("\n".join(lines) if not as_json else "", nl=not as_json)
        return
    if worst is Outcome.UNKNOWN:
        lines.append(f"ask for the answer, without another call: --id {call.id}")
    raise CommandError(EXITS[worst], *([] if as_json else lines))


def _given(texts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    problems = []
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            problems.append(f"{text}: write it as argument=value")
        elif key in found:
            problems.append(f"{text}: {key} is given twice; remove one")
        found[key] = value
    if problems:
        raise CommandError(Exit.USAGE, *problems)
    return found


async def _call(pipeline: str, name: str, call: Call, asked: Asking) -> list[Answer]:
    operator, dot, trigger_name = name.partition(".")
    if not dot or not trigger_name:
        raise CommandError(Exit.USAGE, f"{name}: write it as operator.trigger")
    async with reached(pipeline, asked) as reach:
        target = await _target(reach, operator, trigger_name)
        try:
            calls.arguments(target.trigger.parameters, call.arguments)
        except ArgumentsError as error:
            raise CommandError(Exit.INVALID, *(one.message for one in error.problems)) from error
        return await answers(reach, target, call)


async def answers(reach: Reach, target: Target, call: Call) -> list[Answer]:
    """What the replicas answer, by their number; one that says nothing in time is unknown.

    Raises:
        CommandError: If the connection is lost.
    """
    subject = names.trigger_subject(
        reach.namespace, reach.pipeline, target.operator, target.trigger.name
    )
    expected = 1 if target.trigger.audience is TriggerAudience.ONE else max(target.replicas, 1)
    found: dict[int, Answer] = {}
    try:
        async for payload in Talk(reach.broker).ask_all(
            subject, calls.encode(call), call.seconds + MARGIN_SECONDS
        ):
            answer = calls.answer(payload)
            found[answer.replica] = answer
            if len(found) >= expected:
                break
    except NobodyListens as error:
        words = f"{reach.pipeline}: no replica of {target.operator!r} runs; it was not executed"
        raise CommandError(Exit.NOT_FOUND, words) from error
    except BrokerError as error:
        raise CommandError(Exit.NO_NATS, str(error)) from error
    silent = expected - len(found)
    words = f"no answer within {call.seconds:g} s; whether it was executed is not known"
    unknown = [Answer(call.id, -1, Outcome.UNKNOWN, error=words)] * silent
    return [*(found[number] for number in sorted(found)), *unknown]


async def _target(reach: Reach, operator: str, name: str) -> Target:
    resource, manifests = await _told(reach, operator)
    known = [one["name"] for one in entries(mapping(resource.get("spec")).get("operators"))]
    if operator not in known:
        words = f"pipeline {reach.pipeline!r} has no operator {operator!r}; it has {listed(known)}"
        raise CommandError(Exit.INVALID, words)
    try:
        declared = InteractOperator.model_validate(manifests[operator]).spec.triggers
    except ValidationError as error:
        words = f"{operator} is declared in a way that this version of interact does not know"
        raise CommandError(Exit.INVALID, words) from error
    found = next((one for one in declared if one.name == name), None)
    if found is None:
        names_ = listed(one.name for one in declared)
        there = f"it has {names_}" if declared else "it has none"
        raise CommandError(Exit.INVALID, f"{operator} has no trigger {name!r}; {there}")
    state: Mapping[str, Any] = next(
        (
            one
            for one in entries(mapping(resource.get("status")).get("operators"))
            if one.get("name") == operator
        ),
        {},
    )
    return Target(operator, found, int(state.get("ready", 0)))


async def _told(reach: Reach, operator: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The pipeline with its status, and what its operator is, by its name in the pipeline."""
    if reach.place is not None:
        manifests = {
            name: objects.read(Place(reach.place.api, namespace), kinds.OPERATOR, reference)
            for name, (namespace, reference) in changes.references(
                reach.resource, [operator]
            ).items()
        }
        return reach.resource, manifests
    subject = names.control_subject(reach.namespace, reach.pipeline)
    try:
        told = await Talk(reach.broker).ask(subject, b'{"word": "look"}', LOOK_SECONDS)
    except BrokerError as error:
        raise CommandError(Exit.NOT_FOUND, f"{reach.pipeline}: the run has ended") from error
    said: dict[str, Any] = json.loads(told)
    return said["resource"], said["operators"]


def _lines(answer: Answer, *, alone: bool) -> list[str]:
    """An answer for people."""
    who = "" if alone or answer.replica < 0 else f"replica {answer.replica}: "
    if answer.outcome is Outcome.DONE:
        sent = f", {answer.published} pictures sent" if answer.published else ""
        again = ", as answered before" if answer.repeated else ""
        text = "done" if answer.result is None else json.dumps(answer.result, ensure_ascii=False)
        return [f"{who}{text}{sent}{again}"]
    return [
        f"{who}{answer.outcome}: {answer.error}" if answer.error else f"{who}{answer.outcome}",
        *(f"{who}{one.pointer}: {one.message}" for one in answer.problems),
    ]
