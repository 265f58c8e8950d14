"""Which runs live on this machine: a private file for each, written by the run itself.

The file holds the address and the token of the run's NATS, so only its owner can read it, and
nothing prints it. A process that died without removing its file is told by its number and the moment
it started: a number is given again, both together are not.
"""

import json
import logging
import os
import stat
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

logger = logging.getLogger(__name__)

_FIELDS: Final = 19
"""Of /proc/PID/stat, those between the program's name and the start time (proc(5): field 22)."""


@dataclass(frozen=True)
class Presence:
    """One live run.

    Attributes:
        namespace: The namespace in the names of its streams.
        pipelines: Its pipelines.
        nats_url: Its server.
        token: What the server asks for; empty for nothing.
        pid: Its process.
        started: When that started, as the system tells it.
    """

    namespace: str
    pipelines: tuple[str, ...]
    nats_url: str = field(repr=False)
    token: str = field(repr=False, default="")
    pid: int = field(default_factory=os.getpid)
    started: str = field(default_factory=lambda: moment(os.getpid()))

    @property
    def alive(self) -> bool:
        """Whether that process still runs."""
        return bool(self.started) and moment(self.pid) == self.started


def folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where the files are: the user's runtime folder, or else a cache folder."""
    environment = os.environ if environment is None else environment
    runtime = environment.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir():
        return Path(runtime) / "interact"
    cache = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "interact" / "runs"


@contextmanager
def shown(presence: Presence) -> Iterator[None]:
    """Let this user's other commands find a run while the block lasts.

    A folder that cannot be written is told and costs that only: the run goes on.
    """
    file: Path | None = None
    try:
        file = _written(presence)
    except OSError as error:
        logger.warning("no other command will find this run: %s", error)
    try:
        yield
    finally:
        if file is not None:
            with suppress(OSError):
                file.unlink()


def _written(presence: Presence) -> Path:
    home = folder()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _private(home):
        raise PermissionError(f"{home} belongs to somebody else")
    home.chmod(0o700)
    file = home / f"{presence.pid}.json"
    fresh = home / f".{presence.pid}.new"
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
        json.dump(asdict(presence), target)
    fresh.replace(file)
    return file


def live(pipeline: str = "", namespace: str = "") -> list[Presence]:
    """The runs that live now, oldest first; the files of others are removed.

    Args:
        pipeline: Only runs of this one; of any when empty.
        namespace: Only runs in this one; in any when empty.
    """
    found = []
    for file in sorted(folder().glob("*.json")):
        presence = _read(file)
        if presence is None:
            continue
        if not presence.alive:
            with suppress(OSError):
                file.unlink()
            continue
        if pipeline in {"", *presence.pipelines} and namespace in {"", presence.namespace}:
            found.append(presence)
    return found


def _read(file: Path) -> Presence | None:
    """What a file says; None if it is not ours, or says nothing of use."""
    try:
        if not _private(file):
            return None
        said = json.loads(file.read_text(encoding="utf-8"))
        return Presence(**{**said, "pipelines": tuple(said["pipelines"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        logger.debug("%s is left alone: %s", file.name, error)
        return None


def _private(path: Path) -> bool:
    """Whether a file or folder is this user's own, and no link."""
    facts = path.lstat()
    return facts.st_uid == os.getuid() and not stat.S_ISLNK(facts.st_mode)


def moment(pid: int) -> str:
    """When a process started, as the system tells it; empty if there is none."""
    with suppress(OSError, IndexError):
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2]
        words = after_name.split()
        return "" if words[0] == "Z" else words[_FIELDS]
    if Path("/proc/self/stat").exists():
        return ""
    done = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
