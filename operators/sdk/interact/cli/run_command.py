"""`interact run`: from the command line to an exit code."""

import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from interact_api.choices import Storage
from rich.console import Console

from interact import _server
from interact._errors import BrokerError
from interact.cli import catalogue as catalogues
from interact.cli import overrides, plans, summary
from interact.cli.exits import CommandError, Exit
from interact.cli.plans import LocalPlan
from interact.cli.runner import Ending, Options, Run
from interact.cli.screen import LiveScreen, PlainScreen, Screen


@dataclass(frozen=True)
class Arguments:
    """The command line of `interact run`."""

    files: tuple[str, ...]
    operators: tuple[Path, ...] = ()
    sets: tuple[str, ...] = ()
    replicas: tuple[str, ...] = ()
    duration_seconds: float | None = None
    stall_seconds: float = 60.0
    nats: str = ""
    token_file: Path | None = None
    images: Path | None = None
    as_json: bool = False
    plain: bool = False
    namespace: str = "local"
    keep: bool = False
    stay: bool = False
    logs: Path | None = None


def run(arguments: Arguments) -> Exit:
    """Run pipelines on this machine; the result is told on standard output.

    Raises:
        CommandError: If it cannot start.
    """
    found = catalogues.catalogue(arguments.files, arguments.operators)
    changed = overrides.applied(found, overrides.parse(arguments.sets, arguments.replicas))
    plan = plans.plans(changed, found.operators, arguments.namespace, own_server=not arguments.nats)
    for option, wanted in (("--images", arguments.images), ("--logs", arguments.logs)):
        if wanted is not None:
            _made(wanted, option)
    console = Console(stderr=arguments.as_json)
    live = console.is_terminal and not arguments.plain
    screen: Screen = LiveScreen(console) if live else PlainScreen(console)
    since = time.monotonic()
    with _folder(arguments) as folder, _nats(arguments, plan, folder) as (url, token, server):
        options = Options(
            folder=folder,
            logs=_made(arguments.logs or folder / "logs"),
            code=dict(found.code),
            stall_seconds=arguments.stall_seconds,
            duration_seconds=arguments.duration_seconds,
            images=arguments.images,
            keep=arguments.keep,
            stay=arguments.stay,
        )
        alive = (lambda: server.alive) if server else (lambda: True)
        played = Run(plan, options, url, token, alive, screen.say)
        _greet(screen, arguments, plan, url)
        ending = _played(played, screen)
        ending = summary.verdict(played.board, ending, played.letters)
        for line in ending.lines:
            screen.say(line)
        said = summary.document(played, ending, time.monotonic() - since)
        if ending.code in {Exit.COMPLETE, Exit.INTERRUPTED} and not (
            arguments.keep or arguments.logs
        ):
            shutil.rmtree(folder, ignore_errors=True)
            said["logs"] = None
        elif not arguments.as_json:
            screen.say(f"logs are in {options.logs}")
    sys.stdout.write(
        (json.dumps(said, indent=1) if arguments.as_json else summary.text(said)) + "\n"
    )
    return ending.code


def _made(folder: Path, option: str = "--logs") -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        words = f"{option} {folder}: cannot be made: {error.strerror}; name another folder"
        raise CommandError(Exit.USAGE, words) from error
    return folder.resolve()


@contextmanager
def _folder(arguments: Arguments) -> Iterator[Path]:
    """Configurations, logs and the server's files; kept where there is something to look up."""
    folder = Path(tempfile.mkdtemp(prefix="interact-run-"))
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        if not arguments.keep:
            shutil.rmtree(folder / "nats", ignore_errors=True)
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def _nats(
    arguments: Arguments, plan: LocalPlan, folder: Path
) -> Iterator[tuple[str, Path | None, _server.Server | None]]:
    """The server to use: one that is named, or one of our own."""
    try:
        if arguments.nats:
            _look(arguments.nats)
            yield arguments.nats, arguments.token_file, None
            return
        with _server.nats_server(
            folder / "nats",
            max_memory=plan.store_bytes(Storage.MEMORY),
            max_file=plan.store_bytes(Storage.FILE),
        ) as server:
            yield server.url, server.token_file, server
    except BrokerError as error:
        raise CommandError(Exit.NO_NATS, str(error)) from error


def _look(url: str) -> None:
    """Refuse a server that is not there or too old, before anything else is tried."""
    if not url.startswith("nats://"):
        return  # TLS and websockets are the client's to open
    try:
        _server.check_version(str(_server.greeting(url)["version"]), _server.shown(url))
    except (OSError, ValueError, KeyError) as error:
        raise BrokerError(
            f"no NATS at {_server.shown(url)}: {error}; is nats-server running there?"
        ) from error


def _greet(screen: Screen, arguments: Arguments, plan: LocalPlan, url: str) -> None:
    operators = sum(plan.replicas.values())
    where = _server.shown(url) if arguments.nats else f"a nats-server of its own at {url}"
    screen.say(
        f"{', '.join(plan.plans)}: {operators} processes, {where}; streams are in memory and end with it"
    )


def _played(run: Run, screen: Screen) -> Ending:
    """Play a run with its screen; errors of NATS become endings."""

    async def play() -> Ending:
        async with asyncio.TaskGroup() as group:
            showing = group.create_task(screen.follow(lambda: run.board))
            try:
                return await run.play()
            finally:
                showing.cancel()

    try:
        return asyncio.run(play())
    except BaseExceptionGroup as group:
        broken, others = group.split(BrokerError)
        if others is not None or broken is None:
            raise
        return Ending(Exit.NO_NATS, tuple(str(error) for error in _leaves(broken)))


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
