"""`interact operator …`: specifications, trials, and beginnings."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from interact.cli.exits import CommandError, Exit
from interact.cli.outputs import Output, OutputOption

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Files = Annotated[list[Path], typer.Argument(metavar="RUN.py", help="Files of operators.")]

_SPEC_HELP = """Print the YAML of operators, made from their code.

\b
Examples:
  interact operator spec operators/bright-field/run.py
  interact operator spec --write operators/*/run.py
  interact operator spec --check operators/*/run.py

--write puts it into operator.yaml beside each file, where it keeps the image
that is named there. --check exits with 1 and names the files that are stale.
"""

_TRY_HELP = """Run an operator on a file, without NATS, and show what comes out.

\b
Examples:
  interact operator try bright-field/run.py --input scan.h5 --set radius=12
  interact operator try sum/run.py --input frames.npy --output json

Frames are read from any format of interact-stem, or from .npy without it.
Operators that take values or images are given an .npz of named arrays.
"""

_NEW_HELP = """Write the folder of a new operator, with a test that passes.

\b
Example:
  interact operator new bright-field
  pytest bright-field
"""


@app.command(help=_SPEC_HELP)
def spec(
    files: Files,
    write: Annotated[
        bool, typer.Option("--write", help="Write operator.yaml beside each.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Fail if one is stale.")] = False,
) -> None:
    stale: list[str] = []
    for file, target, document in _documents(files):
        if check:
            if not target.is_file() or target.read_text(encoding="utf-8") != document:
                stale.append(f"{target} is stale; run interact operator spec --write {file}")
        elif write:
            target.write_text(document, encoding="utf-8")
            typer.echo(f"wrote {target}")
        else:
            typer.echo(document, nl=False)
    if stale:
        raise CommandError(Exit.INTERNAL, *stale)


@app.command(name="try", help=_TRY_HELP)
def attempt(
    file: Annotated[Path, typer.Argument(metavar="RUN.py", help="File of the operator.")],
    data: Annotated[Path | None, typer.Option("--input", metavar="FILE", help="Its input.")] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PARAMETER=VALUE", help="Set a parameter. Repeatable."),
    ] = None,
    dataset: Annotated[str, typer.Option(help="Which array of the file, if it has several.")] = "",
    scan_shape: Annotated[
        str,
        typer.Option(metavar="ROWS,COLUMNS", help="Shape of the scan, if the file does not say."),
    ] = "",
    output: OutputOption = Output.TEXT,
) -> None:
    from interact.cli import trial, trial_data

    given = None if data is None else trial_data.Data(data, dataset or None, _shape(scan_shape))
    said = trial.attempt(file, given, tuple(sets or ()))
    typer.echo(json.dumps(said, indent=1) if output is Output.JSON else trial.text(said))


@app.command(help=_NEW_HELP)
def new(
    name: Annotated[str, typer.Argument(help="Name, as pipelines will use it.")],
    folder: Annotated[
        Path, typer.Option("--folder", metavar="DIR", help="Where the folder goes.")
    ] = Path(),
) -> None:
    from interact.cli import starter

    for file in starter.create(name, folder):
        typer.echo(f"wrote {file}")


def _shape(text: str) -> tuple[int, ...] | None:
    """The edges of a scan as they are written; None where nothing is."""
    edges = [edge.strip() for edge in text.split(",")]
    if not text:
        return None
    if len(edges) > 2 or not all(edge.isdecimal() and int(edge) for edge in edges):
        raise CommandError(Exit.USAGE, f"--scan-shape {text}: write ROWS,COLUMNS, as in 64,48")
    return tuple(map(int, edges))


def _documents(files: list[Path]) -> Iterator[tuple[Path, Path, str]]:
    """Each file with its operator.yaml and what that should say."""
    targets = [file.parent / "operator.yaml" for file in files]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from zip(files, targets, pool.map(_document, files, targets), strict=True)


def _document(file: Path, target: Path) -> str:
    """The YAML of one file, made in a process of its own: operators may have modules of one name."""
    command = [sys.executable, "-P", "-m", "interact", str(file), "--describe"]
    done = subprocess.run(
        [*command, "--image", _image(target)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"{file}: ended with status {done.returncode}"]
        raise CommandError(Exit.USAGE, *lines[-5:])
    return done.stdout


def _image(file: Path) -> str:
    """The image an operator's YAML names; empty where there is none."""
    from interact_api.load import SpecError, load

    try:
        return load(file.read_text(encoding="utf-8"), origin=str(file)).operators[0].spec.image
    except (OSError, SpecError, IndexError):
        return ""
