"""`interact scan`: the scans of a pipeline that runs; abort one, or skip it."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Annotated

import typer

from interact._errors import BrokerError
from interact._orders import Action
from interact.cli import reach, scan_view
from interact.cli.asking import Asking, anywhere
from interact.cli.cluster.options import PipelineArgument
from interact.cli.exits import CommandError, Exit
from interact.cli.outputs import Output, ShortOutputOption
from interact.cli.scan_view import Scans, ScanState

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)


ScanArgument = Annotated[
    str, typer.Argument(metavar="[SCAN]", help="Id of the scan; the one under way without.")
]

_LIST_HELP = """List the scans of a pipeline, and how far they are.

\b
Examples:
  interact scan list demo
  interact scan list demo -o json
"""
_ABORT_HELP = """End a scan now, with the result of what there is of it.

\b
Examples:
  interact scan abort demo                    the one under way
  interact scan abort demo 3f2a81c09b7d-reader-4

The source goes on with its next scan; what of the aborted one is under way is
dropped. Results are labelled incomplete, and frames that did not come are
missing as aborted.
"""
_SKIP_HELP = """End a scan now, without a result.

\b
Examples:
  interact scan skip demo                     the one under way
  interact scan skip demo 3f2a81c09b7d-reader-4

The source goes on with its next scan. Pictures that were shown while the scan
ran stay until the next ones.
"""


def _run(work: Coroutine[None, None, None]) -> None:
    try:
        asyncio.run(work)
    except BrokerError as error:
        raise CommandError(Exit.NO_NATS, str(error)) from error


@app.command("list", help=_LIST_HELP)
@anywhere
def list_scans(
    asked: Asking,
    pipeline: PipelineArgument,
    output: ShortOutputOption = Output.TEXT,
) -> None:
    _run(_list(pipeline, asked, output))


@app.command("abort", help=_ABORT_HELP)
@anywhere
def abort(
    asked: Asking,
    pipeline: PipelineArgument,
    scan: ScanArgument = "",
) -> None:
    _run(_order(pipeline, asked, scan, Action.ABORT))


@app.command("skip", help=_SKIP_HELP)
@anywhere
def skip(
    asked: Asking,
    pipeline: PipelineArgument,
    scan: ScanArgument = "",
) -> None:
    _run(_order(pipeline, asked, scan, Action.SKIP))


async def _list(pipeline: str, asked: Asking, output: Output) -> None:
    async with reach.reached(pipeline, asked) as found:
        known = await Scans(found.broker, found.namespace, found.pipeline).known()
    if output is Output.JSON:
        typer.echo(json.dumps([_document(scan) for scan in known], indent=1))
        return
    typer.echo(_table(known))


def _document(scan: ScanState) -> dict[str, object]:
    said: dict[str, object] = {
        "id": scan.id, "state": scan.words, "covered": scan.covered, "total": scan.total,
        "missing": dict(scan.missing),
    }  # fmt: skip
    if scan.order is not None:
        order = scan.order
        said["order"] = {"action": str(order.action), "by": order.by, "at": order.at}
    return said


def _table(known: list[ScanState]) -> str:
    rows = [("SCAN", "COVERED", "TOTAL", "STATE")]
    rows += [(one.id, f"{one.covered:,}", f"{one.total:,}", one.words) for one in known]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}  {d}" for a, b, c, d in rows
    )


async def _order(pipeline: str, asked: Asking, wanted: str, action: Action) -> None:
    async with reach.reached(pipeline, asked) as found:
        scans = Scans(found.broker, found.namespace, found.pipeline)
        scan = scan_view.chosen(await scans.known(), wanted)
        await scans.give(scan, action)
    typer.echo(
        f"scan {scan.id} of {pipeline} is {action.reason}, at {scan.covered:,} of {scan.total:,} frames"
    )
