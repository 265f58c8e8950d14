"""Where an external operator may read and write: below its run's folder, and nowhere else.

`ensure_under_run_root` checks a path; the functions that open, write and hash walk down from the
folder's own handle, one part at a time, and follow no link: what was checked is what is opened.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from interact_api import file_names
from interact_api.conditions import Reason
from interact_api.manifests import FileEntry
from interact_api.problem import Problem

from interact._errors import InputError

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""Not blocking, so that a pipe somebody put there cannot hold us."""
_PIECE: Final = 1 << 20


class PathRefused(InputError):  # noqa: N818  # says what happened, as KeyError does not
    """A path that does not stay below the run's folder; ``problem`` names it."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.message)


def ensure_under_run_root(root: Path, target: Path | str) -> Path:
    """The path a target leads to, links followed, once that is below the root or the root itself.

    Args:
        root: The run's folder.
        target: Absolute, or relative to the root; it need not exist.

    Raises:
        PathRefused: If it leads elsewhere, is a device, a socket or a pipe, or has a name with
            characters that cannot be printed.
    """
    words = os.fspath(target)
    if not words.isprintable():
        raise _refused(words, "has a character that cannot be printed; rename it")
    try:
        top = Path(root).resolve()
        found = (top / words).resolve()
        mode = _mode(found)
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: links in a ring
        raise _refused(words, f"cannot be followed ({error}); name a file that can") from error
    if found != top and top not in found.parents:
        raise _refused(words, f"leads out of the run's folder {top}; write below it")
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise _refused(words, "is neither a file nor a folder; name a plain file")
    return found


def operator_run_dir(run_root: Path, operator_type: str, uuid: str) -> Path:
    """The one folder below a run's where an external operator may write; it is not made.

    Args:
        run_root: The run's folder.
        operator_type: The operator's name.
        uuid: What tells this use of it from others.

    Raises:
        PathRefused: If a word cannot name a folder, or a link there leads out of the run's folder.
    """
    for word, path in ((operator_type, "operator_type"), (uuid, "uuid")):
        problem = file_names.folder_problem(word, path)
        if problem is not None:
            raise PathRefused(problem)
    return ensure_under_run_root(run_root, Path("operators") / operator_type / uuid)


@contextmanager
def opened(root: Path, name: str) -> Iterator[BinaryIO]:
    """A file below a folder, for reading.

    Raises:
        PathRefused: If the name is refused, a part of it is a link, or it is no plain file.
        FileNotFoundError: If it is not there.
    """
    with _folder(root, name) as (folder, last):
        handle = _open(name, last, os.O_RDONLY, folder)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise _refused(name, "is neither a file nor a folder; name a plain file")
            yield file


def read(root: Path, name: str, max_bytes: int) -> tuple[bytes, float] | None:
    """The first bytes of a file and when it was written last (seconds since the epoch).

    One byte more than ``max_bytes`` comes of a larger file, so that it can be told. None if it is
    not there.

    Raises:
        PathRefused: As `opened`.
    """
    with suppress(FileNotFoundError), opened(root, name) as file:
        return file.read(max_bytes + 1), os.fstat(file.fileno()).st_mtime
    return None


def write(root: Path, name: str, data: bytes) -> FileEntry:
    """Write a file whole or not at all, with the folders above it.

    Raises:
        PathRefused: As `opened`.
    """
    with _folder(root, name, make=True) as (folder, last):
        beside = f".{hashlib.sha256(last.encode()).hexdigest()[:16]}.part"
        with suppress(FileNotFoundError):
            os.unlink(beside, dir_fd=folder)  # by its folder's handle
        handle = _open(name, beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, folder)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(handle)
        try:
            os.rename(beside, last, src_dir_fd=folder, dst_dir_fd=folder)  # likewise
        except IsADirectoryError as error:
            os.unlink(beside, dir_fd=folder)
            raise _refused(name, "is a folder; name a file") from error
    return FileEntry(path=name, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def entry(root: Path, name: str) -> FileEntry:
    """The size and SHA-256 of a file below a folder.

    Raises:
        PathRefused: As `opened`.
        FileNotFoundError: If it is not there.
    """
    digest, size = hashlib.sha256(), 0
    with opened(root, name) as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    return FileEntry(path=name, bytes=size, sha256=digest.hexdigest())


@contextmanager
def _folder(root: Path, name: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """The handle of the folder a name lies in, and the name's last part."""
    problem = file_names.file_problem(name)
    if problem is not None:
        raise PathRefused(problem)
    *parts, last = name.split("/")
    handle = os.open(Path(root).resolve(), _FOLDER)
    try:
        for part in parts:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=handle)  # by its folder's handle
            inner = _open(name, part, _FOLDER, handle)
            os.close(handle)
            handle = inner
        yield handle, last
    finally:
        os.close(handle)


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except FileNotFoundError:  # to be a file or a folder of ours
        return stat.S_IFREG


def _open(name: str, part: str, flags: int, folder: int) -> int:
    try:
        return os.open(part, flags | _FILE, 0o640, dir_fd=folder)
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:  # ELOOP, ENOTDIR, ENXIO: a link, a file for a folder, a socket
        words = f"cannot be opened without following a link ({error.strerror}); name a plain file"
        raise _refused(name, words) from error


def _refused(name: str, wrong: str) -> PathRefused:
    message = f"the path {file_names.shown(name)} {wrong}"
    return PathRefused(Problem("path", Reason.INVALID_PARAMETER, message))
