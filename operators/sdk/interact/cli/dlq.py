"""`interact dlq`: look at dead letters, send them again, drop them."""

from pathlib import Path
from typing import Annotated

import typer

from interact.cli.asking import Asking, anywhere
from interact.cli.cluster.options import PipelineArgument
from interact.cli.outputs import Output, ShortOutputOption

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)


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


@app.command("list", help=_LIST_HELP)
@anywhere
def list_letters(
    asked: Asking,
    pipeline: PipelineArgument,
    operator: OperatorOption = "",
    scan: ScanOption = "",
    output: ShortOutputOption = Output.TEXT,
) -> None:
    from interact.cli import dlq_work
    from interact.cli.dlq_letters import Choice

    which = Choice((), operator, scan)
    dlq_work.run(dlq_work.list_letters(pipeline, asked, which, as_json=output is Output.JSON))


@app.command(help=_SHOW_HELP)
@anywhere
def show(
    asked: Asking,
    pipeline: PipelineArgument,
    number: Annotated[int, typer.Argument(metavar="ID", min=1, help="Number that list shows.")],
    save: Annotated[
        Path | None, typer.Option("--save", metavar="FILE", help="Write the frame as .npz.")
    ] = None,
    output: ShortOutputOption = Output.TEXT,
) -> None:
    from interact.cli import dlq_work

    dlq_work.run(dlq_work.show(pipeline, asked, number, save, as_json=output is Output.JSON))


@app.command(help=_REDRIVE_HELP)
@anywhere
def redrive(
    asked: Asking,
    pipeline: PipelineArgument,
    numbers: NumbersArgument = None,
    all_of_them: AllOption = False,
    operator: OperatorOption = "",
    scan: ScanOption = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would be sent; send nothing.")
    ] = False,
) -> None:
    from interact.cli import dlq_work

    which = dlq_work.choice(numbers, operator, scan, all_of_them, "send again")
    dlq_work.run(dlq_work.redrive(pipeline, asked, which, dry_run=dry_run))


@app.command(help=_DROP_HELP)
@anywhere
def drop(
    asked: Asking,
    pipeline: PipelineArgument,
    numbers: NumbersArgument = None,
    all_of_them: AllOption = False,
    operator: OperatorOption = "",
    scan: ScanOption = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    from interact.cli import dlq_work

    which = dlq_work.choice(numbers, operator, scan, all_of_them, "drop")
    dlq_work.run(dlq_work.drop(pipeline, asked, which, yes=yes))
