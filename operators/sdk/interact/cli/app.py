"""The command line: what each command takes, and how it is explained."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from interact.cli import exits
from interact.cli.exits import CommandError, Exit

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Output(StrEnum):
    """How a result is told."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[
    Output, typer.Option("--output", help="text for people, json for programs: one document.")
]

_RUN_HELP = f"""Run pipelines on this machine, with a nats-server of their own.

\b
Examples:
  interact run pipeline.yaml
  interact run pipeline.yaml --images out --set count.threshold=12
  interact run pipeline.yaml --replicas count=4 --output json > result.json
  interact run live.yaml --duration 60 --nats nats://127.0.0.1:4222

\b
FILE is YAML with Pipelines and InteractOperators, as a cluster gets them, a
folder of such files, or - for standard input. The code of an operator is the
run.py beside its operator.yaml: in a folder of the operator's name below
--operators DIR, below the folders of INTERACT_OPERATORS, below operators/
beside the pipeline's file or above it, or in the working directory.

\b
The run ends by itself when every frame of every scan is accounted for.
Ctrl-C stops the sources and finishes what is under way; once more ends at once.

\b
Exit codes:
{exits.TABLE}
"""


@app.callback(help="")
def _main() -> None:
    pass


@app.command(help=_RUN_HELP, no_args_is_help=True)
def run(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="YAML files, folders, or -.")
    ],
    operators: Annotated[
        list[Path] | None,
        typer.Option(
            "--operators", metavar="DIR", help="Look for operators here first; repeatable."
        ),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="OPERATOR.PARAMETER=VALUE",
            help="Set a parameter; PIPELINE/ before it when several pipelines run. Repeatable.",
        ),
    ] = None,
    replicas: Annotated[
        list[str] | None,
        typer.Option("--replicas", metavar="OPERATOR=NUMBER", help="Replicas of an operator."),
    ] = None,
    duration: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="Stop the sources after so long."),
    ] = None,
    stall_seconds: Annotated[
        float, typer.Option(min=0.1, help="End when nothing moved for so long.")
    ] = 60.0,
    nats: Annotated[
        str, typer.Option(metavar="URL", help="Use this server; streams are removed at the end.")
    ] = "",
    nats_token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with the token the server asks for.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Save pictures here, every 2 s and at the end."),
    ] = None,
    output: OutputOption = Output.TEXT,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of a live table.")] = False,
    namespace: Annotated[str, typer.Option(help="Namespace in the names of streams.")] = "local",
    keep: Annotated[bool, typer.Option("--keep", help="Keep streams and logs.")] = False,
    logs: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a log file for each process here.")
    ] = None,
) -> None:
    from interact.cli import run_command

    arguments = run_command.Arguments(
        files=tuple(files),
        operators=tuple(operators or ()),
        sets=tuple(sets or ()),
        replicas=tuple(replicas or ()),
        duration_seconds=duration,
        stall_seconds=stall_seconds,
        nats=nats,
        token_file=nats_token_file,
        images=images,
        as_json=output is Output.JSON,
        plain=plain,
        namespace=namespace,
        keep=keep,
        logs=logs,
    )
    raise typer.Exit(run_command.run(arguments))


def main() -> None:
    """Run the command line; ends the process with one of `Exit`."""
    try:
        app(prog_name="interact")
    except CommandError as error:
        for line in error.lines:
            typer.echo(line, err=True)
        raise SystemExit(int(error.code)) from error
    except KeyboardInterrupt as error:
        raise SystemExit(int(Exit.INTERRUPTED)) from error
