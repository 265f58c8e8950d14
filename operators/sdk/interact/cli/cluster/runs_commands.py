"""`interact runs`: what each command takes, and how it is explained."""

import sys
from dataclasses import replace
from typing import Annotated

import typer

from interact.cli.asking import on_a_cluster
from interact.cli.cluster.options import (
    AllOption,
    Answer,
    Form,
    SelectorOption,
    Where,
)
from interact.cli.outputs import Output, ShortOutputOption

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Name of the run.")]
RunsArgument = Annotated[list[str], typer.Argument(metavar="RUN...", help="Names of runs.")]
AnswerOption = Annotated[
    Answer | None, typer.Option("--output", "-o", help="Print the run instead of a sentence.")
]

_LIST_HELP = """List external runs.

\b
Examples:
  interact runs list                     driver, phase, external id, attempt, age
  interact runs list -A -o wide          everywhere, with reasons and systems
  interact runs list -o json             for programs
  interact runs list -w                  and every change

The columns are the cluster's, as kubectl get xrun shows them.
"""
_SHOW_HELP = """Tell everything about external runs.

\b
Examples:
  interact runs show reduce-1            attempts, results, artifacts, events
  interact runs show reduce-1 -o json
"""
_LOGS_HELP = """Print what the pods of a run have said.

\b
Examples:
  interact runs logs reduce-1
  interact runs logs reduce-1 --attempt 1 --tail 20

Work on another system has its log there; the command tells under which name.
"""
_ANSWER_HELP = """Answer a run that waits for a person.

\b
Examples:
  interact runs answer judge-1                       asked field by field
  interact runs answer judge-1 --value verdict=accept --value dose=3
  interact runs answer judge-1 --file answer.yaml
  interact runs answer judge-1 --failed "no sample in the holder"

The answer is checked against the run's form first, a JSON Schema. The first
valid answer wins; one that is not valid may be followed by another.
"""
_CANCEL_HELP = """Stop the work of runs; there is no way back.

\b
Example:
  interact runs cancel reduce-1
"""
_RETRY_HELP = """Make another run that asks for the same as one that has ended.

\b
Examples:
  interact runs retry reduce-1                       makes reduce-1-r2
  interact runs retry reduce-1 --name reduce-again

The run that has ended stays as it is, with its results.
"""
_EXPORT_HELP = """Write the evidence of a run as a tar file.

\b
Examples:
  interact runs export reduce-1 --out reduce-1.tar
  interact runs export reduce-1 --out reduce-1.tar -o json

It has the run's specification, status, answers and results, the SHA-256 of
each, and of each artifact, which stays where it is. The same run gives the
same bytes each time.
"""
_WATCH_HELP = """Print a line at each change of runs, until they have ended.

\b
Examples:
  interact runs watch reduce-1
  interact runs watch reduce-1 reduce-2 --timeout 3600
  interact runs watch                                all, until Ctrl-C

The exit code is 0 if all that are named have completed, and 4 if one has not.
"""


@app.command(name="list", help=_LIST_HELP)
@on_a_cluster
def list_(
    where: Where,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN]...", help="Only these.")
    ] = None,
    output: Annotated[Form, typer.Option("--output", "-o", help="How to print.")] = Form.TABLE,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on with what changes.")] = False,
    selector: SelectorOption = "",
    everywhere: AllOption = False,
) -> None:
    from interact.cli.cluster import connecting, getting

    place = connecting.place(replace(where, everywhere=everywhere))
    getting.get(place, ["runs", *(names or ())], output, selector, watch=watch)


@app.command(help=_SHOW_HELP)
@on_a_cluster
def show(
    where: Where,
    runs: RunsArgument,
    output: AnswerOption = None,
) -> None:
    from interact.cli.cluster import connecting, runs_reading

    place = connecting.place(where)
    runs_reading.show(place, runs, Form(output) if output else None)


@app.command(help=_LOGS_HELP)
@on_a_cluster
def logs(
    where: Where,
    run: RunArgument,
    attempt: Annotated[
        int | None, typer.Option("--attempt", min=1, help="Which; the last without.")
    ] = None,
    tail: Annotated[
        int | None, typer.Option("--tail", min=0, metavar="LINES", help="Only the last ones.")
    ] = None,
) -> None:
    from interact.cli.cluster import connecting, runs_reading

    place = connecting.place(where)
    runs_reading.logs(place, run, attempt, tail)


@app.command(help=_ANSWER_HELP)
@on_a_cluster
def answer(
    where: Where,
    run: RunArgument,
    values: Annotated[
        list[str] | None,
        typer.Option("--value", metavar="FIELD=VALUE", help="A field; repeatable."),
    ] = None,
    file: Annotated[
        str, typer.Option("--file", metavar="FILE", help="JSON or YAML of all fields; - for stdin.")
    ] = "",
    failed: Annotated[
        str | None, typer.Option("--failed", metavar="REASON", help="It cannot be done.")
    ] = None,
) -> None:
    from interact.cli.cluster import connecting, runs_changing

    place = connecting.place(where)
    prompt = _ask if sys.stdin.isatty() else None
    runs_changing.answer(place, run, values or (), file, failed, prompt=prompt)


def _ask(text: str, default: str) -> str:
    return str(typer.prompt(text, default=default, show_default=bool(default), err=True))


@app.command(help=_CANCEL_HELP)
@on_a_cluster
def cancel(
    where: Where,
    runs: RunsArgument,
    output: AnswerOption = None,
) -> None:
    from interact.cli.cluster import connecting, runs_changing

    place = connecting.place(where)
    runs_changing.cancel(place, runs, Form(output) if output else None)


@app.command(help=_RETRY_HELP)
@on_a_cluster
def retry(
    where: Where,
    run: RunArgument,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="Of the new run; a number without.")
    ] = "",
    output: AnswerOption = None,
) -> None:
    from interact.cli.cluster import connecting, runs_changing

    place = connecting.place(where)
    runs_changing.retry(place, run, name, Form(output) if output else None)


@app.command(help=_EXPORT_HELP)
@on_a_cluster
def export(
    where: Where,
    run: RunArgument,
    out: Annotated[
        str, typer.Option("--out", metavar="FILE", help="RUN.tar without; - for stdout.")
    ] = "",
    partial: Annotated[
        bool, typer.Option("--partial", help="Also of a run that has not ended.")
    ] = False,
    output: ShortOutputOption = Output.TEXT,
) -> None:
    from interact.cli.cluster import connecting, runs_changing

    place = connecting.place(where)
    runs_changing.export(place, run, out, as_json=output is Output.JSON, partial=partial)


@app.command(help=_WATCH_HELP)
@on_a_cluster
def watch(
    where: Where,
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN]...", help="All without.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0, metavar="SECONDS", help="Longest time.")
    ] = None,
    output: ShortOutputOption = Output.TEXT,
) -> None:
    from interact.cli.cluster import connecting, runs_reading

    place = connecting.place(where)
    raise typer.Exit(runs_reading.watch(place, runs or (), timeout, as_json=output is Output.JSON))
