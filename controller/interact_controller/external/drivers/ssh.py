"""Commands on another machine by the ``ssh`` program: a pinned host key, our key, no questions."""

import asyncio
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from interact_api.external_slurm import SlurmSsh
from interact_api.quantities import seconds

from interact_controller.external.driver import ExternalError
from interact_controller.external.drivers.fetching import Unanswered, Unsent, excerpt

PROGRAM: Final = "ssh"
_LOST: Final = 255
"""What ssh itself gives when it fails, whenever that is."""
_NEVER_BEGAN: Final = re.compile(
    r"connection refused|could not resolve|no route to host|network is unreachable|"
    r"host key verification failed|permission denied|connect to host|kex_exchange|"
    r"no matching|too many authentication failures|load key|bad permissions",
    re.IGNORECASE,
)
_KILL_SECONDS: Final = 5.0


@dataclass(frozen=True)
class Ran:
    """A command that ended: its exit code and what it printed."""

    code: int
    output: str
    errors: str


async def run(system: SlurmSsh, private_key: str, script: str, *, max_bytes: int = 1 << 18) -> Ran:
    """Give a script to ``sh`` there.

    Args:
        system: Where.
        private_key: What opens it.
        script: What is done.
        max_bytes: Most that is read of what it prints.

    Raises:
        Unsent: If it did not begin.
        Unanswered: If it may have begun, and its end is not known.
    """
    with _files(system, private_key) as folder:
        try:
            process = await asyncio.create_subprocess_exec(
                PROGRAM, *_arguments(system, folder), stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"},
            )  # fmt: skip
        except OSError as error:
            raise Unsent(f"ssh cannot be started here: {error}; the image needs it") from error
        try:
            async with asyncio.timeout(seconds(system.timeout)):
                return _judged(await _talk(process, script, max_bytes), system)
        except TimeoutError as error:
            raise Unanswered(f"{system.host} gave no answer within {system.timeout}") from error
        finally:
            await _end(process)


async def _talk(process: asyncio.subprocess.Process, script: str, max_bytes: int) -> Ran:
    assert process.stdin is not None  # noqa: S101  # asked for above
    assert process.stdout is not None  # noqa: S101
    assert process.stderr is not None  # noqa: S101
    reading = asyncio.gather(_read(process.stdout, max_bytes), _read(process.stderr, max_bytes))
    try:
        with suppress(ConnectionError):
            process.stdin.write(script.encode())
            await process.stdin.drain()
            process.stdin.close()
        output, errors = await reading
    finally:
        reading.cancel()
    return Ran(await process.wait(), output, errors)


async def _read(stream: asyncio.StreamReader, limit: int) -> str:
    found = bytearray()
    while piece := await stream.read(1 << 16):
        found += piece
        if len(found) > limit:
            raise Unanswered(f"the command printed more than {limit:,} bytes")
    return found.decode(errors="replace")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _KILL_SECONDS)


def _judged(ran: Ran, system: SlurmSsh) -> Ran:
    if ran.code != _LOST:
        return ran
    last = ran.errors.strip().rpartition("\n")[2]  # before it may come a banner of warnings
    words = f"{system.host} cannot be reached: {excerpt(last)}"
    if _NEVER_BEGAN.search(ran.errors) and not ran.output:
        raise Unsent(words)
    raise Unanswered(words)


@contextmanager
def _files(system: SlurmSsh, private_key: str) -> Iterator[Path]:
    """The key and the host's keys, as ssh wants them: in files nobody else may read."""
    if not private_key.strip():
        raise ExternalError("the Secret of the system has no key 'ssh-privatekey'; add it")
    with tempfile.TemporaryDirectory(prefix="interact-ssh-") as name:
        folder = Path(name)
        (folder / "key").touch(mode=0o600)
        (folder / "key").write_text(private_key.strip() + "\n", encoding="utf-8")
        (folder / "hosts").write_text(system.known_hosts.strip() + "\n", encoding="utf-8")
        yield folder


def _arguments(system: SlurmSsh, folder: Path) -> list[str]:
    given = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": f'"{folder / "hosts"}"',
        "GlobalKnownHostsFile": "none",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "PreferredAuthentications": "publickey",
        "ConnectTimeout": str(max(1, int(seconds(system.timeout) / 2))),
        "ServerAliveInterval": "5",
        "ForwardAgent": "no",
        "ClearAllForwardings": "yes",
        "LogLevel": "ERROR",
    }
    named = [word for name, value in given.items() for word in ("-o", f"{name}={value}")]
    return ["-T", "-F", "none", *named, "-i", str(folder / "key"), "-p", str(system.port),
            "-l", system.user, "--", system.host, "/bin/sh -s"]  # fmt: skip
