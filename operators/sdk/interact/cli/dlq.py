"""`interact dlq`: look at dead letters, send them again, drop them."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from interact._errors import BrokerError
from interact.cli import dlq_text, reach
from interact.cli.cluster.options import (
    ContextOption,
    KubeconfigOption,
    LocalOption,
    NamespaceOption,
    NatsNamespaceOption,
    NatsOption,
    NatsTokenFileOption,
    PipelineArgument,
    Where,
)
from interact.cli.dlq_letters import Box, Choice
from interact.cli.exits import CommandError, Exit
from interact.cli.reach import Asking

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)


class Form(StrEnum):
    """How letters are printed."""

    TEXT = "text"
    JSON = "json"


FormOption = Annotated[
    Form, typer.Option("--output", "-o", help="text for people, json for programs.")
]
NumbersArgument = Annotated[
    list[int] | None, typer.Argument(metavar="[ID]...", min=1, help="Numbers that list shows.")
]
OperatorOption = Annotated[
    str, typer.Option("--operator", metavar="NAME", help="Only letters of this operator.")
]
ScanOption = Annotated[str, typer.Option("--scan", metavar="ID", help="Only of this scan.")]
AllOption = Annotated[
    bool, typer.Option("--all", help="All of them, or all that the filters leave.")
]

_LIST_HELP = """List dead letters: frames that could not be processed, with the reason.

\b
Examples:
  interact dlq list demo
  interact dlq list demo --operator count --scan 20260101-a
  interact dlq list demo -o json
"""
_SHOW_HELP = """Tell everything about one dead letter.

\b
Examples:
  interact dlq show demo 17
  interact dlq show demo 17 --save frame.npz     and write the frame

The file has the frame's arrays by name, the frame numbers as index, and the
facts of the letter as JSON in facts. A message nobody could read is payload.
"""
_REDRIVE_HELP = """Send dead letters again, once what was wrong is mended.

\b
Examples:
  interact dlq redrive demo 17
  interact dlq redrive demo --all --operator count
  interact dlq redrive demo --all --dry-run

A letter is removed once its frame is stored in the stream it came from. Only
the operator that failed takes it; results it belongs to are corrected, also
of scans that are over. A frame that fails again is a dead letter again.
"""
_DROP_HELP = """Remove dead letters for good.

\b
Examples:
  interact dlq drop demo 17
  interact dlq drop demo --all --scan 20260101-a --yes
"""


@asynccontextmanager
async def _box(pipeline: str, asked: Asking) -> AsyncIterator[Box]:
    async with reach.reached(pipeline, asked) as found:
        yield Box(found.broker, found.namespace, found.pipeline)


def _run(work: Coroutine[None, None, None]) -> None:
    try:
        asyncio.run(work)
    except BrokerError as error:
        raise CommandError(Exit.NO_NATS, str(error)) from error


def _choice(
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


@app.command("list", help=_LIST_HELP)
def list_letters(
    pipeline: PipelineArgument,
    operator: OperatorOption = "",
    scan: ScanOption = "",
    output: FormOption = Form.TEXT,
    local: LocalOption = None,
    nats: NatsOption = "",
    nats_token_file: NatsTokenFileOption = None,
    nats_namespace: NatsNamespaceOption = "",
    namespace: NamespaceOption = "",
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = "",
) -> None:
    where = Where(kubeconfig, context, namespace)
    asked = Asking(where, local, nats, nats_token_file, nats_namespace)
    _run(_list(pipeline, asked, Choice((), operator, scan), output))


async def _list(pipeline: str, asked: Asking, choice: Choice, output: Form) -> None:
    async with _box(pipeline, asked) as box:
        letters = [one async for one in box.letters(choice)]
    if output is Form.JSON:
        typer.echo(json.dumps([dlq_text.document(one) for one in letters], indent=2))
    elif letters:
        for line in dlq_text.table(letters, datetime.now(UTC)):
            typer.echo(line)
    else:
        typer.echo(f"pipeline {pipeline!r} has no such dead letters", err=True)


@app.command(help=_SHOW_HELP)
def show(
    pipeline: PipelineArgument,
    number: Annotated[int, typer.Argument(metavar="ID", min=1, help="Number that list shows.")],
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Write the frame as .npz.")
    ] = None,
    output: FormOption = Form.TEXT,
    local: LocalOption = None,
    nats: NatsOption = "",
    nats_token_file: NatsTokenFileOption = None,
    nats_namespace: NatsNamespaceOption = "",
    namespace: NamespaceOption = "",
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = "",
) -> None:
    where = Where(kubeconfig, context, namespace)
    asked = Asking(where, local, nats, nats_token_file, nats_namespace)
    _run(_show(pipeline, asked, number, save, output))


async def _show(pipeline: str, asked: Asking, number: int, save: Path | None, output: Form) -> None:
    async with _box(pipeline, asked) as box:
        [one] = await box.chosen(Choice((number,)))
    if output is Form.JSON:
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


@app.command(help=_REDRIVE_HELP)
def redrive(
    pipeline: PipelineArgument,
    numbers: NumbersArgument = None,
    all_of_them: AllOption = False,
    operator: OperatorOption = "",
    scan: ScanOption = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be sent; send nothing.")
    ] = False,
    local: LocalOption = None,
    nats: NatsOption = "",
    nats_token_file: NatsTokenFileOption = None,
    nats_namespace: NatsNamespaceOption = "",
    namespace: NamespaceOption = "",
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = "",
) -> None:
    where = Where(kubeconfig, context, namespace)
    asked = Asking(where, local, nats, nats_token_file, nats_namespace)
    choice = _choice(numbers, operator, scan, all_of_them, "send again")
    _run(_redrive(pipeline, asked, choice, dry_run=dry_run))


async def _redrive(pipeline: str, asked: Asking, choice: Choice, *, dry_run: bool) -> None:
    async with _box(pipeline, asked) as box:
        chosen = await box.chosen(choice)
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


@app.command(help=_DROP_HELP)
def drop(
    pipeline: PipelineArgument,
    numbers: NumbersArgument = None,
    all_of_them: AllOption = False,
    operator: OperatorOption = "",
    scan: ScanOption = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    local: LocalOption = None,
    nats: NatsOption = "",
    nats_token_file: NatsTokenFileOption = None,
    nats_namespace: NatsNamespaceOption = "",
    namespace: NamespaceOption = "",
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = "",
) -> None:
    where = Where(kubeconfig, context, namespace)
    asked = Asking(where, local, nats, nats_token_file, nats_namespace)
    choice = _choice(numbers, operator, scan, all_of_them, "drop")
    _run(_drop(pipeline, asked, choice, yes=yes))


async def _drop(pipeline: str, asked: Asking, choice: Choice, *, yes: bool) -> None:
    async with _box(pipeline, asked) as box:
        chosen = await box.chosen(choice)
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
