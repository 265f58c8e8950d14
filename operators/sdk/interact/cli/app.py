"""The command line: what each command takes, and how it is explained."""

from pathlib import Path
from typing import Annotated

import typer

from interact.cli import dlq, exits, operator_commands, scan
from interact.cli.cluster import commands as cluster_commands
from interact.cli.cluster import runs_commands
from interact.cli.cluster.options import ContextOption, KubeconfigOption, NamespaceOption, Where
from interact.cli.exits import CommandError, Exit
from interact.cli.outputs import Output, OutputOption

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


FilesArgument = Annotated[
    list[str], typer.Argument(metavar="FILE", help="YAML files, folders, or -.")
]
OperatorsOption = Annotated[
    list[Path] | None,
    typer.Option("--operators", metavar="DIR", help="Look for operators here first; repeatable."),
]
TokenOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="File with the token the server asks for.")
]

_VALIDATE_HELP = """Find every mistake in pipelines and operators, without running them.

\b
Example:
  interact validate pipeline.yaml operators/*/operator.yaml
"""

_IMAGES_HELP = """Save the last pictures of pipelines: PNG, arrays, facts.

\b
Examples:
  interact images demo -o out -n beamline            from a cluster
  interact images demo -o out --nats nats://127.0.0.1:4222

On a cluster, NATS is found by the labels of its Service (NAMESPACE of
--nats-namespace, else any) and reached through the API server.
"""

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


_HELP = """Pipelines of operators for microscopy, on this machine and on a cluster.

\b
Examples:
  interact operator new bright-field           write an operator, with a test
  interact operator try bright-field/run.py --input scan.h5
  interact validate pipeline.yaml              find every mistake at once
  interact run pipeline.yaml --images out      run it and save the pictures
  interact get                                 pipelines of a cluster
  interact describe demo                       one of them: why, where, how far
  interact set demo count.threshold=12         change it while it runs
  interact images demo -o out                  its pictures

Each command explains itself: interact run --help.
"""


@app.callback(help=_HELP)
def _main() -> None:
    pass


@app.command(help=_RUN_HELP, no_args_is_help=True)
def run(
    files: FilesArgument,
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
    nats_token_file: TokenOption = None,
    images: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Save pictures here, twice a second and at the end."),
    ] = None,
    output: OutputOption = Output.TEXT,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of a live table.")] = False,
    namespace: Annotated[str, typer.Option(help="Namespace in the names of streams.")] = "local",
    keep: Annotated[bool, typer.Option("--keep", help="Keep streams and logs.")] = False,
    stay: Annotated[
        bool,
        typer.Option("--stay", help="Stay when all is done, for dead letters; Ctrl-C ends it."),
    ] = False,
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
        stay=stay,
        logs=logs,
    )
    raise typer.Exit(run_command.run(arguments))


@app.command(help=_VALIDATE_HELP)
def validate(files: FilesArgument, operators: OperatorsOption = None) -> None:
    from interact.cli import catalogue, overrides, plans

    found = catalogue.catalogue(files, tuple(operators or ()))
    plan = plans.plans(overrides.applied(found, ()), found.operators, "local")
    for name, one in plan.plans.items():
        typer.echo(
            f"Pipeline {name}: {len(one.operators)} operators, {len(one.streams)} streams, correct"
        )


@app.command(help=_IMAGES_HELP)
def images(
    folder: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where they go.")],
    name: Annotated[str, typer.Argument(metavar="[PIPELINE]", help="All without.")] = "",
    nats: Annotated[
        str, typer.Option(metavar="URL", help="This server, without asking a cluster.")
    ] = "",
    nats_token_file: TokenOption = None,
    nats_namespace: Annotated[
        str, typer.Option(metavar="NAME", help="Namespace of the cluster's NATS.")
    ] = "",
    pipeline: Annotated[str, typer.Option(metavar="NAME", help="The same as PIPELINE.")] = "",
    namespace: NamespaceOption = "",
    context: ContextOption = "",
    kubeconfig: KubeconfigOption = "",
) -> None:
    from interact.cli import images_command
    from interact.cli.cluster import images as cluster_images

    if name and pipeline and name != pipeline:
        raise CommandError(
            Exit.USAGE, f"{name} and --pipeline {pipeline} differ; give the name once"
        )
    name = name or pipeline
    where = Where(kubeconfig, context, namespace)
    with cluster_images.server(nats, where, name, nats_namespace) as (url, space):
        for file in images_command.save(folder, url, nats_token_file, name, space):
            typer.echo(str(file))


@app.command(help="Print the versions of interact, Python and nats-server.")
def version() -> None:
    import subprocess
    import sys

    from interact import __version__, _server

    typer.echo(f"interact {__version__}")
    typer.echo(f"Python {sys.version.split()[0]}")
    try:
        program = _server.program_path()
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        typer.echo(f"{done.stdout.strip()} ({program})")
    except _server.NoServerError as error:
        typer.echo(str(error))


app.add_typer(cluster_commands.app)
app.add_typer(dlq.app, name="dlq", help="Look at dead letters, send them again, drop them.")
app.add_typer(
    scan.app, name="scan", help="List the scans of a pipeline that runs, abort or skip one."
)
app.add_typer(
    runs_commands.app,
    name="runs",
    help="Look at external runs, answer, cancel, retry, export them.",
)
app.add_typer(operator_commands.app, name="operator", help="Write, describe and try operators.")


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
