"""`interact runs answer`, `cancel`, `retry` and `export`."""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import typer
import yaml
from interact_api import bounded_json
from interact_api.lifecycle import TERMINAL
from interact_api.manifests import FileStatus
from interact_api.model import API_VERSION, GROUP
from interact_api.plain import mapping

from interact.cli.cluster import kinds, objects, printed, runs_answers, runs_bundle
from interact.cli.cluster.api import Object
from interact.cli.cluster.kinds import RUN
from interact.cli.cluster.objects import Place
from interact.cli.cluster.options import Form
from interact.cli.cluster.runs_reading import phase
from interact.cli.exits import CommandError, Exit

RETRY_OF: Final = f"{GROUP}/retry-of"
_MOST_RETRIES: Final = 1000
_SWITCHES: Final = ("cancel", "suspend")


def tell(run: Object, form: Form | None, words: str) -> None:
    """Print the run in the form asked for, else words about it."""
    if form is None:
        typer.echo(f"run {run['metadata']['name']!r}: {words}")
    elif form is Form.NAME:
        typer.echo(printed.reference(RUN, run))
    else:
        typer.echo(printed.document([run], form, one=True))


def cancel(place: Place, called: Sequence[str], form: Form | None) -> None:
    """Have the work of some runs stopped.

    Raises:
        CommandError: If one is not there, or the server refuses.
    """
    for one in map(kinds.named, called):
        found = objects.read(place, RUN, one)
        ended = phase(found)
        if ended in TERMINAL:
            tell(found, form, f"has ended already: {ended}")
            continue
        after = objects.merge(place, RUN, one, {"spec": {"cancel": True}})
        tell(after, form, "is being cancelled; interact runs watch tells when it is")


def retry(place: Place, called: str, new_name: str, form: Form | None) -> None:
    """Make another run that asks for the same; the one that ended stays as it is.

    Raises:
        CommandError: If the run has not ended, or the server refuses.
    """
    found = objects.read(place, RUN, kinds.named(called))
    ended = phase(found)
    if ended not in TERMINAL:
        raise CommandError(
            Exit.INVALID,
            f"run {called!r} has not ended: it is {ended or 'not seen by a controller yet'}",
            f"interact runs cancel {called} ends it",
        )
    made = objects.create(place, RUN, again(found, kinds.named(new_name))) if new_name else None
    if new_name and made is None:
        raise CommandError(
            Exit.INVALID, f"there is a run {new_name!r} already; choose another --name"
        )
    tried = 2
    while made is None and tried < _MOST_RETRIES:
        made = objects.create(place, RUN, again(found, next_name(called, tried)))
        tried += 1
    if made is None:
        raise CommandError(
            Exit.INVALID, f"run {called!r} was retried {_MOST_RETRIES} times; give a --name"
        )
    tell(made, form, f"made to do again what {called!r} was to do")


def next_name(called: str, number: int) -> str:
    """The name of a retry: the first one's with a number, at most 63 characters.

    >>> next_name("reduce-r2", 3), len(next_name("x" * 63, 12))
    ('reduce-r3', 63)
    """
    base = re.sub(r"-r[0-9]{1,4}$", "", called)
    ending = f"-r{number}"
    return base[: 63 - len(ending)].rstrip("-.") + ending


def again(run: Object, new_name: str) -> Object:
    """A new run that asks for what another one asked for."""
    about = mapping(run["metadata"])
    spec = {key: one for key, one in mapping(run.get("spec")).items() if key not in _SWITCHES}
    metadata: dict[str, Any] = {
        "name": new_name,
        "annotations": {RETRY_OF: f"{about['name']}/{about['uid']}"},
    }
    if about.get("labels"):
        metadata["labels"] = about["labels"]
    return {"apiVersion": API_VERSION, "kind": RUN.name, "metadata": metadata, "spec": spec}


def answer(
    place: Place,
    called: str,
    values: Sequence[str],
    file: str,
    failed: str | None,
    *,
    prompt: runs_answers.Ask | None,
) -> None:
    """Give an answer to a run that waits for a person.

    Args:
        place: Where.
        called: The run.
        values: The answer as FIELD=VALUE.
        file: A file with it as JSON or YAML; ``-`` for standard input.
        failed: Why the work cannot be done, in place of an answer.
        prompt: Asks for what is not given; None where nobody can be asked.

    Raises:
        CommandError: If nobody asks, or the form does not take the answer.
    """
    run = objects.read(place, RUN, kinds.named(called))
    question = runs_answers.open_question(place, run)
    asked = runs_answers.form(question)
    response: dict[str, Any]
    if failed is not None:
        response = {"status": FileStatus.FAILED.value, "error": failed}
    else:
        data = _answer(question, asked, values, file, prompt)
        response = {"status": FileStatus.COMPLETED.value, "data": runs_answers.checked(asked, data)}
    given = runs_answers.give(place, run, response)
    typer.echo(f"run {called!r}: {given} is given; interact runs watch {called} tells what follows")


def _answer(
    question: Object,
    asked: Any,
    values: Sequence[str],
    file: str,
    prompt: runs_answers.Ask | None,
) -> Any:
    if values and file:
        raise CommandError(Exit.USAGE, "--value and --file both give the answer; use one of them")
    if file:
        return _read(file)
    if values:
        return runs_answers.from_words(values, asked)
    if prompt is None:
        raise CommandError(
            Exit.USAGE,
            "there is no terminal to ask at; give the answer with --value FIELD=VALUE or --file",
        )
    instructions = mapping(question.get("data")).get("instructions.md")
    if instructions:
        typer.echo(f"{instructions}\n", err=True)
    return runs_answers.ask(asked, prompt, lambda words: typer.echo(words, err=True))


def _read(file: str) -> Any:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise CommandError(Exit.USAGE, f"{file}: {error}; name a file of JSON or YAML") from error
    try:
        if len(text) > bounded_json.MAX_BYTES:
            raise ValueError(f"{len(text):,} characters; at most {bounded_json.MAX_BYTES:,}")
        return bounded_json.parse(json.dumps(yaml.safe_load(text)))
    except (ValueError, TypeError, RecursionError, yaml.YAMLError) as error:
        raise CommandError(
            Exit.USAGE, f"{file}: {error}; write the fields as JSON or YAML"
        ) from error


def export(place: Place, called: str, out: str, *, as_json: bool, partial: bool) -> None:
    """Write the evidence of a run as a tar file, the same bytes each time.

    Args:
        place: Where.
        called: The run.
        out: The file; ``-`` for standard output, the run's name and ``.tar`` when empty.
        as_json: Print the manifest.
        partial: Also of a run that has not ended.

    Raises:
        CommandError: If it has not ended, or the file cannot be written.
    """
    run = objects.read(place, RUN, kinds.named(called))
    reached = phase(run)
    if reached not in TERMINAL and not partial:
        raise CommandError(
            Exit.INVALID,
            f"run {called!r} has not ended: it is {reached or 'not seen by a controller yet'}",
            f"interact runs watch {called} tells when it has; --partial takes what there is",
        )
    files = runs_bundle.files(run, runs_answers.given(runs_answers.read(place, run)))
    data = runs_bundle.tar(called, files)
    if out == "-":
        sys.stdout.buffer.write(data)
        return
    path = Path(out or f"{called}.tar")
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CommandError(Exit.USAGE, f"{path}: {error.strerror}; choose another --out") from error
    if as_json:
        typer.echo(files[runs_bundle.MANIFEST].decode().rstrip())
    else:
        typer.echo(f"{path}: {len(files)} files, sha256 {runs_bundle.digest(data)}")
