"""What the commands on dead letters do, once it is known where the pipeline runs."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import typer
from interact_api.conditions import ConditionType
from interact_api.plain import entries, mapping

from interact._errors import BrokerError
from interact._redrive import RedriveError
from interact.cli import dlq_text, reach
from interact.cli.asking import Asking
from interact.cli.cluster.api import Object
from interact.cli.dlq_letters import Box, Choice
from interact.cli.exits import CommandError, Exit


@asynccontextmanager
async def _box(pipeline: str, asked: Asking, *, sends: bool = False) -> AsyncIterator[Box]:
    async with reach.reached(pipeline, asked) as found:
        if sends:
            check_awake(found.resource)
        yield Box(found.broker, found.namespace, found.pipeline)


def check_awake(resource: Object) -> None:
    """Refuse to send to a pipeline of a cluster whose pods are gone for good.

    Raises:
        CommandError: If it is completed, or being deleted.
    """
    about = mapping(resource.get("metadata"))
    said = entries(mapping(resource.get("status")).get("conditions"))
    completed = any(
        one.get("type") == ConditionType.COMPLETED and one.get("status") == "True" for one in said
    )
    if completed or about.get("deletionTimestamp"):
        raise CommandError(
            Exit.INVALID,
            f"pipeline {about.get('name')!r} is over: no operator would take the frames, so the "
            "letters are kept",
            "save what you need with interact dlq show --save, or run the pipeline again",
        )


def run(work: Coroutine[None, None, None]) -> None:
    """Do it; errors of NATS become those of a command."""
    try:
        asyncio.run(work)
    except BrokerError as error:
        raise CommandError(Exit.NO_NATS, str(error)) from error
    except RedriveError as error:
        raise CommandError(Exit.NOT_FOUND, str(error)) from error


def choice(
    numbers: list[int] | None, operator: str, scan: str, all_of_them: bool, command: str
) -> Choice:
    """What is chosen to be changed; it must be said."""
    if numbers and all_of_them:
        raise CommandError(Exit.USAGE, "give either numbers or --all")
    if not numbers and not all_of_them:
        raise CommandError(
            Exit.USAGE, f"name the letters to {command} by their numbers, or give --all"
        )
    return Choice(tuple(numbers or ()), operator, scan)


async def list_letters(pipeline: str, asked: Asking, chosen: Choice, *, as_json: bool) -> None:
    """Print the letters of a pipeline."""
    async with _box(pipeline, asked) as box:
        letters = [one async for one in box.letters(chosen)]
    if as_json:
        typer.echo(json.dumps([dlq_text.document(one) for one in letters], indent=2))
    elif letters:
        for line in dlq_text.table(letters, datetime.now(UTC)):
            typer.echo(line)
    else:
        typer.echo(f"pipeline {pipeline!r} has no such dead letters", err=True)


async def show(
    pipeline: str, asked: Asking, number: int, save: Path | None, *, as_json: bool
) -> None:
    """Print one letter, and write its frame."""
    async with _box(pipeline, asked) as box:
        [one] = await box.chosen(Choice((number,)))
        one = await box.whole(one) if save is not None else one
    if as_json:
        typer.echo(json.dumps(dlq_text.document(one), indent=2))
    else:
        for line in dlq_text.text(one, datetime.now(UTC)):
            typer.echo(line)
    if save is not None:
        await asyncio.to_thread(_save, save, dlq_text.archive(one))


def _save(file: Path, frame: bytes) -> None:
    try:
        file.write_bytes(frame)
    except OSError as error:
        raise CommandError(Exit.USAGE, f"--save {file}: {error.strerror}") from error
    typer.echo(f"written: {file}", err=True)


async def redrive(pipeline: str, asked: Asking, which: Choice, *, dry_run: bool) -> None:
    """Send letters again, and tell of each."""
    async with _box(pipeline, asked, sends=not dry_run) as box:
        chosen = await box.chosen(which)
        sent = refused = 0
        async for done in box.send_again(chosen, dry_run=dry_run):
            one = done.letter
            if done.refused:
                refused += 1
                typer.echo(f"{one.sequence} kept: {dlq_text.plain(done.refused)}", err=True)
                continue
            sent += 1
            what = f"frames {one.frames} of scan {one.scan}" if one.scan else "the message"
            word = "would be sent" if dry_run else "sent"
            typer.echo(f"{one.sequence} {word}: {what} to {one.operator}.{one.port}")
    if refused:
        raise CommandError(
            Exit.INCOMPLETE, f"{sent} of {sent + refused} letters sent again, {refused} kept"
        )
    if not sent:
        typer.echo(f"pipeline {pipeline!r} has no such dead letters", err=True)


async def drop(pipeline: str, asked: Asking, which: Choice, *, yes: bool) -> None:
    """Remove letters, once a person agrees."""
    async with _box(pipeline, asked) as box:
        chosen = await box.chosen(which)
        if not chosen:
            typer.echo(f"pipeline {pipeline!r} has no such dead letters", err=True)
            return
        letters = f"{len(chosen):,} dead letter{'' if len(chosen) == 1 else 's'}"
        if not yes and not await asyncio.to_thread(_agreed, letters):
            raise CommandError(Exit.USAGE, "nothing was dropped; --yes does it without a question")
        for one in chosen:
            await box.remove(one)
        typer.echo(f"{letters} dropped")


def _agreed(letters: str) -> bool:
    """Ask a person; nobody to ask is no."""
    try:
        return typer.confirm(f"Remove {letters} and their frames for good?")
    except typer.Abort:
        return False
